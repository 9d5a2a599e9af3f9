"""The whole host link of a node: bytes from the host to bytes to the host."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link import cobs, crc, endpoint, packet
from shotveil.gateware.host_link.endpoint import Endpoint, inside
from shotveil.gateware.host_link.payloads import COUNTERS, token
from shotveil.gateware.primitives.stage import Stage
from shotveil.models.host_link.endpoint import require_shape


class HostLink(wiring.Component):
    """Takes packets from a stream of bytes, and carries out each request exactly once.

    * `i`, `o`: bytes from and to the host, one per clock. Bytes may be lost before `i`; this only
      costs time, because the packet is sent again.
    * The members of `gateware.host_link.endpoint.inside`: register bus, ports, `alive`, `fault`.
    * `link_bad_crc`, `link_bad_frame`, `link_repeated`, `link_gap`, `link_accepted`: numbers of
      packets by their outcome, which saturate; `clear` sets them to zero.
    * SEND requests of 256 words are carried out as fast as bytes come, one per clock: 1024 of 1040
      bytes are payload.
    * The link does nothing before the host's first HELLO.
    """

    def __init__(self, write_ports: int, read_ports: int, window: int):
        require_shape(write_ports, read_ports, window)
        self._shape = write_ports, read_ports, window
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                **inside(write_ports, read_ports),
                "clear": In(1),
                **{name: Out(width) for name, width in COUNTERS.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = cobs.Decoder()
        m.submodules.check = check = crc.CrcCheck()
        m.submodules.store = store = packet.Store()
        m.submodules.endpoint = device = Endpoint(*self._shape)
        m.submodules.serialiser = serialiser = packet.Serialiser()
        m.submodules.append = append = crc.CrcAppend()
        m.submodules.encoder = encoder = cobs.Encoder()
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, decoder.o, check.i)
        wiring.connect(m, check.o, store.i)
        wiring.connect(m, store.o, device.i)
        # Who takes a word is too far to move what is behind the memory that gives it. Words take
        # four clocks on the line, and leave a stage one every two.
        for name, source, sink in (
            ("request", store.words, device.words),
            ("response", device.o_words, serialiser.words),
        ):
            m.submodules[f"{name}_words"] = stage = Stage(32)
            wiring.connect(m, source, stage.i)
            wiring.connect(m, stage.o, sink)
        wiring.connect(m, device.o, serialiser.i)
        # Whether the encoder has room comes too late to move the serialiser's word.
        m.submodules.response_bytes = stage = Stage(token(), full_rate=True)
        wiring.connect(m, serialiser.o, stage.i)
        wiring.connect(m, stage.o, append.i)
        wiring.connect(m, append.o, encoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += [store.clear.eq(self.clear), device.clear.eq(self.clear)]
        m.d.comb += [getattr(self, name).eq(getattr(store, name)) for name in packet.COUNTERS]
        m.d.comb += [getattr(self, name).eq(getattr(device, name)) for name in endpoint.COUNTERS]
        for name, member in inside(*self._shape[:2]).items():
            mine, theirs = getattr(self, name), getattr(device, name)
            if member.is_signature:
                wiring.connect(m, theirs, wiring.flipped(mine))
            elif member.flow is In:
                m.d.comb += theirs.eq(mine)
            else:
                m.d.comb += mine.eq(theirs)
        return m
