"""Memory of which no word is read in the clock in which it is written."""

from __future__ import annotations

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib.fifo import FIFOInterface, SyncFIFOBuffered
from amaranth.lib.memory import Memory

from models.checks import require

# Attributes of such a memory, or of one of which such a word is not used: without them yosys adds
# logic behind the block RAM, the slowest part there is, to make the read well defined.
NO_COLLISIONS = {"no_rw_check": 1}


class Fifo(SyncFIFOBuffered):
    """A FIFO in such a memory: nothing is written while it is full, nor read while it is empty."""

    def elaborate(self, platform: object) -> Module:
        m: Module = super().elaborate(platform)
        m.submodules.storage.attrs.update(NO_COLLISIONS)
        return m


class RegisteredFifo(Elaboratable, FIFOInterface):
    """A FIFO with a register behind its memory, which a block RAM has at its output.

    * A word is there three clocks after it was written. `depth` words fit, or up to two more.
    * Memory and register move in the same clocks, so a block RAM can be both.
    """

    def __init__(self, *, width: int, depth: int):
        require("depth", depth, at_least=2, integer=True)
        super().__init__(width=width, depth=depth)
        self.level, self.w_level, self.r_level = (Signal(range(depth + 3)) for _ in range(3))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.storage = storage = Memory(
            shape=self.width, depth=self.depth, init=[], attrs=NO_COLLISIONS
        )
        write, read = storage.write_port(), storage.read_port()
        inside = Signal(range(self.depth + 1))  # words in the memory
        valid = Signal(2)  # of the memory's output, and of the register
        word = Signal(self.width, reset_less=True)
        put, step, fetch = Signal(), Signal(), Signal()
        m.d.comb += [
            self.w_rdy.eq(inside != self.depth),
            put.eq(self.w_en & self.w_rdy),
            step.eq(self.r_en | ~valid[1]),
            fetch.eq(step & (inside != 0)),
            write.data.eq(self.w_data),
            write.en.eq(put),
            read.en.eq(step),
            self.r_rdy.eq(valid[1]),
            self.r_data.eq(word),
            self.w_level.eq(self.level),
            self.r_level.eq(self.level),
        ]
        m.d.sync += [
            inside.eq(inside + put - fetch),
            self.level.eq(self.level + put - (self.r_en & self.r_rdy)),
        ]
        with m.If(step):
            m.d.sync += [word.eq(read.data), valid.eq((valid << 1) | (inside != 0))]
        for port, moves in ((write, put), (read, fetch)):
            last = port.addr == self.depth - 1
            with m.If(moves):
                m.d.sync += port.addr.eq(Mux(last, 0, port.addr + 1))
        return m
