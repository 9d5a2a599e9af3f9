"""Random hosts against the transmitter's gateware: not one row more than was granted leaves.

    shotveil lab grants --scripts 100000

A script is what a host, correct or not, does with the registers for some frames: it arms and
disarms at any time, starts twice, stops, changes the grant after the start, lets the watchdog run
out, sends more rows than were granted or none. The verdict depends only on the DAC codes and on
when the host armed and started. Preamble and pilots are set to zero, so that any light is a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from shotveil.gateware.drive.chain import settings
from shotveil.gateware.node.transmitter import BatchTransmitter
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.node.sequencer import FAULTS
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.engines.shared_library import Instance, Library

SPEC = DriveSpec(row_capacity=16, arcsine_segments=64)
LAYOUT = FrameLayout(preamble=4, row=4, pilots=0, vacuum=0, guard=8)
FRAME = LAYOUT.length * SPEC.samples_per_symbol  # clocks
SCRIPT = 24 * FRAME
TOGETHER = 32  # scripts that are played before the outputs are checked
REST = 8 * FRAME  # clocks after which no frame can still be on its way
SYMBOL = {"i": 0x5000, "q": -0x5000}


@dataclass
class GrantsSeen:
    """What was counted: `granted` and `emitted` rows, and batches by the way they ended."""

    scripts: int = 0
    granted: int = 0
    emitted: int = 0
    complete: int = 0  # batches with a grant that sent all of it
    endings: Counter[str] = field(default_factory=Counter)

    @property
    def batches(self) -> int:
        """How many batches began."""
        return sum(self.endings.values())


class Trespass(AssertionError):
    """Light that was not granted."""


def script(rng: np.random.Generator) -> dict[str, IntArray]:
    """What one host does, clock by clock."""

    def pulses(rate: float) -> IntArray:
        return (rng.random(SCRIPT) < rate).astype(np.int64)

    def held(values: IntArray) -> IntArray:
        """Values that change at random times."""
        cuts = np.sort(rng.integers(0, SCRIPT, len(values) - 1))
        return np.repeat(values, np.diff(cuts, prepend=0, append=SCRIPT))

    rare = 1 / (4 * SCRIPT)
    doing = {
        "arm": held(rng.integers(0, 2, rng.integers(1, 8))),
        "start": pulses(rng.choice([1 / 50, 1 / 400, 1 / 2000])),
        "stop": pulses(rng.choice([0, 0, rare, 1 / 600])),
        "clear": pulses(rare),
        "alive": pulses(1 / 100),
        "link_fault": pulses(rng.choice([0, rare])),
        "grant": held(rng.integers(0, rng.choice([2, 5, 40]), rng.integers(1, 4))),
        "lead_in": held(rng.integers(0, 4, rng.integers(1, 3))),
        "watchdog": held(rng.choice([0, 1, 9], rng.integers(1, 3), p=[0.05, 0.5, 0.45])),
        "hold": held((rng.random(3) < 0.2).astype(np.int64)),
        "triggered": held((rng.random(2) < 0.3).astype(np.int64)),
        "trigger": held(rng.integers(0, 2, 40)),
        "trigger_delay": np.full(SCRIPT, rng.integers(0, 300)),
    }
    if rng.random() < 0.5:  # this host behaves correctly
        doing["arm"][:] = 1
        doing["arm"][: rng.integers(1, 60)] = 0
    return doing


def judge(doing: dict[str, IntArray], seen: dict[str, IntArray], verdict: GrantsSeen) -> None:
    """Compare what was emitted with what was granted. Raises `Trespass`."""
    light = (seen["i"] != 0) | (seen["q"] != 0)
    (starts,) = np.nonzero(seen["sent"])
    # A row is a frame with light in it. All light must be in frames.
    ends = starts + FRAME
    sums = np.concatenate([[0], np.cumsum(light)])
    inside = sums[np.minimum(ends, len(light))] - sums[starts]
    if inside.sum() != sums[-1]:
        raise Trespass("there is light outside of frames")
    rows = starts[inside > 0]
    # A batch begins with a rise of `on` and has the grant of the clock before.
    on = seen["on"]
    (begins,) = np.nonzero(np.diff(on, prepend=0) == 1)
    (over,) = np.nonzero(np.diff(on, append=0) == -1)
    edges = np.cumsum(np.diff(doing["arm"], prepend=0) == 1)
    armed_in = edges[begins - 1]
    if len(set(armed_in.tolist())) != len(begins) or not doing["arm"][begins - 1].all():
        raise Trespass("a batch began without arming anew")
    if not doing["start"][begins - 1].all():
        raise Trespass("a batch began without a start")
    counted = 0
    for first, last in zip(begins.tolist(), over.tolist(), strict=True):
        granted = int(doing["grant"][first - 1])
        emitted = int(np.searchsorted(rows, last + 1) - np.searchsorted(rows, first))
        counted += emitted
        if emitted > granted:
            raise Trespass(f"{emitted} rows left in a batch with a grant of {granted}")
        verdict.granted += granted
        verdict.complete += 0 < emitted == granted
        verdict.endings[
            _ending(int(seen["fault"][last]), int(doing["clear"][first:last].any()))
        ] += 1
    if counted != len(rows):
        raise Trespass("a row left outside of a batch")
    verdict.emitted += counted


def _ending(fault: int, cleared: int) -> str:
    names = [name for bit, name in enumerate(FAULTS) if fault >> bit & 1]
    return "+".join(names) or ("cleared" if cleared else "done")


def prepare() -> Instance:
    """A transmitter with its settings made."""
    instance = Library(BatchTransmitter(SPEC), "transmitter").instance()
    raw = registers(SPEC, DriveSettings(layout=LAYOUT, reference=0.0))
    ports = {n: v for n, v in settings(raw).items() if n not in ("run", "arm")}
    instance.set(**ports)
    return instance


def run(scripts: int, rng: np.random.Generator) -> GrantsSeen:
    """Play `scripts` scripts without a reset between them. Raises `Trespass`."""
    require("scripts", scripts, at_least=1, integer=True)
    instance = prepare()
    verdict = GrantsSeen()
    while verdict.scripts < scripts:
        count = min(TOGETHER, scripts - verdict.scripts)
        parts = [script(rng) for _ in range(count)]
        doing = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        # Faults of the batch before are cleared; at the end no frame is on its way any more.
        doing = {n: np.concatenate([v, np.zeros(REST, np.int64)]) for n, v in doing.items()}
        doing["clear"][0] = 1
        n = len(doing["arm"])
        instance.begin({"i": float(rng.choice([0.0, 0.5, 0.97]))}, int(rng.integers(1, 1 << 30)))
        lack = n // SPEC.samples_per_symbol - instance.pending("i")
        rows = {name: np.full(max(lack, 0), value) for name, value in SYMBOL.items()}
        got = instance.step(n, {**doing, "i": rows}, ["o", "sent", "on", "fault"])
        seen = {name: got[name] for name in ("sent", "on", "fault")}
        judge(doing, {**seen, "i": got["o"]["i"], "q": got["o"]["q"]}, verdict)
        verdict.scripts += count
    return verdict
