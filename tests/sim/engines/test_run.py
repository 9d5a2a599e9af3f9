"""Both benches must catch what benches are for; a design that misbehaves on purpose shows it."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import ExtraOutput, Run, Timeout, pack, to_signed, unpack
from shotveil.sim.engines.verilator_bench import VerilatorBench

LAYOUT = data.StructLayout({"value": signed(9), "mark": 1})


class Adder(wiring.Component):
    """Adds `offset` to each sample, one clock later; `fault` 1 loses every 8th, 2 repeats it."""

    def __init__(self):
        super().__init__(
            {
                "offset": In(signed(5)),
                "fault": In(2),
                "i": In(stream.Signature(LAYOUT)),
                "o": Out(stream.Signature(LAYOUT)),
                "seen": Out(16),
                "negative": Out(signed(5)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        advance = Signal()
        repeated = Signal()
        eighth = self.seen[:3] == 7
        again = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            again.eq(self.i.valid & eighth & (self.fault == 2) & ~repeated),
            self.i.ready.eq(advance & ~again),
            self.negative.eq(-self.offset),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & ~(eighth & (self.fault == 1))),
                self.o.p.value.eq(self.i.p.value + self.offset),
                self.o.p.mark.eq(self.i.p.mark),
                repeated.eq(again),
            ]
            with m.If(self.i.valid & ~again):
                m.d.sync += self.seen.eq(self.seen + 1)
        return m


@pytest.fixture(scope="module", params=["amaranth", "verilator"])
def bench(request):
    return (
        AmaranthBench(Adder()) if request.param == "amaranth" else VerilatorBench(Adder(), "adder")
    )


@pytest.fixture
def samples():
    rng = np.random.default_rng(2)
    return {"value": rng.integers(-200, 200, 300), "mark": rng.integers(0, 2, 300)}


@pytest.mark.parametrize("stall", [0, 0.3, 0.9])
def test_samples_pass_in_order(bench, samples, stall):
    first, second = bench.run(
        Run({"offset": -7}, {"i": samples}, {"o": 300}, stall=stall, seed=3),
        Run({}, {"i": samples}, {"o": 300}, stall=stall, seed=4),  # settings stay
    )
    for result in (first, second):
        np.testing.assert_array_equal(result.outputs["o"]["value"], samples["value"] - 7)
        np.testing.assert_array_equal(result.outputs["o"]["mark"], samples["mark"])
        assert result.status["negative"] == 7
        duration = result.last["o"] - result.first["i"]
        assert duration == 300 if stall == 0 else duration > 300 / (1 - stall)
    assert (first.status["seen"], second.status["seen"]) == (300, 600)


def test_a_lost_sample_times_out(bench, samples):
    with pytest.raises(Timeout, match=r"due \{'o': 300\}"):
        bench.run(Run({"offset": 0, "fault": 1}, {"i": samples}, {"o": 300}))


def test_a_repeated_sample_is_extra(bench, samples):
    with pytest.raises(ExtraOutput):
        bench.run(Run({"offset": 0, "fault": 2}, {"i": samples}, {"o": 300}))


def test_an_unexpected_first_sample_is_extra(bench, samples):
    with pytest.raises(ExtraOutput):
        bench.run(Run({}, {"i": samples}, {}))


def test_samples_that_do_not_fit_are_refused(bench):
    with pytest.raises(RangeError, match=r"stream field value = 256 is outside \[-256, 255\]"):
        bench.run(Run({}, {"i": {"value": np.array([256]), "mark": np.array([0])}}, {"o": 1}))
    with pytest.raises(ValueError, match="fields"):
        bench.run(Run({}, {"i": np.array([1])}, {"o": 1}))


def test_pack_and_unpack():
    port = stream.Signature(LAYOUT).create()
    samples = {"value": np.array([-256, -1, 0, 255]), "mark": np.array([1, 0, 1, 0])}
    words = pack(port.p, samples)
    assert words.tolist() == [0b1_1_0000_0000, 0b0_1_1111_1111, 1 << 9, 0b0_0_1111_1111]
    for name, values in unpack(port.p, words).items():
        np.testing.assert_array_equal(values, samples[name])


def test_to_signed():
    assert to_signed(np.array([0, 127, 128, 255, 256]), 8).tolist() == [0, 127, -128, -1, 0]
    assert to_signed(np.array([2**64 - 1], dtype=np.uint64), 64).tolist() == [-1]
