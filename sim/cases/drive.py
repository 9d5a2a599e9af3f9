"""Stimuli for the drive and its blocks, with what their models say must come out.

Each set of cases has the corners of the formats, seeded random values, and rows of a trained layer.
They serve the tests, and the reports and pictures that commands make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from amaranth.lib import wiring

from shotveil.gateware.drive.angles import Angles
from shotveil.gateware.drive.chain import Drive, settings
from shotveil.gateware.drive.dac import Dac
from shotveil.gateware.drive.framing import LENGTHS, DriveFraming
from shotveil.gateware.drive.linearisation import Linearisation
from shotveil.gateware.drive.scaling import Scaling
from shotveil.gateware.drive.shaping import Shaping
from shotveil.models.common.fixedpoint import IntArray, Q
from shotveil.models.drive import (
    angles,
    chain,
    dac,
    framing,
    linearisation,
    reference,
    scaling,
    shaping,
)
from shotveil.models.drive.spec import Arm, DriveRegisters, DriveSettings, DriveSpec, registers
from shotveil.models.networks.network import load_network
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

# Two arms that differ from the ideal one and from each other.
UNEVEN = (Arm(half_wave=0.9, bias=0.01, gain=1.0), Arm(half_wave=0.85, bias=-0.02, gain=0.97))


@dataclass(frozen=True)
class DriveBlock:
    """A block of the drive for the benches.

    `cases(spec, size, rng)` gives runs without stalls whose length grows with `size`. An `endless`
    output goes on by itself; with `start`, samples count from the one that is marked `first`.
    `stalls` says whether the block's streams may pause, which those of a converter may not.
    """

    component: Callable[[DriveSpec], wiring.Component]
    cases: Callable[[DriveSpec, int, np.random.Generator], list[Case]]
    endless: bool = False
    start: bool = False
    stalls: bool = True


def weight_symbols(rows: int | None = None) -> np.ndarray:
    """Rows of the `mnist` network's first layer as symbols in [−1, 1), shape (rows, 2, 392).

    All rows are divided by one constant.
    """
    weights = load_network("mnist").layers[0].weights
    return reference.symbols_of(reference.normalised(DriveSpec(), weights))[:rows]


def stalled(cases: list[Case], stall: float, seed: int) -> list[Case]:
    """The same cases with pauses on both sides of every stream."""
    return [
        replace(case, run=replace(case.run, stall=stall, seed=seed + k))
        for k, case in enumerate(cases)
    ]


def corners(q: Q) -> IntArray:
    """All pairs of the extreme and the smallest values of a format, shape (2, 36)."""
    values = np.array([q.lowest, q.highest, -1, 0, 1, q.lowest + 1])
    return np.array(np.meshgrid(values, values)).reshape(2, -1)


def pairs(q: Q, size: int, rng: np.random.Generator) -> IntArray:
    """The corners of a format, then random pairs, shape (2, 36 + size)."""
    return np.concatenate([corners(q), rng.integers(q.lowest, q.highest + 1, (2, size))], axis=1)


def both(samples: IntArray) -> dict[str, IntArray]:
    """Samples of shape (…, 2, n) as the fields of a stream, in order."""
    return {"i": samples[..., 0, :].ravel(), "q": samples[..., 1, :].ravel()}


def layouts(spec: DriveSpec) -> list[FrameLayout]:
    """Frame layouts that together take every path of the framing."""
    guard = spec.span
    return [
        FrameLayout(guard=guard),
        FrameLayout(preamble=4, row=1, pilots=0, vacuum=0, guard=guard),
        FrameLayout(preamble=17, row=12, pilots=2, pilot_spacing=5, vacuum=1, guard=guard),
        FrameLayout(preamble=5, row=10, pilots=3, pilot_spacing=5, vacuum=0, guard=guard + 1),
        FrameLayout(preamble=4, row=7, pilots=1, pilot_spacing=50, vacuum=2, guard=guard),
        FrameLayout(preamble=4, row=3, pilots=1, pilot_spacing=1, vacuum=2, guard=2),
    ]


def _rows(spec: DriveSpec, row: int, count: int, rng: np.random.Generator) -> IntArray:
    """Rows of corners, of random symbols and of weights in turn, shape (count, 2, row)."""
    weights = reference.raw_symbols(spec, weight_symbols())
    rows = np.empty((count, 2, row), dtype=np.int64)
    for k in range(count):
        if k % 3 == 0:
            rows[k] = np.resize(weights[k % len(weights)], (2, row))
        else:
            source = pairs(spec.symbol, row, rng) if k % 3 == 1 else pairs(spec.symbol, 0, rng)
            rows[k] = np.resize(source[:, rng.permutation(source.shape[1])][0:2], (2, row))
    return rows


def unstopped(setup: DriveSettings) -> DriveSettings:
    """The same settings, except that faults are only counted."""
    return replace(setup, stop_on_fault=False, stop_on_saturation=False)


def framing_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Rows through every layout; each run takes up where the one before ended."""
    cases = []
    for layout in layouts(spec):
        count = 2 + size // layout.length
        rows = _rows(spec, layout.row, count, rng)
        frames = framing.model(spec, layout, rows)
        marks = np.zeros((count, layout.length), dtype=np.int64)
        marks[:, 0] = 1
        expected = {
            **both(frames),
            "reference": np.tile(framing.is_reference(layout), count).astype(np.int64),
            "first": marks.ravel(),
        }
        run = Run(
            {"run": 1, **{name: getattr(layout, name) for name in LENGTHS}},
            {"i": both(rows)},
            {"o": count * layout.length + 2 * layout.row + 20},
        )
        cases.append(Case(run, {"o": expected}, framed=layout.length))
    return cases


def some_registers(spec: DriveSpec, **changes: object) -> DriveRegisters:
    """Registers with uneven arms and the named changes."""
    return registers(spec, replace(DriveSettings(arms=UNEVEN), **changes))  # type: ignore[arg-type]


def scaling_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Scales of every size; the largest of them saturate."""
    cases = []
    weights = reference.raw_symbols(spec, weight_symbols(1 + size // 400))
    symbols = np.concatenate([pairs(spec.symbol, size, rng), *weights], axis=-1)
    n = symbols.shape[-1]
    marks = rng.integers(0, 2, (2, n))
    for scale in (1.0, 0.731, 0.0, spec.scale.highest * spec.scale.lsb):
        raw = some_registers(spec, scale=scale, reference=0.613)
        out, fault = scaling.model(spec, raw, symbols, marks[0].astype(bool))
        given = {**both(symbols), "reference": marks[0], "first": marks[1]}
        expected = {**both(out), "fault": fault.astype(np.int64), "first": marks[1]}
        run = Run({"scale": raw.scale, "reference": raw.reference}, {"i": given}, {"o": n})
        cases.append(Case(run, {"o": expected}))
    return cases


def shaping_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """The pulse of the spec, a hold, and taps so large that samples saturate."""
    q = spec.coefficient
    wild = rng.integers(q.lowest, q.highest + 1, spec.taps)
    wild[: spec.samples_per_symbol * 2] = q.lowest
    weights = reference.raw_symbols(spec, weight_symbols(1 + size // 400))
    finer = 1 << (spec.scaled.fraction - spec.symbol.fraction)
    symbols = np.concatenate([pairs(spec.scaled, size, rng), *(weights * finer)], axis=-1)
    n = symbols.shape[-1]
    fault, first = rng.integers(0, 2, (2, n))
    # The delay line is not reset between runs: symbols of zero push the last ones out.
    symbols[:, n - spec.span :] = 0
    cases = []
    for taps in (None, spec.hold(), wild):
        if taps is not None:
            cases.append(Case(Run({}, {"coefficients": taps})))
        used = spec.pulse() if taps is None else taps
        out, limited = shaping.model(spec, used, symbols, fault.astype(bool))
        starts = np.zeros((n, spec.samples_per_symbol), dtype=np.int64)
        starts[:, 0] = first
        expected = {**both(out), "fault": limited.astype(np.int64), "first": starts.ravel()}
        run = Run(
            {}, {"i": {**both(symbols), "fault": fault, "first": first}}, {"o": out.shape[-1]}
        )
        cases.append(Case(run, {"o": expected}))
    return cases


def linearisation_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Both modes, arms even and uneven, gains so high that samples are refused."""
    samples = np.concatenate(
        [
            pairs(spec.sample, size, rng),
            # These values meet every segment of the table, and its steep end in fine steps.
            np.arange(0, spec.sample.highest, 1 << spec.segment_bits)[None] * [[1], [-1]],
            (spec.sample.highest - np.arange(64))[None] * [[-1], [1]],
            np.rint(rng.normal(0, 0.2, (2, size)).clip(-0.99, 0.99) * spec.sample.highest),
        ],
        axis=-1,
    ).astype(np.int64)
    n = samples.shape[-1]
    fault, first = rng.integers(0, 2, (2, n))
    extreme = (
        Arm(spec.half_wave.highest * spec.half_wave.lsb, 0.999, 1.999),
        Arm(1e-4, -0.999, 0.5),
    )
    cases = []
    total = 0
    for arms, angle in ((UNEVEN, False), ((Arm(), Arm()), True), (extreme, False), (extreme, True)):
        raw = registers(spec, DriveSettings(arms=arms, angle=angle))
        out, wrong, refused = linearisation.model(spec, raw, samples, fault.astype(bool))
        total += int(refused.sum())
        expected = {**both(out), "fault": wrong.astype(np.int64), "first": first}
        ports = {
            k: v for k, v in settings(raw).items() if k.split("_")[0] in ("gain", "half", "bias")
        }
        run = Run(
            {**ports, "angle": int(angle), "clear": 0},
            {"i": {**both(samples), "fault": fault, "first": first}},
            {"o": n},
        )
        status = {"refused": total, "refused_flag": int(total > 0)}
        cases.append(Case(run, {"o": expected}, status))
    return cases


def angles_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Tables of several lengths, the full memory among them, each loaded anew."""
    cases = []
    for length in (1, 2, 37, spec.row_capacity if size >= spec.row_capacity else 64):
        table = np.resize(pairs(spec.symbol, length, rng)[:, -length:], (2, length))
        rows = 2 + size // length
        expected = both(angles.model(spec, table, rows))
        due = rows * length
        cases += [
            Case(Run({"play": 0, "clear": 1})),
            Case(Run({"play": 0, "clear": 0}, {"i": both(table)}), status={"length": length}),
            # The table would be replayed for ever, so the bench looks at its first rows only.
            Case(Run({"play": 1, "clear": 0}, {}, {"o": due}), {"o": expected}),
        ]
    return cases


def dac_cases(spec: DriveSpec, size: int, rng: np.random.Generator) -> list[Case]:
    """Values within range and beyond it, with and without a stop; faults likewise."""
    cases = []
    n = 64 + size
    full = 1 << spec.voltage.fraction
    plain = rng.integers(-full // 2, full // 2, (2, n))
    # Values half-way between two codes, and values just inside either end of the range.
    half = 1 << (spec.voltage.fraction - spec.dac.fraction - 1)
    plain[:, :32] = (2 * np.arange(-16, 16) + 1) * half
    plain[:, 32:34] = [[-full, -full], [full - half - 1, full - half - 1]]
    wide = np.concatenate(
        [corners(spec.voltage), rng.integers(-3 * full, 3 * full, (2, n))], axis=1
    )
    quiet = np.zeros(n, dtype=bool)
    late = quiet.copy()
    late[n // 2] = True
    for samples, fault, stops in (
        (plain, quiet, (1, 1)),
        (plain, late, (1, 1)),
        (plain, late, (0, 1)),
        (wide, np.zeros(wide.shape[1], dtype=bool), (1, 0)),
        (wide, np.zeros(wide.shape[1], dtype=bool), (1, 1)),
    ):
        raw = some_registers(spec, stop_on_fault=bool(stops[0]), stop_on_saturation=bool(stops[1]))
        out, saturated, tripped = dac.model(spec, raw, samples, fault)
        first = np.zeros(samples.shape[1], dtype=np.int64)
        first[0] = 1
        ports = {"arm": 0, "clear": 1, "stop_on_fault": stops[0], "stop_on_saturation": stops[1]}
        run = Run(
            {**ports, "arm": 1, "clear": 0},
            {"i": {**both(samples), "fault": fault.astype(np.int64), "first": first}},
            {"o": samples.shape[1]},
        )
        count = int(saturated.sum())
        status = {"saturated": count, "saturated_flag": int(count > 0)}
        if tripped:
            status |= {"starved": 0}
        cases += [
            Case(Run(ports), status={"saturated": 0, "armed": 0, "tripped": 0}),
            Case(run, {"o": {**both(out), "first": first}}, status),
        ]
    return cases


def chain_cases(
    spec: DriveSpec,
    size: int,
    rng: np.random.Generator,
    setups: tuple[DriveSettings, ...] | None = None,
) -> list[Case]:
    """Frames of weights, then settings that clip, refuse and saturate, then angles."""
    cases = []
    small = FrameLayout(preamble=5, row=24, pilots=2, pilot_spacing=9, vacuum=3, guard=spec.span)
    strong = (Arm(1.5, 0.1, 1.9), Arm(1.9, -0.1, 1.4))  # beyond the modulator and the DAC
    for setup in setups or (
        DriveSettings(layout=FrameLayout(guard=spec.span), arms=UNEVEN),
        unstopped(DriveSettings(layout=small, scale=1.7, reference=0.9, arms=UNEVEN)),
        unstopped(DriveSettings(layout=small, arms=strong)),
        DriveSettings(layout=small, arms=strong),
    ):
        raw = registers(spec, setup)
        rows = _rows(spec, setup.layout.row, 2 + size // setup.layout.length, rng)
        cases += drive_cases(spec, raw, rows)
    table = pairs(spec.symbol, 0, rng)[:, :24]
    held = unstopped(DriveSettings(layout=small, reference=0.0, angle=True, arms=UNEVEN))
    cases += drive_cases(spec, registers(spec, held), angles.model(spec, table, 3), table=table)
    return cases


def drive_cases(
    spec: DriveSpec, raw: DriveRegisters, rows: IntArray, table: IntArray | None = None
) -> list[Case]:
    """Load the pulse (and the table) while disarmed, then send the rows."""
    want = chain.model(spec, raw, rows)
    samples = raw.layout.length * spec.samples_per_symbol
    first = np.zeros((len(rows), samples), dtype=np.int64)
    first[:, 0] = 1
    ports = {**settings(raw), "clear": 1, "clear_angles": 1}
    load: Mapping[str, object] = {"coefficients": raw.coefficients}
    cases = [Case(Run(ports))]  # first, counters and table are cleared
    if table is not None:
        load = {**load, "angles": both(table)}
    cases.append(Case(Run({**ports, "clear": 0, "clear_angles": 0}, load)))  # type: ignore[arg-type]
    go = {**settings(raw), "run": 1, "arm": 1, "clear": 0, "clear_angles": 0}
    due = rows.shape[0] * samples
    expected = {**both(want.codes), "first": first.ravel()}
    counts = {"clipped": want.clipped, "refused": want.refused, "saturated": want.saturated}
    status = {**counts, "tripped": int(want.tripped), "starved": 0}
    status |= {f"{name}_flag": int(count > 0) for name, count in counts.items()}
    if table is None:
        cases.append(Case(Run(go, {"i": both(rows)}, {"o": due}), {"o": expected}, status))
        # The row buffer is empty at the end.
        cases.append(Case(Run({"run": 0}), status={"busy": 0}))
    else:
        # Replayed rows never end, so counters cannot be compared, and some rows stay buffered.
        cases.append(Case(Run(go, {}, {"o": due}), {"o": expected}))
    return cases


BLOCKS: dict[str, DriveBlock] = {
    "framing": DriveBlock(DriveFraming, framing_cases, endless=True, start=True),
    "scaling": DriveBlock(Scaling, scaling_cases),
    "shaping": DriveBlock(Shaping, shaping_cases),
    "linearisation": DriveBlock(Linearisation, linearisation_cases),
    "angles": DriveBlock(Angles, angles_cases, endless=True),
    "dac": DriveBlock(Dac, dac_cases, endless=True, start=True, stalls=False),
    "chain": DriveBlock(Drive, chain_cases, endless=True, start=True),
}
