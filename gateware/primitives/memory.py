"""Memory in which no word is read in the clock in which it is written."""

from __future__ import annotations

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib.fifo import FIFOInterface, SyncFIFO
from amaranth.lib.memory import Memory

from shotveil.models.common.checks import require

# Attributes of a memory without such reads, or whose result of such a read is not used. Without
# them, yosys adds logic after the block RAM, which is slow already, to make the read well defined.
NO_COLLISIONS = {"no_rw_check": 1}
BLOCK = 16384  # bits of a block RAM of ECP5, without parity
NARROW = 4  # bits of a word that it still gives of 4096


def slices(width: int, depth: int) -> list[slice]:
    """Cut words of `width` bits so that `depth` words of each slice fit a block RAM.

    More words than a block RAM has for a width would be put together from several, by multiplexers
    behind the memory, which is slow already.
    """
    step = width if depth <= BLOCK // NARROW // 2 else NARROW
    return [slice(at, min(at + step, width)) for at in range(0, width, step)]


class DeepFifo(Elaboratable, FIFOInterface):
    """A FIFO whose memory may be large and far from both sides, because only registers reach it.

    * `NEAR` words wait near the reader, and more are fetched as soon as one is taken, so a word can
      come and leave in every clock. Latency: a word can be read five clocks after it was written.
    * `depth` words fit, or up to `NEAR` more. `level`, `r_level` and `w_level` are equal and are
      one clock late.
    """

    NEAR = 4  # clocks from one word's leaving until that which it makes room for has come

    def __init__(self, *, width: int, depth: int):
        require("depth", depth, at_least=4, integer=True)
        super().__init__(width=width, depth=depth)
        self.level, self.w_level, self.r_level = (
            Signal(range(depth + self.NEAR + 1)) for _ in range(3)
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        produce = Signal(range(self.depth))
        consume = Signal(range(self.depth))
        writing = Signal()
        written = Signal(self.width, reset_less=True)
        shown = Signal(self.width)
        word = Signal(self.width, reset_less=True)
        for part in slices(self.width, self.depth):
            at = part.start
            storage = Memory(shape=part.stop - at, depth=self.depth, init=[], attrs=NO_COLLISIONS)
            m.submodules[f"storage_{at}"] = storage
            write, read = storage.write_port(), storage.read_port()
            m.d.comb += [
                write.addr.eq(produce),
                write.en.eq(writing),
                write.data.eq(written[part]),
                read.addr.eq(consume),
                shown[part].eq(read.data),
            ]
        m.submodules.near = near = SyncFIFO(width=self.width, depth=self.NEAR)

        inside = Signal(range(self.depth + 1))  # words in the memory that are not sent for
        some = Signal()  # there are any
        claimed = Signal(range(self.NEAR + 1))  # words near the reader, or on their way there
        room = Signal(init=1)  # for the words that come until this is known
        send = Signal()
        coming = Signal(2)  # the memory's output is such a word, the register behind it is one
        taken = Signal()
        m.d.comb += [
            self.w_rdy.eq(room),
            send.eq(some & (claimed != self.NEAR)),
            near.w_en.eq(coming[1]),
            near.w_data.eq(word),
            self.r_rdy.eq(near.r_rdy),
            self.r_data.eq(near.r_data),
            near.r_en.eq(self.r_en),
            taken.eq(self.r_en & self.r_rdy),
            self.w_level.eq(self.level),
            self.r_level.eq(self.level),
        ]
        m.d.sync += [
            writing.eq(self.w_en & room),
            written.eq(self.w_data),
            inside.eq(inside + writing - send),
            some.eq(writing | (inside > 1) | ((inside == 1) & ~send)),
            room.eq(inside < self.depth - 2),
            claimed.eq(claimed + send - taken),
            coming.eq(Cat(send, coming)),
            word.eq(shown),
            self.level.eq(self.level + writing - taken),
        ]
        for place, moves in ((produce, writing), (consume, send)):
            with m.If(moves):
                m.d.sync += place.eq(Mux(place == self.depth - 1, 0, place + 1))
        return m
