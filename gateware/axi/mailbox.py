"""Rings of bytes and registers behind a processor's AXI port. Model: `models.host_link.mailbox`."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.port import Axi
from shotveil.gateware.axi.slave import DATA, IDS, AxiSlave
from shotveil.models.host_link.mailbox import (
    CHUNK_ALIGNMENT,
    CHUNK_BYTES,
    CHUNKS,
    DOWN,
    IDENTITY,
    POSITIONS,
    REGISTER_BYTES,
    RING,
    ROWS_BYTES,
    UP,
    WINDOW,
    Control,
    MailboxRegister,
)

POSITION = (POSITIONS - 1).bit_length()
PAGE = (RING - 1).bit_length()  # a ring is a page of addresses, and so are the registers
COUNT = CHUNK_BYTES.bit_length()


def chunk() -> data.StructLayout:
    """A piece of memory: the number of its first word of 8 bytes, and how many bytes it has."""
    return data.StructLayout({"word": 32 - (CHUNK_ALIGNMENT - 1).bit_length(), "count": COUNT})


class Mailbox(wiring.Component):
    """What a processor finds at `axi`: registers, a ring of bytes to the node and one from it.

    * `o`: bytes to the node, one in three clocks; `i`: bytes from it. A byte that is offered at `o`
      stays, also through a flush.
    * `chunks`: pieces of memory to fetch; `memory`: bytes come from there. `flush` pulses when all
      is to be forgotten, and `flushing` says that this is still going on. `waiting`, `done` and
      `bad_words` are what the processor reads of chunks.
    * `rows`: the address of the memory for rows that stay, 0 for none.
    * Takes one block RAM of a Zynq-7000.
    """

    def __init__(self, base: int):
        self._base = base
        super().__init__(
            {
                "axi": In(Axi(DATA, IDS)),
                "o": Out(stream.Signature(8)),
                "i": In(stream.Signature(8)),
                "chunks": Out(stream.Signature(chunk())),
                "memory": Out(1),
                "flush": Out(1),
                "flushing": In(1),
                "waiting": In(range(CHUNKS + 1)),
                "done": In(POSITION),
                "bad_words": In(POSITION),
                "rows": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = AxiSlave(self._base, WINDOW)
        wiring.connect(m, wiring.flipped(self.axi), slave.axi)
        bus = slave.bus
        word = slice(2, PAGE)  # of a ring

        down = Memory(shape=DATA, depth=RING // 4, init=[])
        up = Memory(shape=DATA, depth=RING // 4, init=[])
        m.submodules.down, m.submodules.up = down, up
        down_write, down_read = down.write_port(granularity=8), down.read_port()
        up_write, up_read = up.write_port(granularity=8), up.read_port()
        positions = {
            name: Signal(POSITION, name=name.lower())
            for name in ("DOWN_HEAD", "DOWN_TAIL", "UP_HEAD", "UP_TAIL")
        }
        down_head, down_tail, up_head, up_tail = positions.values()
        address = Signal(32)
        rows = Signal(32 - (ROWS_BYTES - 1).bit_length())
        m.d.comb += self.rows[-len(rows) :].eq(rows)

        # To the node: a word is read, then the byte that is due is kept until it is taken.
        asked = Signal()
        m.d.comb += [
            down_write.addr.eq(bus.w_address[word]),
            down_write.data.eq(bus.w_data),
            down_read.addr.eq(down_tail[word]),
        ]
        with m.If(bus.w_strobe & (bus.w_address[PAGE:] == DOWN >> PAGE)):
            m.d.comb += down_write.en.eq(bus.w_lanes)
        m.d.sync += asked.eq((down_tail != down_head) & ~asked & ~self.o.valid)
        with m.If(self.o.valid):
            m.d.sync += self.o.valid.eq(~self.o.ready)
        with m.Elif(asked):
            m.d.sync += [
                self.o.payload.eq(down_read.data.word_select(down_tail[:2], 8)),
                self.o.valid.eq(1),
                down_tail.eq(down_tail + 1),
            ]

        # From the node.
        m.d.comb += [
            self.i.ready.eq((up_head - up_tail)[:POSITION] != RING),
            up_write.addr.eq(up_head[word]),
            up_write.data.eq(self.i.payload.replicate(4)),
            up_write.en.eq(Mux(self.i.valid & self.i.ready, 1 << up_head[:2], 0)),
            up_read.addr.eq(bus.r_address[word]),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += up_head.eq(up_head + 1)

        self._written(m, bus, positions, address, rows)
        with m.If(self.flush):
            m.d.sync += [position.eq(0) for position in positions.values()]
            m.d.sync += [asked.eq(0), address.eq(0)]

        # Reads: a register and the ring's word are there after a clock, one of them after two.
        status = Signal(DATA)
        from_up, nothing = Signal(), Signal()
        with m.Switch(bus.r_address):
            for register, value in self._readable(positions, address).items():
                with m.Case(register):
                    m.d.sync += status.eq(value)
            with m.Default():
                m.d.sync += status.eq(0)
        m.d.sync += [
            from_up.eq(bus.r_address[PAGE:] == UP >> PAGE),
            nothing.eq(bus.r_address >= REGISTER_BYTES),
            bus.r_data.eq(Mux(from_up, up_read.data, Mux(nothing, 0, status))),
            bus.r_bad.eq(nothing & ~from_up),
        ]
        return m

    def _readable(self, positions: dict[str, Signal], address: Signal) -> dict[int, Any]:
        return {
            MailboxRegister.IDENTITY: IDENTITY,
            MailboxRegister.CONTROL: Cat(self.memory, self.flushing | self.flush),
            **{MailboxRegister[name]: position for name, position in positions.items()},
            MailboxRegister.CHUNK_PLACE: address,
            MailboxRegister.CHUNK_COUNT: self.waiting,
            MailboxRegister.CHUNKS_DONE: self.done,
            MailboxRegister.BAD_WORDS: self.bad_words,
            MailboxRegister.ROWS_PLACE: self.rows,
        }

    def _written(
        self, m: Module, bus: Any, positions: dict[str, Signal], address: Signal, rows: Signal
    ) -> None:
        """Carry out a write, or call it bad."""
        value = bus.w_data
        filled = (value[:POSITION] - positions["DOWN_TAIL"])[:POSITION]
        taken = (value[:POSITION] - positions["UP_TAIL"])[:POSITION]
        there = (positions["UP_HEAD"] - positions["UP_TAIL"])[:POSITION]
        short = value[POSITION:] == 0
        right = {
            MailboxRegister.CONTROL: value[2:] == 0,
            MailboxRegister.DOWN_HEAD: short & (filled <= RING),
            MailboxRegister.UP_TAIL: short & (taken <= there),
            MailboxRegister.CHUNK_PLACE: value[: (CHUNK_ALIGNMENT - 1).bit_length()] == 0,
            MailboxRegister.CHUNK_COUNT: (value != 0)
            & (value <= CHUNK_BYTES)
            & (self.waiting != CHUNKS)
            & ~self.flushing,
            MailboxRegister.ROWS_PLACE: value[: (ROWS_BYTES - 1).bit_length()] == 0,
        }
        done = {
            MailboxRegister.CONTROL: [self.memory.eq(value[0]), self.flush.eq(value[1])],
            MailboxRegister.DOWN_HEAD: [positions["DOWN_HEAD"].eq(value)],
            MailboxRegister.UP_TAIL: [positions["UP_TAIL"].eq(value)],
            MailboxRegister.CHUNK_PLACE: [address.eq(value)],
            MailboxRegister.CHUNK_COUNT: [],
            MailboxRegister.ROWS_PLACE: [rows.eq(value[-len(rows) :])],
        }
        assert int(Control.MEMORY) == 1 and int(Control.FLUSH) == 2
        m.d.comb += [
            self.chunks.p.word.eq(address[(CHUNK_ALIGNMENT - 1).bit_length() :]),
            self.chunks.p.count.eq(value),
        ]
        m.d.sync += [self.flush.eq(0), bus.w_bad.eq(0)]
        with m.If(bus.w_strobe & (bus.w_address[PAGE:] != DOWN >> PAGE)):
            m.d.sync += bus.w_bad.eq(1)
            for register, holds in right.items():
                with m.If((bus.w_address == register) & bus.w_lanes.all() & holds):
                    m.d.sync += [bus.w_bad.eq(0), *done[register]]
                    if register == MailboxRegister.CHUNK_COUNT:
                        m.d.comb += self.chunks.valid.eq(1)
