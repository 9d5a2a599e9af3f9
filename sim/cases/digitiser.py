"""Stimuli for the digitiser and its blocks, with what their models say must come out.

Each set of cases has the corners of the formats, seeded random values, and light that a lossy,
drifting channel brings back. They serve the tests, and the reports that commands make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from shotveil.gateware.digitiser.accumulators import Accumulators
from shotveil.gateware.digitiser.chain import Receiver
from shotveil.gateware.digitiser.correlator import Correlator
from shotveil.gateware.digitiser.entry import Entry
from shotveil.gateware.digitiser.framing import DigitiserFraming
from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.gateware.digitiser.normalisation import Normalisation
from shotveil.gateware.digitiser.phase import Phase
from shotveil.gateware.digitiser.phase_lock import PhaseLock
from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.models.common.fixedpoint import BoolArray, IntArray, Q, Rounding, round_shift
from shotveil.models.digitiser import (
    accumulators,
    chain,
    correlator,
    entry,
    normalisation,
    phase,
    phase_lock,
    timing,
)
from shotveil.models.digitiser.channel import SimulatedChannel, convert, detect, framed, waveform
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    PILOT,
    PREAMBLE,
    ROW,
    SIGNAL_RECORD,
    VACUUM,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

MODULATION_VARIANCE = 12.0  # SNU
REFERENCE = 9.7  # √SNU: quadratures of preamble and pilots, 0.7 of four standard deviations
SHORT = FrameLayout(preamble=PREAMBLE, row=48, pilot_spacing=16, vacuum=6)


@dataclass(frozen=True)
class DigitiserBlock:
    """A block for the benches; `cases(spec, size, rng)` gives runs that grow with `size`."""

    component: Callable[[DigitiserSpec], wiring.Component]
    cases: Callable[[DigitiserSpec, int, np.random.Generator], list[Case]]
    quadratures: tuple[int, ...] = (2, 1)


def fields(values: IntArray) -> dict[str, IntArray]:
    """Quadratures of shape (1 or 2, n) as the fields of a stream."""
    return dict(zip("xp", values, strict=False))


def settings_of(setup: DigitiserSettings, *names: str) -> dict[str, int]:
    """The values of the named setting ports."""
    ports = setup.ports()
    return {name: ports[name] for name in names}


def wide(q: Q, shape: tuple[int, ...], rng: np.random.Generator) -> IntArray:
    """Random values of a format, with its corners in front."""
    values = rng.integers(q.lowest, q.highest + 1, shape)
    if not values.size:
        return values
    edges = np.array([q.lowest, q.highest, -1, 0, 1, q.lowest + 1])
    for row, line in enumerate(values.reshape(-1, shape[-1])):
        line[: min(6, len(line))] = np.roll(edges, row)[: min(6, len(line))]
    return values


# Light ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Light:
    """A session as it arrives at the receiver.

    It holds ADC words, the row symbols sent (in `spec.reference`), their unit in √SNU, and the
    settings of a receiver that expects this light.
    """

    codes: IntArray
    q: IntArray
    unit: float
    settings: DigitiserSettings


def symbols_of_rows(
    spec: DigitiserSpec, count: int, rng: np.random.Generator
) -> tuple[IntArray, float]:
    """Gaussian symbols of the modulation variance whose full scale is four deviations."""
    deviation = spec.reference.highest / 4
    q = np.clip(
        np.rint(rng.normal(0, deviation, (2, count))), spec.reference.lowest, spec.reference.highest
    ).astype(np.int64)
    return q, float(np.sqrt(MODULATION_VARIANCE) / deviation)


def outgoing(
    spec: DigitiserSpec,
    channel: SimulatedChannel,
    frames: int,
    rng: np.random.Generator,
    layout: FrameLayout | None = None,
) -> tuple[npt.NDArray[np.complex128], IntArray, float, DigitiserSettings]:
    """Frames of Gaussian rows as they leave, `channel.delay` late, in √SNU: samples, the row's
    symbols, their unit, and settings of a receiver that expects them behind the channel."""
    layout = layout or FrameLayout(preamble=PREAMBLE)
    layout = replace(layout, guard=max(layout.guard, spec.span))
    q, unit = symbols_of_rows(spec, frames * layout.row, rng)
    rows = ((q[0] + 1j * q[1]) * unit).reshape(frames, layout.row)
    sent = waveform(spec, framed(layout, rows, REFERENCE).ravel(), channel.delay)
    settings = DigitiserSettings(
        layout=layout,
        minimum=correlator.threshold(spec, channel.shot_noise),
        pilot=round(REFERENCE / unit),
        mode=layout.row // 3,
        scale=(round(2**22 / channel.shot_noise),) * 2,
        samples_per_symbol=spec.samples_per_symbol,
    )
    return np.concatenate([sent, np.zeros(8 * spec.taps)]), q, unit, settings


def light(
    spec: DigitiserSpec,
    channel: SimulatedChannel,
    frames: int,
    rng: np.random.Generator,
    layout: FrameLayout | None = None,
    trouble: bool = False,
) -> Light:
    """Frames of Gaussian rows through a channel.

    With `trouble` the light fails for some frames (and comes back in the middle of one), single
    samples are driven over the ADC's range, and the last third is so strong that symbols saturate.
    """
    sent, q, unit, settings = outgoing(spec, channel, frames, rng, layout)
    layout = settings.layout
    if trouble:
        n, period = len(sent), settings.period
        sent[int(0.2 * n) : int(0.2 * n) + int(2.5 * period)] = 0
        sent[int(0.4 * n) : int(0.4 * n) + int(6.4 * period)] = 0
    voltage = detect(spec, channel, sent, rng)
    if trouble:
        voltage[0, rng.integers(0, len(sent), max(3, len(sent) // 5000))] = 1e4
    return Light(convert(spec, voltage), q, unit, settings)


# Blocks -----------------------------------------------------------------------------------------


def entry_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Words of both formats, among them the ends of the range."""
    cases = []
    count = 0
    for binary in (0, 1):
        words = rng.integers(0, 1 << spec.adc_bits, (spec.quadratures, 64 + size))
        ends = [
            0,
            1,
            (1 << spec.adc_bits) - 1,
            1 << (spec.adc_bits - 1),
            (1 << (spec.adc_bits - 1)) - 1,
        ]
        words[0, : len(ends)] = ends
        samples, over = entry.model(spec, words, binary)
        count += int(over.sum())
        run = Run(
            {"offset_binary": binary, "clear": 0}, {"i": fields(words)}, {"o": words.shape[1]}
        )
        expected = {**fields(samples), "over": over.astype(np.int64)}
        cases.append(
            Case(run, {"o": expected}, {"overrange": int(count > 0), "overrange_count": count})
        )
    return cases


def correlator_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """A preamble in light, words of full scale, and as many at either end as a preamble has."""
    given = light(spec, SimulatedChannel(delay=40.4, phase=0.1), 2 + size // 1000, rng, SHORT)
    samples, _ = entry.model(spec, given.codes)
    ends = np.repeat([spec.sample.highest, spec.sample.lowest], correlator.reach(spec) + 9)
    samples = np.concatenate(
        [
            samples[:, : 600 + size],
            wide(spec.sample, (spec.quadratures, 300 + size), rng),
            np.tile(ends, (spec.quadratures, 1)),
        ],
        axis=1,
    )
    found = correlator.model(spec, samples, given.settings.minimum)
    n = samples.shape[1]
    early = np.zeros(Correlator.LAG, dtype=np.int64)
    run = Run(
        {"minimum": given.settings.minimum},
        {"i": {**fields(samples), "over": np.zeros(n, np.int64)}},
        {"o": n},
    )
    expected = {
        "power": np.concatenate([early, found.power])[:n],
        "hit": np.concatenate([early, found.hit])[:n],
    }
    return [Case(run, {"o": expected})]


def synchroniser_cases(
    spec: DigitiserSpec, size: int, rng: np.random.Generator, free_run: int = 0
) -> list[Case]:
    """Light that is found, lost, and found again."""
    symbol = spec.samples_per_symbol
    count = max(12, size // (symbol * SHORT.length))
    channel = SimulatedChannel(transmittance=0.6, delay=123.6, phase=0.1)
    given = light(spec, channel, count, rng, SHORT, trouble=size > 5000)
    setup = replace(given.settings, free_run=free_run)
    return [synchroniser_case(spec, setup, *entry.model(spec, given.codes))]


def synchroniser_case(
    spec: DigitiserSpec, setup: DigitiserSettings, samples: IntArray, over: BoolArray
) -> Case:
    """What the synchroniser makes of samples, shape (quadratures, n), and their flags (n,)."""
    symbol, n = spec.samples_per_symbol, samples.shape[1]
    frames = timing.model(spec, setup, correlator.model(spec, samples, setup.minimum))
    held = np.concatenate([np.zeros((spec.quadratures, spec.delay), np.int64), samples], axis=1)
    marks = {name: np.zeros(n, np.int64) for name in ("mark", "fraction", "lost", "phase")}
    marks["phase"] = np.arange(n) % symbol  # it counts from reset until the first mark
    for frame in frames:
        at = frame.start + spec.delay
        marks["mark"][at] = 1
        marks["fraction"][at:] = frame.fraction
        marks["lost"][at:] = frame.lost
        marks["phase"][at:] = np.arange(n - at) % symbol
    expected = {
        **fields(held[:, :n]),
        "over": np.concatenate([np.zeros(spec.delay, np.int64), over])[:n],
        **marks,
    }
    ports = settings_of(setup, "minimum", "period", "timing_shift", "free_run")
    run = Run(
        {**ports, "clear": 0}, {"i": {**fields(samples), "over": over.astype(np.int64)}}, {"o": n}
    )
    return Case(run, {"o": expected})


def matched_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Fractions that change, reloaded taps of full scale, samples of full scale."""
    symbol = spec.samples_per_symbol
    n = symbol * (40 + size)
    taps = wide(spec.coefficient, (spec.fractions, spec.taps), rng)
    taps[:8] = spec.coefficients()[28:36]
    # No sum may leave the format, so the sum of magnitudes is at most that of the designed taps.
    taps[8:] //= 16
    samples = wide(spec.sample, (spec.quadratures, n), rng)
    fraction = np.repeat(rng.integers(0, spec.fractions, n // 80 + 1), 80)[:n]
    over, mark, lost = (rng.random(n) < share for share in (0.01, 0.05, 0.5))
    mark &= np.arange(n) % symbol == 0
    mark[0] = True
    lead = symbol * (spec.span - 1)
    padded = np.concatenate([np.zeros((spec.quadratures, lead), np.int64), samples], axis=1)
    gathered = np.concatenate([np.zeros(lead, np.int64), fraction])
    spread = np.concatenate([np.zeros(lead, np.bool_), over])
    count = (n - MatchedFilter.latency + 1) // symbol
    where = symbol * np.arange(count)[:, None] + np.arange(spec.taps)
    weights = taps[gathered[where], np.arange(spec.taps)]
    total = np.sum(padded[:, where] * weights, axis=2)
    shift = spec.coefficient.fraction - spec.filtered.fraction
    value = round_shift(total, shift, Rounding.HALF_EVEN)
    begins = where[:, 0] - lead
    first = np.where(begins >= 0, begins, 0)
    expected = {
        **fields(value),
        "mark": mark[first] & (begins >= 0),
        "lost": (mark & lost)[first] & (begins >= 0),
        "over": spread[where].any(axis=1),
    }
    stimulus = {
        **fields(samples),
        "over": over.astype(np.int64),
        "phase": np.arange(n) % symbol,
        "fraction": fraction,
        "mark": mark.astype(np.int64),
        "lost": lost.astype(np.int64),
    }
    return [
        Case(Run({}, {"coefficients": taps.ravel()})),
        Case(Run({}, {"i": stimulus}, {"o": count}), {"o": expected}),
    ]


def framing_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Several layouts, symbols between frames, a frame that a new mark cuts short."""
    cases: list[Case] = []
    for layout in (
        SHORT,
        FrameLayout(preamble=16, row=1, pilots=1, pilot_spacing=8, vacuum=1),
        FrameLayout(preamble=16, row=37, pilots=3, pilot_spacing=24, vacuum=9),
    ):
        steps = chain.plan(DigitiserSettings(layout=layout))
        n = len(steps.kind)
        marks: list[IntArray] = []
        parts: list[dict[str, IntArray]] = []
        labels = {
            "kind": steps.kind,
            "index": steps.index,
            "segment": steps.segment,
            "last": np.arange(n) == n - 1,
        }
        kept: list[IntArray] = []
        for k in range(3 + size // n):
            before = 0 if k == 2 else int(rng.integers(0, 9))
            # The third frame cuts the second short.
            taken = n // 2 if k == 1 else n
            idle = np.zeros(before, np.int64)
            mark = np.zeros(taken, np.int64)
            mark[0] = 1
            marks += [idle, mark]
            parts.append({name: line[:taken] for name, line in labels.items()})
            kept += [idle, np.ones(taken, np.int64)]
        mark = np.concatenate(marks)
        keep = np.concatenate(kept) > 0
        value = wide(spec.filtered, (spec.quadratures, len(mark)), rng)
        lost, over = rng.integers(0, 2, (2, len(mark)))
        starts = np.maximum.accumulate(np.where(mark > 0, np.arange(len(mark)), 0))
        skip = len(cases) % 2
        expected = {
            **fields(value[:, keep]),
            **{name: np.concatenate([p[name] for p in parts]) for name in labels},
            "skip": np.full(int(keep.sum()), skip),
            "lost": lost[starts][keep],
            "over": over[keep],
        }
        ports = settings_of(DigitiserSettings(layout=layout), "row", "pilots", "spacing", "vacuum")
        ports["skip"] = skip
        stimulus = {**fields(value), "mark": mark, "lost": lost, "over": over}
        cases.append(Case(Run(ports, {"i": stimulus}, {"o": int(keep.sum())}), {"o": expected}))
    return cases


def _labels(
    spec: DigitiserSpec, setup: DigitiserSettings, frames: int, rng: np.random.Generator
) -> dict[str, IntArray]:
    """Labels of whole frames, with flags at random."""
    steps = chain.plan(setup)
    n = len(steps.kind)
    one = {
        "kind": steps.kind,
        "index": steps.index,
        "segment": steps.segment,
        "last": (np.arange(n) == n - 1).astype(np.int64),
    }
    out = {name: np.tile(line, frames) for name, line in one.items()}
    out["lost"] = np.repeat((rng.random(frames) < 0.2).astype(np.int64), n)
    out["over"] = (rng.random(frames * n) < 0.05).astype(np.int64)
    out["skip"] = np.repeat((rng.random(frames) < 0.2).astype(np.int64), n)
    return out


def normalisation_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """All records, with offsets measured, held and loaded; values that saturate."""
    cases = []
    state = normalisation.NormalisationState.reset(spec)
    for record, scale, shift in (
        (VACUUM_RECORD, (16384, 12345), 14),
        (SIGNAL_RECORD, (spec.scale.highest, 777), 3),
        (DARK_RECORD, (1, 16000), 15),
    ):
        setup = DigitiserSettings(layout=SHORT, record=record, scale=scale, offset_shift=shift)
        labels = _labels(spec, setup, 1 + size // 60, rng)
        n = len(labels["kind"])
        value = wide(spec.filtered, (spec.quadratures, n), rng)
        value[:, 6:] = rng.normal(3000, 40000, (spec.quadratures, n - 6)).astype(np.int64)
        measures = (labels["kind"] == VACUUM) & (record == SIGNAL_RECORD)
        measures |= record == VACUUM_RECORD
        good = (labels["over"] | labels["lost"]) == 0
        out, limited = normalisation.model(spec, setup, state, value, measures, good)
        axes = "xp"[: spec.quadratures]
        zero = {f"offset_{axis}": 0 for axis in axes}
        scales = {f"scale_{axis}": s for axis, s in zip(axes, scale, strict=False)}
        run = Run(
            {"record": record, "offset_shift": shift, "load": 0, **scales, **zero},
            {"i": {**fields(value), **labels}},
            {"o": n},
        )
        expected = {**fields(out), **labels, "saturated": limited.astype(np.int64)}
        status = {f"measured_{a}": o for a, o in zip(axes, state.offset, strict=False)}
        cases.append(Case(run, {"o": expected}, status))
        # A calibrated offset is loaded, so each later symbol changes it only a little.
        load = {f"offset_{axis}": 1234567 * (k + 1) for k, axis in enumerate(axes)}
        cases.append(Case(Run({"load": 1, **load}), status={"measured_x": 1234567}))
        cases.append(Case(Run({"load": 0})))
        state = normalisation.NormalisationState(
            list(load.values()), (1 << normalisation.COUNT_BITS) - 1
        )
    return cases


def phase_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Pilots at drifting phases, values of full scale, a record that holds the phase."""
    cases = []
    state = phase.PhaseState()
    for record, shift in ((SIGNAL_RECORD, 1), (SIGNAL_RECORD, 7), (VACUUM_RECORD, 0)):
        setup = DigitiserSettings(layout=SHORT, record=record, phase_shift=shift)
        frames = 1 + size // 60
        labels = _labels(spec, setup, frames, rng)
        n = len(labels["kind"])
        value = wide(spec.symbol, (spec.quadratures, n), rng)
        saturated = (rng.random(n) < 0.05).astype(np.int64)
        number = np.tile(chain.plan(setup).pilot, frames)
        turn = np.exp(1j * np.cumsum(rng.normal(0.05, 0.05, n)))
        sent = np.where(number % 2 > 0, 1 - 1j, 1 + 1j) * turn * 12000
        sent = np.where(phase.opposite(number) > 0, -sent, sent)
        pilots = number >= 0
        pilots[:6] = False  # the corner values are not pilots
        value[:, pilots] = np.stack([sent.real, sent.imag])[: spec.quadratures, pilots].astype(int)
        good = (labels["over"] | labels["lost"] | saturated) == 0
        out, limited, phases = phase.model(
            spec, setup, state, value, number, good, labels["last"] > 0
        )
        expected = {**fields(out), **labels, "saturated": (saturated | limited).astype(np.int64)}
        stimulus = {**fields(value), **labels, "saturated": saturated}
        run = Run(
            {"record": record, "phase_shift": shift},
            {"i": stimulus},
            {"o": n, "phases": len(phases.angle)},
        )
        cases.append(
            Case(
                run,
                {
                    "o": expected,
                    "phases": {"angle": phases.angle, "bad": phases.bad.astype(np.int64)},
                },
            )
        )
    return cases


def phase_lock_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Phases of full scale, then a loop that settles; bad frames among them."""
    half = 1 << (spec.phase_bits - 1)
    angle = rng.integers(-half, half, 40 + size)
    angle[:4] = [-half, half - 1, 0, -1]
    angle[20:] = rng.integers(-2000, 2000, 20 + size)
    bad = rng.random(len(angle)) < 0.1
    # The end is a run of good frames within the window, so that the lock is reported.
    angle[-9:], bad[-9:] = 17, False
    loop = phase_lock.PhaseLockSettings(ki=10000, kp=65535, setpoint=-5, window=1820, span=16383)
    codes, locked = phase_lock.model(spec, loop, angle, bad)
    ports = {"ki": loop.ki, "kp": loop.kp, "setpoint": loop.setpoint}
    run = Run(
        {**ports, "window": loop.window, "span": loop.span},
        {"i": {"angle": angle, "bad": bad.astype(np.int64)}},
        {"o": len(codes)},
        timeout=100 * len(angle),
    )
    return [Case(run, {"o": codes}, {"locked": int(locked[-1])})]


def streamed(sums: IntArray) -> IntArray:
    """Sums of shape (…, words, 16) in the order in which they are sent."""
    lanes = sums.reshape(*sums.shape[:-1], 4, 4)
    return np.swapaxes(lanes, -1, -2).ravel()


def accumulators_cases(spec: DigitiserSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Values of full scale in all records; the session's sums are read while it goes on."""
    cases = []
    session = np.zeros((spec.words, 16), np.int64)
    modes = np.zeros((spec.modes, 4), np.int64)
    for number, record in enumerate((SIGNAL_RECORD, VACUUM_RECORD, DARK_RECORD, SIGNAL_RECORD)):
        # The session is asked for in the second and the fourth run, and sent after its next frame.
        snapshot = int(number in (1, 2))
        frames = 1 if number % 2 else 2 + size // 180
        # Long enough for a frame's sums to be sent before the next one's are due.
        layout = replace(SHORT, row=64, vacuum=600 // spec.samples_per_symbol)
        setup = DigitiserSettings(
            layout=layout, record=record, pilot=spec.reference.highest, mode_shift=number % 3
        )
        labels = _labels(spec, setup, frames, rng)
        n = len(labels["kind"])
        value = wide(spec.symbol, (spec.quadratures, n), rng)
        saturated = (rng.random(n) < 0.05).astype(np.int64)
        bad = (labels["over"] | labels["lost"] | saturated) > 0
        rows = (labels["kind"] == ROW) & (record == SIGNAL_RECORD) & (labels["skip"] == 0)
        q = wide(spec.reference, (2, int(rows.sum())), rng)
        sent = np.zeros((2, n), np.int64)
        sent[:, rows] = q
        pilots = (labels["kind"] == PILOT) & (record == SIGNAL_RECORD)
        sent[:, pilots] = setup.pilot
        sent[1, pilots & (labels["index"] % 2 > 0)] = -setup.pilot
        sent[:, pilots & (labels["index"] > 1)] *= -1
        both = value if spec.quadratures == 2 else np.concatenate([value, np.zeros_like(value)])
        sums = accumulators.model(
            spec, setup, both, sent, labels["kind"], labels["index"], labels["segment"], bad,
            labels["last"] > 0, labels["skip"] > 0,
        )  # fmt: skip
        session = session + sums.session
        modes = modes + sums.modes
        expected: dict[str, Any] = {"frames": streamed(sums.frames)}
        if number % 2:
            expected |= {"session": streamed(session), "modes": modes.ravel()}
            session, modes = np.zeros_like(session), np.zeros_like(modes)
        stimulus = {**fields(value), **labels, "saturated": saturated}
        inputs: dict[str, Mapping[str, IntArray]] = {"i": stimulus}
        if rows.any():
            inputs["q"] = fields(q)
        run = Run(
            {
                **settings_of(setup, "record", "pilot", "mode_shift"),
                "snapshot": snapshot,
                "clear": 0,
                "wipe": 0,
            },
            inputs,
            {name: len(line) for name, line in expected.items()},
            timeout=30 * n + 60 * spec.modes + 8_000,
        )
        cases.append(Case(run, expected, {"late": 0}))
    return cases


def chain_cases(
    spec: DigitiserSpec,
    size: int,
    rng: np.random.Generator,
    layout: FrameLayout | None = None,
    trouble: bool = True,
) -> list[Case]:
    """A session with failing light, from reset; its sums are read at its end."""
    layout = layout or FrameLayout(preamble=PREAMBLE, row=112, pilot_spacing=16)
    frames = max(4, size // (spec.samples_per_symbol * layout.length))
    channel = SimulatedChannel(
        transmittance=0.7,
        excess_noise=0.02,
        delay=300.35,
        phase=0.3 if spec.quadratures == 2 else 0.05,
        linewidth=1e-5 if spec.quadratures == 2 else 0.0,
        adc_offset=13.3,
    )
    given = light(spec, channel, frames, rng, layout, trouble=trouble and frames > 30)
    return receiver_cases(spec, given.settings, given.codes, given.q)


LOOP = phase_lock.PhaseLockSettings()


def receiver_ports(spec: DigitiserSpec, setup: DigitiserSettings) -> dict[str, int]:
    """All setting ports of the receiver."""
    ports = {**setup.ports(), "clear": 0, "load": 0, "snapshot": 1, "skip": 0, "wipe": 0}
    ports |= {f"offset_{axis}": 0 for axis in "xp"[: spec.quadratures]}
    if spec.quadratures == 1:
        del ports["scale_p"]
        ports |= {"ki": LOOP.ki, "kp": LOOP.kp, "setpoint": LOOP.setpoint}
        ports |= {"window": LOOP.window, "span": LOOP.span}
    return ports


def receiver_cases(
    spec: DigitiserSpec, setup: DigitiserSettings, codes: IntArray, q: IntArray
) -> list[Case]:
    """One session from reset.

    The sums of the session are requested from its start, so they come after the first frame and
    contain that frame alone.
    """
    # When the light has ended, the receiver goes on by the clock and still takes some q.
    q = np.concatenate([q, np.zeros((2, 8 * setup.layout.row), np.int64)], axis=1)
    want = chain.model(spec, setup, codes, q)
    frames = len(want.sums.frames)
    shown = want.value[: spec.quadratures]
    flags = {"over": want.over, "saturated": want.saturated, "lost": want.lost, "last": want.last}
    bad = want.over | want.saturated | want.lost
    at = (want.kind == ROW) & (want.index == setup.mode)
    expected: dict[str, Any] = {
        "symbols": {
            **fields(shown),
            "kind": want.kind,
            "index": want.index,
            "frame": want.frame,
            **flags,
        },
        "inference": {**fields(shown[:, at]), "bad": bad[at].astype(np.int64)},
        "phases": {"angle": want.phases.angle, "bad": want.phases.bad},
        "frames": streamed(want.sums.frames),
        "session": streamed(want.sums.frames[0]),
    }
    if spec.quadratures == 1:
        expected["dac"] = phase_lock.model(spec, LOOP, want.phases.angle, want.phases.bad)[0]

    def length(samples: Any) -> int:
        return len(next(iter(samples.values())) if isinstance(samples, dict) else samples)

    due = {name: length(samples) for name, samples in expected.items()} | {"modes": spec.modes * 4}
    inputs: dict[str, Mapping[str, IntArray]] = {"i": fields(codes)}
    if setup.record == SIGNAL_RECORD:  # no other takes what was sent
        inputs["q"] = fields(q[:, : int((want.kind == ROW).sum())])
    run = Run(
        receiver_ports(spec, setup),
        inputs,
        due,
        linger=2000,
        timeout=4 * codes.shape[1] + 1_000 * frames + 60 * spec.modes + 8_000,
    )
    status = {
        "overrange_count": want.overrange,
        "backlog": 0,
        "late": 0,
        "symbols_lost": 0,
        "inference_lost": 0,
        "theta": want.theta if spec.quadratures == 2 else int(want.phases.angle[-1]),
        "measured_x": want.offset[0],
    }
    return [Case(run, expected, status)]


BLOCKS: dict[str, DigitiserBlock] = {
    "entry": DigitiserBlock(Entry, entry_cases),
    "correlator": DigitiserBlock(Correlator, correlator_cases),
    "synchroniser": DigitiserBlock(Synchroniser, synchroniser_cases),
    "matched": DigitiserBlock(MatchedFilter, matched_cases),
    "framing": DigitiserBlock(DigitiserFraming, framing_cases),
    "normalisation": DigitiserBlock(Normalisation, normalisation_cases),
    "phase": DigitiserBlock(Phase, phase_cases),
    "phase_lock": DigitiserBlock(PhaseLock, phase_lock_cases, quadratures=(1,)),
    "accumulators": DigitiserBlock(Accumulators, accumulators_cases),
    "chain": DigitiserBlock(Receiver, chain_cases),
}
