"""The processor of a Zynq-7000 as the host link's other side.

The processing system was set up by the boot loader; the cell `PS7` only brings its wires into the
logic. Its ports are AXI3: lengths have four bits and sizes two, where `gateware.axi` has the widths
of AXI4. Memory, clock and peripheral pins of the processor are not the logic's, and stay open.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import C, Cat, ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.link import AxiLink
from shotveil.gateware.axi.row_memory import AxiRowMemory
from shotveil.models.host_link.mailbox import BASE
from shotveil.models.node.spec import NodeSpec

CLOCK_HZ = 125e6  # of FCLK0, as vendors' boot loaders set it
NARROW = {"LEN": 4, "SIZE": 2}  # bits of AXI3 where AXI4 has more
# Inputs of the memory ports where nobody says anything: no writes, accesses that may be buffered,
# and no limit but the port's own to what is on its way.
TIED = {
    **dict.fromkeys(("AWVALID", "WVALID", "WLAST", "BREADY"), (0, 1)),
    **dict.fromkeys(("AWADDR",), (0, 32)),
    **dict.fromkeys(("AWID", "WID"), (0, 6)),
    **dict.fromkeys(("AWLEN", "AWQOS", "ARQOS"), (0, 4)),
    **dict.fromkeys(("AWSIZE", "AWBURST", "AWLOCK", "ARLOCK"), (0, 2)),
    **dict.fromkeys(("AWPROT", "ARPROT"), (0, 3)),
    **dict.fromkeys(("AWCACHE", "ARCACHE"), (0b0011, 4)),
    "WDATA": (0, 64),
    "WSTRB": (0, 8),
    **dict.fromkeys(("RDISSUECAP1EN", "WRISSUECAP1EN"), (0, 1)),
}


def constraints(instance: str, sampling: str) -> str:
    """Lines for Vivado: the processor's clock, and what crosses between it and the samples' clock.

    `instance` is the name of the `ProcessorLink` in the top, `sampling` the clock of the samples.
    """
    ours, theirs = "[get_clocks axi]", f"[get_clocks -include_generated_clocks {sampling}]"
    period = 1e9 / CLOCK_HZ
    return (
        f"\ncreate_clock -name axi -period {period:.3f} [get_pins {{{instance}/ps7/FCLKCLK[0]}}]"
        f"\nset_max_delay -datapath_only -from {ours} -to {theirs} {period:.3f}"
        f"\nset_max_delay -datapath_only -from {theirs} -to {ours} {period:.3f}"
    )


class ProcessorLink(wiring.Component):
    """Bytes from and to a program on the processor, by the mailbox at `BASE` and its memory.

    * `o`: bytes from the host, `i`: bytes to it, in the node's clock.
    * The registers are at the port M_AXI_GP0, the memory is read through S_AXI_HP0. Both run in a
      domain `axi` of the processor's clock FCLK0, and are reset when the processor is.
    * Rows that stay lie behind S_AXI_HP1, which runs in the node's clock: `row_memory` is for a
      `NodeCore` that keeps some, None for one that keeps none.
    """

    def __init__(self, spec: NodeSpec) -> None:
        byte = stream.Signature(8)
        super().__init__({"o": Out(byte), "i": In(byte)})
        self.row_memory = AxiRowMemory(spec) if spec.store else None

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.axi = ClockDomain("axi")
        m.submodules.link = link = AxiLink(BASE)
        wiring.connect(m, link.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.i), link.i)
        clocks, resets = Signal(4), Signal(4)
        m.submodules.clock = Instance("BUFG", i_I=clocks[0], o_O=ClockSignal("axi"))
        m.submodules.reset = ResetSynchronizer(~resets[0], domain="axi")
        ports: dict[str, Any] = {
            "o_FCLKCLK": clocks,
            "o_FCLKRESETN": resets,
            "i_FCLKCLKTRIGN": C(0, 4),
            "i_FPGAIDLEN": C(1),
            "i_IRQF2P": C(0, 20),
            "i_MAXIGP0ACLK": ClockSignal("axi"),
            "i_SAXIHP0ACLK": ClockSignal("axi"),
            **_port(m, link.registers, "MAXIGP0"),
            **_memory_port(m, link.memory, "SAXIHP0"),
        }
        if self.row_memory:
            m.d.comb += self.row_memory.base.eq(link.rows)
            ports["i_SAXIHP1ACLK"] = ClockSignal()
            ports |= _memory_port(m, self.row_memory.axi, "SAXIHP1")
        m.submodules.ps7 = Instance("PS7", **ports)
        return m


def _memory_port(m: Module, interface: Any, name: str) -> dict[str, Any]:
    tied = {f"i_{name}{field}": C(value, width) for field, (value, width) in TIED.items()}
    return tied | _port(m, interface, name)


def _port(m: Module, interface: Any, name: str) -> dict[str, Any]:
    """The cell's ports of one AXI interface, cut to AXI3."""
    ports: dict[str, Any] = {}
    for own, member in interface.signature.members.items():
        field, signal = own.upper(), getattr(interface, own)
        width = NARROW.get(field[2:], len(signal)) if field[:1] == "A" else len(signal)
        if member.flow is Out:  # of the link, so an input of the cell
            ports[f"i_{name}{field}"] = signal[:width]
        else:
            wire = Signal(width, name=f"{name.lower()}_{own}")
            m.d.comb += signal.eq(Cat(wire, C(0, len(signal) - width)))
            ports[f"o_{name}{field}"] = wire
    return ports
