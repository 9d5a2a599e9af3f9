"""A slow analogue output from one pin and a low-pass filter, for boards without a third DAC."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import require


class DeltaSigma(wiring.Component):
    """First-order modulator: of any 2^width clocks, `o` is high for `code` of them.

    * `code`: unsigned, `width` bits. `o`: one bit a clock, in a register.
    * The average is exact. The ripple lies above clock/2^width; after a low-pass filter of some
      100 kHz it is smaller than the steps of a 10-bit converter.
    """

    def __init__(self, width: int):
        require("width", width, at_least=2, at_most=24, integer=True)
        self._width = width
        super().__init__({"code": In(width), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        error = Signal(self._width)
        total = Signal(self._width + 1)
        m.d.comb += total.eq(error + self.code)
        m.d.sync += [error.eq(total), self.o.eq(total[-1])]
        return m
