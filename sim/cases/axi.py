"""What stands around the AXI blocks in a bench: one clock for both sides, wide streams apart."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.link import AxiLink
from shotveil.gateware.axi.port import Axi, AxiRead
from shotveil.gateware.axi.reader import DATA, IDS, Reader, piece
from shotveil.gateware.axi.row_memory import AxiRowMemory
from shotveil.gateware.node.chain import NodeCore
from shotveil.gateware.node.row_store import RowStore
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.mailbox import BASE
from shotveil.models.node.spec import NodeSpec


class LinkOfOneClock(wiring.Component):
    """An `AxiLink` whose two clocks are the bench's one."""

    def __init__(self) -> None:
        self._link = AxiLink(BASE)
        super().__init__(dict(self._link.signature.members))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = DomainRenamer({"axi": "sync"})(self._link)
        wiring.connect(m, wiring.flipped(self.registers), self._link.registers)
        wiring.connect(m, self._link.memory, wiring.flipped(self.memory))
        wiring.connect(m, wiring.flipped(self.i), self._link.i)
        wiring.connect(m, self._link.o, wiring.flipped(self.o))
        return m


class PlainReader(wiring.Component):
    """A `Reader` whose words, wider than a bench's streams, are plain ports."""

    def __init__(self, bits: int = 18, outstanding: int = 16):
        self._reader = Reader(bits, outstanding)
        super().__init__(
            {
                "i": In(stream.Signature(piece(bits))),
                "axi": Out(AxiRead(DATA, IDS)),
                "flush": In(1),
                "idle": Out(1),
                "data": Out(DATA),
                "bad": Out(1),
                "valid": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = self._reader
        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, reader.axi, wiring.flipped(self.axi))
        m.d.comb += [
            reader.flush.eq(self.flush),
            self.idle.eq(reader.idle),
            self.data.eq(reader.o.p.data),
            self.bad.eq(reader.o.p.bad),
            self.valid.eq(reader.o.valid),
            reader.o.ready.eq(self.ready),
        ]
        return m


class RowsBehindAxi(wiring.Component):
    """A row store whose memory is a processor's, from `BASE` on."""

    BASE = 0x1000_2000
    SPEC = NodeSpec(  # rows long enough to hide the memory's latency
        drive=DriveSpec(row_capacity=512), digitiser=DigitiserSpec(modes=64, row_capacity=512),
        capture=64, replay=512, store=1536,
    )  # fmt: skip

    def __init__(self) -> None:
        self._store, self._memory = RowStore(self.SPEC), AxiRowMemory(self.SPEC)
        members = dict(self._store.signature.members.items())
        members["axi"] = members.pop("memory") and Out(Axi(DATA, IDS))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store, m.submodules.memory = store, memory = self._store, self._memory
        wiring.connect(m, store.memory, memory.port)
        wiring.connect(m, memory.axi, wiring.flipped(self.axi))
        m.d.comb += memory.base.eq(self.BASE)
        for name, member in store.signature.members.items():
            if name == "memory":
                continue
            mine, its = getattr(self, name), getattr(store, name)
            if member.is_signature:
                wiring.connect(m, wiring.flipped(mine), its)
            else:
                m.d.comb += its.eq(mine) if member.flow is In else mine.eq(its)
        return m


class NodeBehindAxi(wiring.Component):
    """A node with an `AxiLink` as its host link; the converters are ports, as the node has them.

    As on a board, a reset is one of the processor's side; the node starts once.
    """

    def __init__(self, spec: NodeSpec):
        self._node, self._link = NodeCore(spec), AxiLink(BASE)
        members = {n: m for n, m in self._node.signature.members.items() if n != "link"}
        ends = self._link.signature.members
        super().__init__({**members, **{n: ends[n] for n in ("registers", "memory")}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node, link = self._node, self._link
        m.domains.node = ClockDomain("node", reset_less=True, local=True)
        m.d.comb += ClockSignal("node").eq(ClockSignal())
        m.submodules.node = DomainRenamer("node")(node)
        m.submodules.link = DomainRenamer({"axi": "sync", "sync": "node"})(link)
        wiring.connect(m, link.o, node.link.i)
        wiring.connect(m, node.link.o, link.i)
        wiring.connect(m, wiring.flipped(self.registers), link.registers)
        wiring.connect(m, link.memory, wiring.flipped(self.memory))
        for name, member in node.signature.members.items():
            if name == "link":
                continue
            mine, theirs = getattr(self, name), getattr(node, name)
            if member.is_signature:
                ends = (wiring.flipped(mine), theirs)
                wiring.connect(m, *(ends if member.flow is In else ends[::-1]))
            else:
                m.d.comb += theirs.eq(mine) if member.flow is In else mine.eq(theirs)
        return m
