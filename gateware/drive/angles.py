"""Replay of a table of beam-splitter angles. Model and physics: `models.drive.angles`."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.models.drive.spec import DriveSpec


def _ports(spec: DriveSpec) -> dict[str, wiring.Member]:
    layout = payloads.host_symbol(spec)
    return {
        "i": In(stream.Signature(layout)),
        "o": Out(stream.Signature(layout)),
        "play": In(1),
        "clear": In(1),
        "length": Out(spec.length_width),
    }


class Angles(wiring.Component):
    """Replays the loaded table as the row of every frame.

    * `i`: the table, pairs of angles in `spec.symbol`, accepted while `play` is low and until the
      memory is full; `o`: its entries in order, from the first, for as long as `play` is high.
    * `clear`: empties the table, while `play` is low. `length`: entries loaded.
    * Throughput: one pair per clock; `latency` clocks from a rise of `play` to the first pair. It
      takes block RAM for `spec.row_capacity` pairs, no multiplier. An empty table gives nothing.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        super().__init__(_ports(spec))

    @property
    def latency(self) -> int:
        """Clocks from `play` to the first pair."""
        return 3  # the decision to play, the read, the register behind it

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = payloads.host_symbol(self._spec)
        depth = self._spec.row_capacity
        m.submodules.table = table = Memory(shape=layout, depth=depth, init=[], attrs=NO_COLLISIONS)
        write, read = table.write_port(), table.read_port()
        full = Signal()
        put = Signal()
        # The memory is written a clock later, from registers: it may lie far away.
        place = Signal(range(depth), reset_less=True)
        kept = Signal(layout, reset_less=True)
        late = Signal()
        final = Signal(range(depth), reset_less=True)  # the last entry's place
        m.d.comb += [
            self.i.ready.eq(~self.play & ~self.clear & ~full),
            put.eq(self.i.valid & self.i.ready),
            write.addr.eq(place),
            write.data.eq(kept),
            write.en.eq(late),
        ]
        m.d.sync += [late.eq(put), place.eq(self.length), kept.eq(self.i.payload)]
        with m.If(self.clear & ~self.play):
            m.d.sync += [self.length.eq(0), full.eq(0)]
        with m.Elif(put):
            m.d.sync += [self.length.eq(self.length + 1), full.eq(self.length == depth - 1)]
        m.d.sync += final.eq(self.length - 1)

        playing = Signal()
        position = Signal(range(depth))
        known = Signal()  # the memory shows an entry
        entry = Signal(layout, reset_less=True)
        step = Signal()  # of memory and register, which a block RAM has at its output
        m.d.sync += playing.eq(self.play & (self.length != 0))
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            read.addr.eq(position),
            read.en.eq(step),
            self.o.payload.eq(entry),
        ]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(known), entry.eq(read.data), known.eq(playing)]
            with m.If(playing):
                m.d.sync += position.eq(position + 1)
                with m.If(position == final):
                    m.d.sync += position.eq(0)
        with m.If(~self.play):
            m.d.sync += [position.eq(0), playing.eq(0), known.eq(0), self.o.valid.eq(0)]
        return m


class NoAngles(wiring.Component):
    """Stands for `Angles` in a drive without a table: it takes nothing and gives nothing."""

    def __init__(self, spec: DriveSpec):
        super().__init__(_ports(spec))

    def elaborate(self, platform: object) -> Module:
        return Module()
