"""Random frame layouts that are accepted, on the compiled receiver: equal to the model, none lost.

    shotveil lab layouts --count 50

Each layout is drawn near a limit of what `DigitiserSettings.validate` accepts: dense pilots, short
and long rows, little and much vacuum. Its light goes through the receiver without a pause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.models.common.checks import RangeError, require
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import light, receiver_cases
from shotveil.sim.engines.equality import AnyBench, Case, check
from shotveil.sim.engines.shared_library import LibraryBench

FRAMES = 4  # of each layout: waits that are not caught up pile up from frame to frame


@dataclass(frozen=True)
class LayoutsSeen:
    """What was tried: `accepted` layouts that ran, `refused` draws, and the longest row."""

    accepted: int
    refused: int
    longest: int


def draw(spec: DigitiserSpec, rng: np.random.Generator) -> DigitiserSettings:
    """Settings with a random layout, which may be refused.

    Raises `RangeError` for one that the receiver does not accept.
    """
    row = int(np.exp(rng.uniform(0, np.log(spec.row_capacity + 1))))
    pilots = int(rng.integers(1, 9))
    spacing = 8 * pilots + int(rng.choice([0, 1, int(rng.integers(64)), int(rng.integers(512))]))
    layout = FrameLayout(
        preamble=PREAMBLE,
        row=row,
        pilots=pilots,
        pilot_spacing=spacing,
        vacuum=int(rng.choice([1, 2, int(rng.integers(1, 256))])),
        guard=spec.span + int(rng.integers(0, 20)),
    )
    shift = max(0, (-(-row // spec.modes) - 1).bit_length())
    settings = DigitiserSettings(layout=layout, mode=row // 3, mode_shift=shift)
    settings.validate(spec)
    return settings


def accepted(spec: DigitiserSpec, rng: np.random.Generator) -> tuple[DigitiserSettings, int]:
    """The next draw that is accepted, and how many were refused before it."""
    refused = 0
    while True:
        try:
            return draw(spec, rng), refused
        except RangeError:
            refused += 1


def receiver(quadratures: int) -> tuple[DigitiserSpec, AnyBench]:
    """A compiled receiver, phase-diverse (2) or homodyne (1)."""
    spec = DigitiserSpec(quadratures=quadratures)
    return spec, LibraryBench(Receiver(spec), f"receiver_{quadratures}")


def unasked(case: Case) -> Case:
    """A case of the receiver in which nobody asks for the sums of the session.

    A long frame takes so long to be found that a snapshot would be sent before its first symbol.
    """
    due = {name: n for name, n in case.run.due.items() if name not in ("session", "modes")}
    settings = {**case.run.settings, "snapshot": 0}
    expected = {name: samples for name, samples in case.expected.items() if name in due}
    return replace(case, run=replace(case.run, due=due, settings=settings), expected=expected)


def run(
    count: int,
    rng: np.random.Generator,
    of: Callable[[int], tuple[DigitiserSpec, AnyBench]] = receiver,
    progress: Callable[[int], None] = lambda more: None,
) -> LayoutsSeen:
    """Play light of `count` accepted layouts on each receiver and compare all that comes out.

    `progress` is called with 1 after each layout.
    Raises `AssertionError` where receiver and model differ, or where a flag says that symbols or
    sums were lost; `RangeError` for a count below 1.
    """
    require("count", count, at_least=1, integer=True)
    refused = longest = done = 0
    for quadratures in (2, 1):
        spec, bench = of(quadratures)
        channel = SimulatedChannel(transmittance=0.8, delay=90.35, phase=0.05)
        for _ in range(count):
            settings, more = accepted(spec, rng)
            given = light(spec, channel, FRAMES, rng, settings.layout)
            shown = replace(given.settings, mode=settings.mode, mode_shift=settings.mode_shift)
            shown.validate(spec)
            try:
                check(
                    bench, [unasked(c) for c in receiver_cases(spec, shown, given.codes, given.q)]
                )
            except AssertionError as error:
                raise AssertionError(f"{settings.layout}: {error}") from error
            refused += more
            longest = max(longest, settings.layout.row)
            done += 1
            progress(1)
    return LayoutsSeen(done, refused, longest)
