"""Surroundings for the host link, as component and as model, and streams of requests for both."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.host_link.link import FRAME_COUNTERS, HostLink
from gateware.host_link.endpoint import COUNTER_BITS, COUNTERS
from gateware.pipeline import delay
from models.host_link import packet
from models.host_link.endpoint import Endpoint
from models.host_link.packet import MAX_WORDS, Op, Request

WRITE_PORTS, READ_PORTS, WINDOW = 2, 3, 4
DEPTH = 600  # words between a write port and the read port of the same number
REGISTERS = 64  # words; the address wraps around
SOURCE = 20  # words that the last read port says it has, whatever was taken


class Surroundings:
    """Registers that hold what is written, ports that give back what they got, and a counter.

    Read port n gives the words of write port n; the last one counts up.
    """

    def __init__(self) -> None:
        self._registers = [0] * REGISTERS
        self._queues: list[deque[int]] = [deque() for _ in range(WRITE_PORTS)]
        self._count = 0

    def read(self, address: int) -> int:
        """The word of a register."""
        return self._registers[address % REGISTERS]

    def write(self, address: int, word: int) -> None:
        """Write a register."""
        self._registers[address % REGISTERS] = word

    def room(self, port: int) -> int:
        """What is free of the queue behind a write port."""
        return DEPTH - len(self._queues[port])

    def send(self, port: int, words: Sequence[int]) -> None:
        """Put words into a queue."""
        self._queues[port].extend(words)

    def available(self, port: int) -> int:
        """What waits in a queue."""
        return len(self._queues[port]) if port < WRITE_PORTS else SOURCE

    def receive(self, port: int, count: int) -> list[int]:
        """Take words from a queue."""
        if port < WRITE_PORTS:
            return [self._queues[port].popleft() for _ in range(count)]
        self._count += count
        return list(range(self._count - count, self._count))


class LinkInSurroundings(wiring.Component):
    """A `HostLink` between `Surroundings`, with nothing but streams of bytes and status outside.

    `alive` and `fault` count the clocks in which the link's are high.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "alive": Out(COUNTER_BITS),
                "fault": Out(COUNTER_BITS),
                **{name: Out(COUNTER_BITS) for name in (*FRAME_COUNTERS, *COUNTERS)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = HostLink(WRITE_PORTS, READ_PORTS, WINDOW)
        wiring.connect(m, wiring.flipped(self.i), link.i)
        wiring.connect(m, link.o, wiring.flipped(self.o))
        m.d.comb += [
            getattr(self, name).eq(getattr(link, name)) for name in (*FRAME_COUNTERS, *COUNTERS)
        ]
        m.d.sync += [self.alive.eq(self.alive + link.alive), self.fault.eq(self.fault + link.fault)]

        bus = link.bus
        m.submodules.registers = registers = Memory(shape=32, depth=REGISTERS, init=[])
        write, read = registers.write_port(), registers.read_port()
        m.d.comb += [
            write.addr.eq(bus.address),
            write.data.eq(bus.w_data),
            write.en.eq(bus.w_strobe),
            read.addr.eq(bus.address),
            read.en.eq(bus.r_strobe),
            bus.r_valid.eq(delay(m, bus.r_strobe, 3, 1)),
            bus.r_data.eq(delay(m, read.data, 2, 1)),
        ]
        for n in range(WRITE_PORTS):
            m.submodules[f"queue_{n}"] = queue = fifo.SyncFIFOBuffered(width=32, depth=DEPTH)
            wiring.connect(m, getattr(link, f"write_{n}"), queue.w_stream)
            wiring.connect(m, queue.r_stream, getattr(link, f"read_{n}"))
            m.d.comb += [
                getattr(link, f"room_{n}").eq(DEPTH - queue.level),
                getattr(link, f"available_{n}").eq(queue.level),
            ]
        source = getattr(link, f"read_{READ_PORTS - 1}")
        count = Signal(32)
        m.d.comb += [source.valid.eq(1), source.p.eq(count)]
        m.d.comb += getattr(link, f"available_{READ_PORTS - 1}").eq(SOURCE)
        with m.If(source.ready):
            m.d.sync += count.eq(count + 1)
        return m
