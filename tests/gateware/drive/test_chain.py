"""The drive as a whole: latency, pace, idle light, and what must not happen while it is armed."""

import numpy as np
import pytest

from shotveil.gateware.drive.chain import Drive, settings
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.drive import chain
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.drive import UNEVEN, both, pairs, weight_symbols
from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Run, Timeout
from tests.gateware.drive import bit_true

SPEC = bit_true.SPEC


@pytest.fixture(scope="module")
def bench():
    return bit_true.verilator("chain")


def setup(row=24, **changes):
    layout = FrameLayout(preamble=5, row=row, pilots=1, pilot_spacing=9, vacuum=3, guard=SPEC.span)
    raw = registers(SPEC, DriveSettings(layout=layout, arms=UNEVEN, **changes))
    return raw, {**settings(raw), "run": 1, "arm": 1, "clear": 0, "clear_angles": 0}


def rows_of(raw, count):
    symbols = pairs(SPEC.symbol, count * raw.layout.row, np.random.default_rng(9))[:, 36:]
    return symbols.reshape(2, count, -1).swapaxes(0, 1)


def test_latency_over_every_alignment(bench):
    """Rows that end at different clocks meet the symbol clock at every phase."""
    runs = []
    for row, linger in zip(
        range(20, 44), np.random.default_rng(2).integers(40, 60, 24), strict=True
    ):
        raw, go = setup(row)
        due = raw.layout.length * SPEC.samples_per_symbol
        runs.append(Run(go, {"i": both(rows_of(raw, 1))}, {"o": due}, linger=int(linger)))
    measured = [result.first["o"] - result.last["i"] for result in bench.run(*runs)]
    latency = Drive(SPEC).latency
    assert max(measured) == latency
    assert min(measured) == latency - SPEC.samples_per_symbol + 1


def test_zero_stall_throughput(bench):
    """Frame after frame, one sample a clock, from a host that is fast enough."""
    raw, go = setup(392)
    rows = rows_of(raw, 20)
    due = 20 * raw.layout.length * SPEC.samples_per_symbol
    (result,) = bench.run(Run(go, {"i": both(rows)}, {"o": due}))
    length = raw.layout.length * SPEC.samples_per_symbol
    (starts,) = np.nonzero(result.outputs["o"]["first"])
    np.testing.assert_array_equal(starts, np.arange(20) * length)
    assert result.last["o"] - result.first["o"] == due - 1


def test_a_slow_host_gives_idle_light_between_frames_and_no_other_change(bench):
    raw, go = setup()
    rows = rows_of(raw, 12)
    want = chain.model(SPEC, raw, rows)
    length = raw.layout.length * SPEC.samples_per_symbol
    first = np.zeros((12, length), dtype=np.int64)
    first[:, 0] = 1
    # Between frames the modulator stays at its null: the bias codes.
    null = dict(zip(("i", "q"), (int(b) for b in np.rint(raw.bias / 16)), strict=True))
    case = Case(
        Run(go, {"i": both(rows)}, {"o": 40_000}, stall={"i": 0.99}, seed=5),
        {"o": {**both(want.codes), "first": first.ravel()}},
        {"starved": 0, "tripped": 0},
        framed=length,
        idle=null,
    )
    (result,) = check(bench, [case])
    (starts,) = np.nonzero(result.outputs["o"]["first"])
    assert np.diff(starts).max() > length


def test_tables_are_refused_while_armed(bench):
    _, go = setup()
    for stream in ({"coefficients": SPEC.pulse()}, {"angles": both(np.zeros((2, 4), dtype=int))}):
        with pytest.raises(Timeout):
            bench.run(Run(go, stream, timeout=200))


def test_weights_of_a_trained_row_need_no_headroom(bench):
    """With s = 1 and the taps of the spec nothing can clip, whatever the row."""
    raw, go = setup(392)
    worst = np.where(np.arange(392) % 2, SPEC.symbol.lowest, SPEC.symbol.highest)
    rows = np.stack([np.stack([worst, worst]), np.full((2, 392), SPEC.symbol.lowest)])
    want = chain.model(SPEC, raw, rows)
    assert (want.clipped, want.refused, want.saturated) == (0, 0, 0)
    due = want.codes.shape[0] * want.codes.shape[2]
    check(
        bench, [Case(Run(go, {"i": both(rows)}, {"o": due}), status={"clipped": 0, "tripped": 0})]
    )
    assert weight_symbols(2).shape == (2, 2, 392)


def test_in_amaranth():
    bit_true.in_amaranth("chain")


def test_as_verilog():
    """The floor: a million output samples equal to the bit, in this test alone."""
    results = bit_true.as_verilog("chain", 70_000)
    assert sum(len(result.outputs["o"]["i"]) for result in results) >= 1_000_000


def test_another_spec():
    """Another point of the design space: odd shapes, where a width that was forgotten shows."""
    other = DriveSpec(
        samples_per_symbol=3, taps=21, dac_bits=12, arcsine_segments=128, row_capacity=512
    )
    check(bit_true.verilator("chain", other, label="other"), bit_true.cases("chain", 2000, other))


@pytest.mark.parametrize("device", [Primitive.ECP5, Primitive.ZYNQ])
def test_with_the_blocks_of_a_device(device):
    bench = bit_true.verilator("chain", primitive=device, label=device.value)
    check(bench, bit_true.cases("chain", 2000))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("chain", monkeypatch)
