"""Credits of the write ports: how many words a host may send.

A limit is the total number of words that a host may have sent to a port: the words that the port
took, plus those that it has room for. A limit never falls, because a word that the port takes moves
from the second number to the first. A host that respects any limit it was told therefore never
finds a port full.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import require
from shotveil.models.host_link.packet import MAX_WORDS

LIMIT_BITS = 16  # width of limits, which count modulo 2^16; the host uses differences only


class Credits(wiring.Component):
    """Counts the words that went to each port, modulo 2^16.

    * `port`, `count`, `room`: a request to send `count` words to a port that has `room`.
    * One clock later, `fits` tells whether there is room for all of them, and `limit` is the total
      number of words that the host may have sent to this port.
    * `take`: the request that `fits` and `limit` belong to is carried out.
    * `clear`: a new session starts, in which no word was sent yet.
    """

    def __init__(self, ports: int):
        require("ports", ports, at_least=1, at_most=16, integer=True)
        self._ports = ports
        super().__init__(
            {
                "port": In(range(ports)),
                "count": In(MAX_WORDS.bit_length()),
                "room": In(LIMIT_BITS),
                "take": In(1),
                "clear": In(1),
                "fits": Out(1),
                "limit": Out(LIMIT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sent = Array(Signal(LIMIT_BITS, name=f"sent_{k}") for k in range(self._ports))
        m.d.sync += [
            self.fits.eq(self.count <= self.room),
            self.limit.eq(sent[self.port] + self.room),
        ]
        with m.If(self.clear):
            m.d.sync += [total.eq(0) for total in sent]
        with m.Elif(self.take):
            m.d.sync += sent[self.port].eq(sent[self.port] + self.count)
        return m
