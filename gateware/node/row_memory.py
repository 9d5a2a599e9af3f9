"""Memory for rows that stay: what a row store asks of it, and the one of block RAM."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive.payloads import host_symbol
from shotveil.gateware.primitives.memory import NO_COLLISIONS, slices
from shotveil.models.node.spec import NodeSpec


class RowMemory(wiring.Signature):
    """The port of a memory for row symbols, as the row store sees it.

    * `keep`: a symbol and its place, which is written.
    * `piece`: the place of a first symbol, and how many there are, 1 or more. They come in order at
      `symbol`, each once, and the pieces follow each other. One that the memory could not read
      comes as `bad`; block RAM has none, while the memory of a processor may answer with an error.
    * While `flush` is high, pieces are dropped: those that wait, and those that were begun. `idle`
      says that nothing of them is still to come; `flush` is kept until then.

    `gateware.axi.reader.Reader` has the same streams for the words of a processor's memory.
    """

    def __init__(self, spec: NodeSpec):
        place, symbol = range(spec.store), host_symbol(spec.drive)
        count = spec.drive.length_width
        super().__init__(
            {
                "keep": Out(
                    stream.Signature(data.StructLayout({"place": place, "symbol": symbol}))
                ),
                "piece": Out(stream.Signature(data.StructLayout({"place": place, "count": count}))),
                "symbol": In(stream.Signature(data.StructLayout({"symbol": symbol, "bad": 1}))),
                "flush": Out(1),
                "idle": In(1),
            }
        )


class BlockMemory(wiring.Component):
    """A `RowMemory` in block RAM, in banks of `spec.drive.row_capacity` symbols.

    A symbol every clock, the first one `latency` clocks behind its piece. Only registers reach the
    banks, which are far apart: `NEAR` symbols wait near the reader, and more are fetched as soon as
    one is taken.
    """

    NEAR = 8  # symbols that make up for the way to the banks and back
    latency = 5  # clocks from a piece to its first symbol

    def __init__(self, spec: NodeSpec):
        self._spec = spec
        super().__init__({"port": In(RowMemory(spec))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port: Any = self.port
        symbol = host_symbol(self._spec.drive)
        depth = self._spec.drive.row_capacity
        within = (depth - 1).bit_length()
        banks = self._spec.store // depth
        place, left = Signal(range(self._spec.store)), Signal(self._spec.drive.length_width)
        claimed = Signal(range(self.NEAR + 1))  # symbols near the reader, or on their way there
        send, taken = Signal(), Signal()
        coming = Signal(3)  # the memory's output, the register behind it, the chosen bank's word
        m.submodules.near = near = ResetInserter(port.flush)(
            SyncFIFO(width=symbol.size, depth=self.NEAR)
        )

        # Symbols that are written are registered first, with a line of its own for each bank.
        written = Signal(symbol.size, reset_less=True)
        at = Signal(within, reset_less=True)
        m.d.sync += [written.eq(port.keep.p.symbol.as_value()), at.eq(port.keep.p.place)]
        words = [Signal(symbol.size, name=f"word_{b}", reset_less=True) for b in range(banks)]
        for b, word in enumerate(words):
            writes = Signal(name=f"writes_{b}")
            m.d.sync += writes.eq(port.keep.valid & (port.keep.p.place[within:] == b))
            for part in slices(symbol.size, depth):
                storage = Memory(
                    shape=part.stop - part.start, depth=depth, init=[], attrs=NO_COLLISIONS
                )
                m.submodules[f"bank_{b}_{part.start}"] = storage
                write, read = storage.write_port(), storage.read_port()
                m.d.comb += [
                    write.addr.eq(at),
                    write.en.eq(writes),
                    write.data.eq(written[part]),
                    read.addr.eq(place[:within]),
                ]
                m.d.sync += word[part].eq(read.data)

        chosen = [Signal(range(max(banks, 2)), name=f"bank_{k}", reset_less=True) for k in range(2)]
        m.d.sync += [late.eq(now) for now, late in zip((place[within:], chosen[0]), chosen,
                                                      strict=True)]  # fmt: skip
        word = Signal(symbol.size, reset_less=True)
        m.d.sync += word.eq(Array(words)[chosen[1]])
        m.d.comb += [
            port.keep.ready.eq(1),
            port.idle.eq(1),
            port.piece.ready.eq((left == 0) | ((left == 1) & send)),
            send.eq((left != 0) & (claimed != self.NEAR)),
            near.w_en.eq(coming[-1]),
            near.w_data.eq(word),
            port.symbol.valid.eq(near.r_rdy),
            port.symbol.p.symbol.as_value().eq(near.r_data),
            near.r_en.eq(port.symbol.ready),
            taken.eq(port.symbol.valid & port.symbol.ready),
        ]
        with m.If(port.piece.valid & port.piece.ready):
            m.d.sync += [place.eq(port.piece.p.place), left.eq(port.piece.p.count)]
        with m.Elif(send):
            m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
        m.d.sync += [claimed.eq(claimed + send - taken), coming.eq(Cat(send, coming))]
        with m.If(port.flush):
            m.d.sync += [left.eq(0), claimed.eq(0), coming.eq(0)]
        return m
