"""The row store: rows that stay at the node. Model: `models.node.row_store`."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive.payloads import host_symbol
from shotveil.gateware.node.row_memory import RowMemory
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.row_store import SLOT_BITS, SLOTS
from shotveil.models.node.spec import NodeSpec


class RowStore(wiring.Component):
    """Keeps rows in a `memory`, and gives those whose slots come.

    * `i`: symbols, put behind the `loaded` ones that are there. `rewind` goes back to `place`, and
      does nothing while slots wait or if `place` is beyond the end. `forget` goes back to 0.
    * `slots`: numbers of the symbols at which rows begin, `row` symbols each; `o`: the symbols of
      these rows, in order. A slot waits only if its whole row is loaded, and is refused otherwise.
    * `broken`: a slot was refused, or the memory could not read a symbol. Nothing that comes behind
      it is given until a flush. `refused`, `refused_slot` and `unreadable` tell what it was, until
      `clear`.
    * `flush`: slots that wait are dropped, and so is the row on its way.
    * `waiting`: slots that are not fetched yet; `slots` of them find room.
    * Up to two rows are on their way, so that the memory's delay costs no time between them.
    """

    def __init__(self, spec: NodeSpec, slots: int = SLOTS):
        self._spec, self._slots = spec, slots
        symbol = stream.Signature(host_symbol(spec.drive))
        place, level = (spec.store - 1).bit_length(), spec.store.bit_length()
        super().__init__(
            {
                "i": In(symbol),
                "slots": In(stream.Signature(WORD)),
                "o": Out(symbol),
                "memory": Out(RowMemory(spec)),
                "row": In(spec.drive.length_width),
                "place": In(level),
                **{name: In(1) for name in ("rewind", "forget", "flush", "clear")},
                "loaded": Out(level),
                "waiting": Out(SLOT_BITS),
                "broken": Out(1),
                "refused": Out(1),
                "refused_slot": Out(place),
                "unreadable": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        memory: Any = self.memory
        capacity = self._spec.store
        bits = len(self.refused_slot)
        due = Signal(len(self.row) + 1)  # symbols that were asked for and have not come

        # The tape.
        full = Signal()
        put = Signal()
        busy = Signal()
        m.d.comb += [
            memory.keep.valid.eq(self.i.valid & ~full),
            memory.keep.p.place.eq(self.loaded),
            memory.keep.p.symbol.eq(self.i.p),
            self.i.ready.eq(memory.keep.ready & ~full),
            put.eq(memory.keep.valid & memory.keep.ready),
            busy.eq((self.waiting != 0) | (due != 0)),
        ]
        with m.If(self.forget):
            m.d.sync += [self.loaded.eq(0), full.eq(0)]
        with m.Elif(self.rewind & ~busy & (self.place <= self.loaded)):
            m.d.sync += [self.loaded.eq(self.place), full.eq(self.place == capacity)]
        with m.Elif(put):
            m.d.sync += [self.loaded.eq(self.loaded + 1), full.eq(self.loaded == capacity - 1)]

        # A slot is judged in the clock after it came.
        slot = Signal(bits)
        end = Signal(max(len(self.loaded), len(self.row)) + 1)
        beyond = Signal()
        came = Signal()
        fits = Signal()
        refuses = Signal()
        fetched = Signal()
        m.submodules.queue = queue = ResetInserter(self.flush)(
            DeepFifo(width=bits, depth=self._slots)
        )
        m.d.comb += [
            self.slots.ready.eq(self.waiting != self._slots),
            fits.eq(~beyond & (end <= self.loaded)),
            refuses.eq(came & ~fits & ~self.broken),
            queue.w_en.eq(came & fits & ~self.broken),
            queue.w_data.eq(slot),
        ]
        accepted = self.slots.valid & self.slots.ready
        m.d.sync += [
            came.eq(accepted),
            slot.eq(self.slots.p),
            beyond.eq(self.slots.p[bits:].any()),
            end.eq(self.slots.p[:bits] + self.row),
            self.waiting.eq(self.waiting + accepted - (came & ~queue.w_en) - fetched),
        ]
        m.d.sync += self.refused.eq((self.refused | refuses) & ~self.clear)
        with m.If(refuses & ~self.refused):
            m.d.sync += self.refused_slot.eq(slot)

        # A row is fetched if no more than one is on its way.
        room = Signal()
        draining = Signal()
        taken = Signal()
        m.d.sync += room.eq(due <= self.row)
        m.d.comb += [
            fetched.eq(queue.r_rdy & room & ~memory.piece.valid & ~draining),
            queue.r_en.eq(fetched),
            memory.flush.eq(self.flush | draining),
            taken.eq(memory.symbol.valid & memory.symbol.ready),
        ]
        with m.If(memory.piece.valid):
            m.d.sync += memory.piece.valid.eq(~memory.piece.ready)
        with m.Elif(fetched):
            m.d.sync += [
                memory.piece.valid.eq(1),
                memory.piece.p.place.eq(queue.r_data),
                memory.piece.p.count.eq(self.row),
            ]
        m.d.sync += due.eq(due + Mux(fetched, self.row, 0) - taken)

        # Symbols; none behind one that could not be read.
        torn = Signal()
        bad = memory.symbol.valid & memory.symbol.p.bad & ~draining
        m.d.comb += [
            self.o.p.eq(memory.symbol.p.symbol),
            self.o.valid.eq(memory.symbol.valid & ~bad & ~torn & ~draining),
            memory.symbol.ready.eq(torn | (self.o.ready & ~bad & ~draining)),
        ]
        m.d.sync += [
            torn.eq(torn | bad),
            self.unreadable.eq((self.unreadable | bad) & ~self.clear),
            self.broken.eq(self.broken | refuses | bad),
        ]
        m.d.sync += draining.eq(self.flush | (draining & ~memory.idle))
        with m.If(self.flush):
            m.d.sync += [
                came.eq(0),
                self.waiting.eq(0),
                due.eq(0),
                torn.eq(0),
                self.broken.eq(0),
                memory.piece.valid.eq(0),
            ]
        return m
