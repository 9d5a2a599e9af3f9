"""How much a host may send: credit of the write ports.

The host may have sent as many words to a port in all as the last limit that it was told. A limit
is what the port took, and what it has room for. It never falls, since a word that the port takes
moves from the one to the other, and so a host that keeps to any limit it was ever told never finds
a port full.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import require
from shotveil.models.host_link.packet import MAX_WORDS

LIMIT_BITS = 16  # of limits, which count modulo 2^16: the host tells them apart by differences


class Credits(wiring.Component):
    """Counts the words that went to each port, modulo 2^16.

    * `port`, `count`, `room`: a request to send `count` words to a port with so much room.
    * One clock later `fits` tells whether there is room for all of them, and `limit` what the host
      may have sent to this port in all.
    * `take`: the request of which `fits` and `limit` tell is carried out.
    * `clear`: a new session, in which nothing was sent yet.
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
