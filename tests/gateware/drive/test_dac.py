"""The switch of the DAC: zero until armed, at a frame's start, and after every kind of fault."""

import numpy as np

from shotveil.gateware.drive.dac import Dac
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true

SPEC = DriveSpec(row_capacity=64)
UNIT = 1 << (SPEC.voltage.fraction - SPEC.dac.fraction)
PORTS = {"arm": 1, "clear": 0, "stop_on_fault": 1, "stop_on_saturation": 1}


def samples(codes, first=(0,), fault=()):
    codes = np.asarray(codes, dtype=np.int64)
    marks = {name: np.zeros(len(codes), dtype=np.int64) for name in ("first", "fault")}
    marks["first"][list(first)] = 1
    marks["fault"][list(fault)] = 1
    return {"i": codes * UNIT, "q": -codes * UNIT, **marks}


def play(*runs):
    # Without a start mark the bench collects from the first clock on, arming or not.
    return AmaranthBench(Dac(SPEC), {"o"}).run(*runs)


def test_latency_and_start_at_a_frame():
    codes = np.arange(1, 41)
    (result,) = play(Run(PORTS, {"i": samples(codes, first=(10, 30))}, {"o": 60}))
    latency = Dac(SPEC).latency
    expected = np.zeros(60, dtype=np.int64)
    expected[latency + 10 : latency + 40] = codes[10:]  # a frame already on its way is not torn
    np.testing.assert_array_equal(result.outputs["o"]["i"], expected)
    np.testing.assert_array_equal(result.outputs["o"]["q"], -expected)
    assert np.nonzero(result.outputs["o"]["first"])[0].tolist() == [latency + 10, latency + 30]


def test_zero_until_armed():
    (result,) = play(Run({**PORTS, "arm": 0}, {"i": samples(range(1, 41))}, {"o": 60}))
    assert not result.outputs["o"]["i"].any()
    assert (result.status["armed"], result.status["starved"]) == (0, 0)


def test_a_clock_without_a_sample_is_a_fault():
    first, second = play(
        Run(PORTS, {"i": samples(range(1, 11))}, {"o": 10}),
        Run(PORTS, {"i": samples(range(1, 11))}, {"o": 30}),
    )
    assert (first.status["tripped"], first.status["armed"]) == (1, 0)
    assert (first.status["starved"], first.status["starved_flag"]) == (1, 1)
    assert not second.outputs["o"]["i"].any()  # a new frame does not undo a fault


def test_a_fault_is_undone_by_arming_anew():
    given = samples(range(1, 21), fault=(5,))
    tripped, _, again = play(
        Run(PORTS, {"i": given}, {"o": 30}),
        Run({**PORTS, "arm": 0}),
        Run(PORTS, {"i": samples(range(1, 21))}, {"o": 22}, linger=0),
    )
    latency = Dac(SPEC).latency
    assert tripped.outputs["o"]["i"][latency : latency + 8].tolist() == [1, 2, 3, 4, 5, 0, 0, 0]
    assert tripped.status["tripped"] == 1
    assert again.outputs["o"]["i"][latency:22].tolist() == list(range(1, 20))


def test_saturation_is_counted_and_sticky_until_cleared():
    full = 1 << (SPEC.dac_bits - 1)
    given = samples([1, full, 3, -full - 1, full + 5], first=(0,))
    loose = {**PORTS, "stop_on_saturation": 0}
    seen, cleared = play(Run(loose, {"i": given}, {"o": 20}), Run({**loose, "clear": 1}))
    latency = Dac(SPEC).latency
    # I saturates at +full, Q, which is −I, at +full + 1 and both at the last.
    assert seen.outputs["o"]["i"][latency : latency + 5].tolist() == [
        1,
        full - 1,
        3,
        -full,
        full - 1,
    ]
    assert (seen.status["saturated"], seen.status["saturated_flag"]) == (3, 1)
    assert (cleared.status["saturated"], cleared.status["saturated_flag"]) == (0, 0)


def test_in_amaranth():
    bit_true.in_amaranth("dac")


def test_as_verilog():
    bit_true.as_verilog("dac")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("dac", monkeypatch)
