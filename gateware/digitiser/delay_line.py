"""A long delay in memory."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.memory import NO_COLLISIONS
from models.checks import require


class DelayLine(wiring.Component):
    """`o` is `i` as it was `steps` clocks with `enable` ago; zero before that.

    Memory of `steps` − 1 words; values are plain bits. A reset leaves the memory as it is, and what
    it holds from before is not let out.
    """

    def __init__(self, width: int, steps: int):
        require("steps", steps, at_least=3, at_most=4096, integer=True)
        self._steps = steps
        super().__init__({"enable": In(1), "i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One step is spent in the read register, and one in front of the next fabric.
        depth = self._steps - 1
        shape: Shape = unsigned(len(self.i))
        m.submodules.memory = memory = Memory(
            shape=shape, depth=depth, init=[], attrs=NO_COLLISIONS
        )
        write = memory.write_port()
        read = memory.read_port()
        here = Signal(range(depth))
        following = Signal.like(here)
        m.d.comb += [
            following.eq(Mux(here == depth - 1, 0, here + 1)),
            write.addr.eq(here),
            write.data.eq(self.i),
            write.en.eq(self.enable),
            # What is about to be overwritten in the next step is the oldest.
            read.addr.eq(following),
            read.en.eq(self.enable),
        ]
        full = Signal()
        with m.If(self.enable):
            m.d.sync += [
                here.eq(following),
                full.eq(full | (here == depth - 1)),
                self.o.eq(Mux(full, read.data, 0)),
            ]
        return m
