"""A slave that turns bursts of AXI into single accesses, and answers whatever comes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.port import Axi, Burst, Resp
from shotveil.models.common.checks import RangeError, require

DATA, IDS = 32, 12  # of a Zynq-7000's port M_AXI_GP


class AccessBus(wiring.Signature):
    """Single accesses, as the master sees them, at byte addresses that are multiples of 4.

    * `w_strobe`: the bytes of `w_data` that `w_lanes` names are written at `w_address`. One clock
      later `w_bad` tells that there is nothing to write to.
    * `r_data` and `r_bad` are what is at `r_address`, `READ_LATENCY` clocks after it came. Nothing
      happens by reading.
    """

    def __init__(self, bits: int):
        super().__init__(
            {
                "w_address": Out(bits),
                "w_data": Out(DATA),
                "w_lanes": Out(DATA // 8),
                "w_strobe": Out(1),
                "w_bad": In(1),
                "r_address": Out(bits),
                "r_data": In(DATA),
                "r_bad": In(1),
            }
        )


READ_LATENCY = 2


class AxiSlave(wiring.Component):
    """Answers every request at `axi` with its identifier, in order, whatever its address.

    * `bus` has the accesses to `window` bytes of addresses from `base` on. All else, and bursts
      that wrap, are answered by SLVERR and not seen there; so is what `bus` calls bad.
    * Bursts are taken because a processor's memcpy makes them. The words before a bad one are
      written all the same.
    * A request waits for no other signal than its own: a processor whose slave does not answer
      stands still, with all that runs on it.
    """

    def __init__(self, base: int, window: int):
        require("window", window, at_least=4, at_most=1 << 31, integer=True)
        if window & (window - 1) or base % window:
            raise RangeError(
                f"window = {window:#x} at base = {base:#x}; allowed: a power of two that divides it"
            )
        self._base, self._bits = base, window.bit_length() - 1
        super().__init__({"axi": In(Axi(DATA, IDS)), "bus": Out(AccessBus(self._bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _stranger(self, address: Any, burst: Any) -> Any:
        """Whether a request is for somebody else, or of a kind that is not answered well."""
        outside = address[self._bits :] != self._base >> self._bits
        return outside | (burst == Burst.WRAP)

    def _following(self, address: Any, size: Any, burst: Any) -> Any:
        """The address of a burst's next word, which is narrower where the burst is."""
        step = Cat(size == 0, size == 1, size >= 2)
        aligned = address & ~Cat(size >= 1, size >= 2, C(0, self._bits - 2))
        return Mux(burst == Burst.FIXED, address, aligned + step)

    def _writes(self, m: Module) -> None:
        axi, bus = self.axi, self.bus
        address = Signal(self._bits)
        size, burst = Signal(3), Signal(2)
        stranger, bad = Signal(), Signal()
        settled = Signal(2)  # the last word's `w_bad` is known
        m.d.sync += bus.w_strobe.eq(0)
        with m.FSM(name="write"):
            with m.State("ADDRESS"):
                m.d.comb += axi.awready.eq(1)
                m.d.sync += [
                    axi.bid.eq(axi.awid),
                    address.eq(axi.awaddr),
                    size.eq(axi.awsize),
                    burst.eq(axi.awburst),
                    stranger.eq(self._stranger(axi.awaddr, axi.awburst)),
                    bad.eq(0),
                    settled.eq(0),
                ]
                with m.If(axi.awvalid):
                    m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += axi.wready.eq(1)
                m.d.sync += [
                    bus.w_address.eq(Cat(C(0, 2), address[2:])),
                    bus.w_data.eq(axi.wdata),
                    bus.w_lanes.eq(axi.wstrb),
                    bad.eq(bad | stranger | bus.w_bad),
                ]
                with m.If(axi.wvalid):
                    m.d.sync += [
                        bus.w_strobe.eq(~stranger),
                        address.eq(self._following(address, size, burst)),
                    ]
                    with m.If(axi.wlast):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += [bad.eq(bad | bus.w_bad), settled.eq(Cat(C(1), settled))]
                with m.If(settled[1]):
                    m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += axi.bvalid.eq(1)
                with m.If(axi.bready):
                    m.next = "ADDRESS"
        m.d.comb += axi.bresp.eq(Mux(bad, Resp.SLVERR, Resp.OKAY))

    def _reads(self, m: Module) -> None:
        axi, bus = self.axi, self.bus
        address = Signal(self._bits)
        size, burst, left = Signal(3), Signal(2), Signal(8)
        stranger, bad = Signal(), Signal()
        waited = Signal(range(READ_LATENCY))
        m.d.comb += [
            bus.r_address.eq(Cat(C(0, 2), address[2:])),
            axi.rresp.eq(Mux(bad, Resp.SLVERR, Resp.OKAY)),
            axi.rlast.eq(left == 0),
        ]
        with m.FSM(name="read"):
            with m.State("ADDRESS"):
                m.d.comb += axi.arready.eq(1)
                m.d.sync += [
                    axi.rid.eq(axi.arid),
                    address.eq(axi.araddr),
                    size.eq(axi.arsize),
                    burst.eq(axi.arburst),
                    left.eq(axi.arlen),
                    stranger.eq(self._stranger(axi.araddr, axi.arburst)),
                    waited.eq(0),
                ]
                with m.If(axi.arvalid):
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == READ_LATENCY - 1):
                    m.d.sync += waited.eq(0)
                    m.next = "HEAR"
            with m.State("HEAR"):
                m.d.sync += [
                    axi.rdata.eq(Mux(stranger, 0, bus.r_data)),
                    bad.eq(stranger | bus.r_bad),
                ]
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += axi.rvalid.eq(1)
                with m.If(axi.rready):
                    m.d.sync += [
                        address.eq(self._following(address, size, burst)),
                        left.eq(left - 1),
                    ]
                    m.next = "ASK"
                    with m.If(left == 0):
                        m.next = "ADDRESS"
