"""A simulated node's memory for rows that stay: of any size, and cheap to simulate."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.drive.payloads import host_symbol
from shotveil.gateware.node.row_memory import RowMemory
from shotveil.models.node.spec import NodeSpec


class SimulatedMemory(wiring.Component):
    """A `RowMemory` of one piece, where `BlockMemory` has a bank for each 4,096 symbols.

    In simulation every bank would cost time in every clock. A symbol is there in the clock behind
    its piece.
    """

    def __init__(self, spec: NodeSpec):
        self._spec = spec
        super().__init__({"port": In(RowMemory(spec))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port: Any = self.port
        bits = (self._spec.store - 1).bit_length()
        place, left = Signal(bits), Signal(self._spec.drive.length_width)
        # `simulated_memory` is in sim/engines/primitives.
        m.submodules.memory = Instance(
            "simulated_memory",
            p_PLACE=bits,
            p_WIDTH=host_symbol(self._spec.drive).size,
            i_clk=ClockSignal(),
            i_write=port.keep.valid,
            i_write_place=port.keep.p.place,
            i_written=port.keep.p.symbol.as_value(),
            i_read_place=place,
            o_read=port.symbol.p.symbol.as_value(),
        )
        m.d.comb += [
            port.keep.ready.eq(1),
            port.idle.eq(1),
            port.piece.ready.eq(left == 0),
            port.symbol.valid.eq(left != 0),
        ]
        with m.If(port.flush):
            m.d.sync += left.eq(0)
        with m.Elif(port.piece.valid & port.piece.ready):
            m.d.sync += [place.eq(port.piece.p.place), left.eq(port.piece.p.count)]
        with m.Elif(port.symbol.valid & port.symbol.ready):
            m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
        return m
