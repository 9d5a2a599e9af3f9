"""A long delay in memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.models.common.checks import require


class DelayLine(wiring.Component):
    """`o` is `i` delayed by `steps` clocks in which `enable` is high; at first it is zero.

    It takes a memory of `steps` − 2 words; values are plain bits. A reset does not clear the
    memory, but old words do not come out after it.
    """

    def __init__(self, width: int, steps: int):
        require("steps", steps, at_least=4, at_most=4096, integer=True)
        self._steps = steps
        super().__init__({"enable": In(1), "i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Two steps are spent in registers: the block RAM's own, and one that shuts out what is old.
        depth = self._steps - 2
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
        full = Signal(2)  # the memory's output counts, the register behind it does
        word = Signal(shape, reset_less=True)
        with m.If(self.enable):
            m.d.sync += [
                here.eq(following),
                full.eq(Cat(full[0] | (here == depth - 1), full)),
                word.eq(read.data),
                self.o.eq(Mux(full[1], word, 0)),
            ]
        return m
