"""Merged processes: still the same design, and most of it is merged."""

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.clocked_processes import clocked
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.shared_library import LibraryBench
from shotveil.sim.engines.verilog import emit


class Counter(wiring.Component):
    """Registers of all kinds: held, partly set, reset by a signal, read by others."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(16))

    def elaborate(self, platform):
        m = Module()
        inner = Module()
        total, last, both = Signal(8), Signal(8, reset_less=True), Signal(16)
        with inner.If(self.i.valid & self.o.ready):
            inner.d.sync += [total.eq(total + self.i.p), last.eq(self.i.p), both[4:12].eq(total)]
            with inner.Switch(self.i.p[:2]):
                with inner.Case(0):
                    inner.d.sync += both[:2].eq(3)
                with inner.Case(1):
                    inner.d.sync += both[12:].eq(last)
        m.submodules.inner = ResetInserter(self.i.valid & self.o.ready & (self.i.p == 77))(inner)
        m.d.comb += [
            self.i.ready.eq(self.o.ready),
            self.o.valid.eq(self.i.valid),
            self.o.p.eq(both ^ total ^ (last << 8)),
        ]
        return m


def test_a_merged_design_does_what_it_did():
    samples = np.random.default_rng(1).integers(0, 256, 600)
    samples[::50] = 77
    run = Run({}, {"i": samples}, {"o": len(samples)}, stall=0.2)
    (expected,) = AmaranthBench(Counter()).run(run)
    (found,) = LibraryBench(Counter(), "clocked_counter").run(run)
    np.testing.assert_array_equal(found.outputs["o"], expected.outputs["o"])


def test_registers_with_one_reset_share_a_process():
    plain = emit(Counter())
    assert plain.count("always @(posedge clk)") == plain.count("always @*") == 3
    merged = clocked(plain)
    # One register behind the reset, and two that it does not set as a whole.
    assert merged.count("always @(posedge clk)") == 2
    assert "always @*" not in merged


def test_a_next_value_that_somebody_else_reads_stays():
    plain = emit(Counter())
    end = plain.rindex("endmodule")
    read = plain[:end] + "  wire [15:0] probe = \\$7 ;\n" + plain[end:]
    merged = clocked(read)
    assert merged.count("always @(posedge clk)") == 3 and merged.count("always @*") == 1
