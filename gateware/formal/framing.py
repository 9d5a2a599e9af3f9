"""Proof: the drive's framing plays every frame symbol by symbol, without gaps or stale symbols.

The reference is `models.signal.frame`: a table of the slots of some layouts, small enough to be
proved and with every section present, absent, whole and cut. Rows may arrive at any pace, the
output may stall at any time; `run`, `hold`, `blank`, `flush` and reset come whenever the block
allows them.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from shotveil.gateware.drive.framing import LENGTHS
from shotveil.gateware.formal.deep_fifo import follow, inside
from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.sequencer import MARGIN
from shotveil.models.signal.frame import PILOTS, FrameLayout, Slot

SPEC = DriveSpec(row_capacity=4)
LAYOUTS = (
    FrameLayout(preamble=4, row=4, pilots=1, pilot_spacing=2, vacuum=1, guard=2),
    FrameLayout(preamble=5, row=3, pilots=2, pilot_spacing=2, vacuum=0, guard=2),
    FrameLayout(preamble=4, row=1, pilots=0, pilot_spacing=1, vacuum=0, guard=3),
    FrameLayout(preamble=4, row=4, pilots=0, pilot_spacing=2, vacuum=2, guard=2),
)
COUNT = 4  # bits of the counters of symbols, more than what can be under way
LENGTH = SPEC.length_width
GROUP = (len(PILOTS) - 1).bit_length()  # bits of the number of the next pilot

# What the sequencer's registers hold while it plays one symbol of a frame.
STEP = data.StructLayout(
    {
        "section": 3, "left": LENGTH, "row_left": LENGTH, "row_done": 1, "group": GROUP, "code": 4,
        "rows_to_come": 3, "last": 1, "i": 16, "q": 16,
    }
)  # fmt: skip
# The bench's inputs that show the block's internal signals.
INSIDE = {
    "section": (3, "dut.section"),
    "left": (LENGTH, "dut.left"),
    "last": (1, "dut.last"),
    "row_left": (LENGTH, "dut.row_left"),
    "row_done": (1, "dut.row_done"),
    "group": (GROUP, "dut.group"),
    "code": (4, "dut.code"),
    "opening": (1, "dut.opening"),
    "blanked": (1, "dut.blanked"),
    "take": (1, "dut.take"),
    "ready_to_start": (1, "dut.ready_to_start"),
    "room": (1, "dut.room"),
    **inside("dut.buffer", 32, SPEC.row_capacity),
    **{f"{name}_taken": (LENGTH, f"dut.{name}_taken") for name in LENGTHS},
}


def steps(layout: FrameLayout) -> list[dict[str, int]]:
    """`STEP` for each symbol of a frame. Row symbols, which come from outside, are zero."""
    slots, signs = layout.slots(), layout.references()
    half = 1 << (SPEC.symbol.fraction - 1)
    section = {Slot.PREAMBLE: 1, Slot.PILOT: 2, Slot.ROW: 3, Slot.VACUUM: 4, Slot.GUARD: 5}
    found = []
    for n, slot in enumerate(slots):
        run = int(np.argmax(np.append(slots[n:] != slot, True)))  # symbols left of this section
        rows = int(np.count_nonzero(slots[:n] == Slot.ROW))
        pilots = int(np.count_nonzero(slots[:n] == Slot.PILOT))
        spacing = layout.pilot_spacing
        # Blocks of the row begun so far; without pilots the whole row is one.
        blocks = -(-(rows + (slot == Slot.ROW)) // spacing)
        begun = min(blocks, 1) if layout.pilots == 0 else blocks
        finished = begun > 0 and (layout.pilots == 0 or begun * spacing >= layout.row)
        found.append(
            {
                "section": section[Slot(slot)],
                "left": run - 1,
                "row_left": (layout.row - 1 - begun * spacing) % (1 << LENGTH),
                "row_done": int(finished),
                "group": pilots % len(PILOTS),
                "code": n % 16,
                "rows_to_come": layout.row - rows,
                "last": int(n == layout.length - 1),
                "i": int(signs[0, n]) * half % (1 << 16),
                "q": int(signs[1, n]) * half % (1 << 16),
            }
        )
    return found


class FramingBench(wiring.Component):
    """Numbers the symbols of the rows and plays frames beside the block, from the model's table."""

    def __init__(self, block: ModuleType):
        self.dut = block.DriveFraming(SPEC)
        super().__init__(
            {
                "valid": In(1),
                "ready": In(1),
                "run": In(1),
                "hold": In(1),
                "blank": In(1),
                "flush": In(1),
                "layout": In(range(len(LAYOUTS))),
                **{name: In(width) for name, (width, _) in INSIDE.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        sent, taken = Signal(COUNT), Signal(COUNT)
        m.d.comb += [
            dut.i.valid.eq(self.valid),
            dut.i.payload.eq(sent),  # I is the number, Q is zero
            dut.o.ready.eq(self.ready),
            dut.run.eq(self.run),
            dut.hold.eq(self.hold),
            dut.blank.eq(self.blank),
            dut.flush.eq(self.flush),
        ]
        sent_next = (sent + (dut.i.valid & dut.i.ready))[:COUNT]
        m.d.sync += sent.eq(sent_next)
        with m.Switch(self.layout):
            for n, layout in enumerate(LAYOUTS):
                with m.Case(n):
                    m.d.comb += [getattr(dut, name).eq(getattr(layout, name)) for name in LENGTHS]
        # Lengths change only once `run` is low.
        ran, before = Signal(), Signal.like(self.layout)
        was_blank = Signal()
        m.d.sync += [ran.eq(self.run), before.eq(self.layout), was_blank.eq(self.blank)]
        with m.If(ran):
            m.d.comb += Assume(self.layout == before)

        # The reference: position in a frame, and what the table says of it.
        playing, position = Signal(), Signal(5)
        current = Signal.like(self.layout)
        blank = Signal()  # the frame's row is zeros
        # `blank` changes only while `run` is low or early in a frame, `flush` comes between frames.
        with m.If(ran & ~(playing & (position < 4))):
            m.d.comb += Assume(self.blank == was_blank)
        with m.If(self.flush):
            m.d.comb += Assume(~ran & ~playing)
        want = Signal(STEP)
        with m.Switch(Cat(position, current)):
            for n, layout in enumerate(LAYOUTS):
                for place, fields in enumerate(steps(layout)):
                    with m.Case(n << 5 | place):
                        m.d.comb += want.eq(Const(fields, STEP))
            with m.Default():
                m.d.comb += Assert(~playing)
        step = dut.o.ready | ~dut.o.valid
        starts = step & (~playing | want.last) & self.ready_to_start
        row = playing & (want.section == 3) & ~blank
        expected = Signal(dut.o.payload.shape())
        with m.If(step):
            m.d.sync += [
                position.eq(position + 1),
                taken.eq(taken + row),
                expected.i.eq(Mux(row, taken, Mux(playing, want.i, 0))),
                expected.q.eq(Mux(playing, want.q, 0)),
                expected.reference.eq(playing & want.section.matches(1, 2)),
                expected.first.eq(playing & (position == 0)),
            ]
            with m.If(~playing | want.last):
                m.d.sync += [
                    playing.eq(self.ready_to_start),
                    position.eq(0),
                    current.eq(self.layout),
                    blank.eq(self.blank),
                ]
        with m.If(self.flush):
            m.d.sync += taken.eq(sent_next)

        # The output: never a pause, and in each step the very symbol that is due.
        started = Signal()
        m.d.sync += started.eq(1)
        with m.If(started):
            m.d.comb += Assert(dut.o.valid)
        with m.If(dut.o.valid):
            m.d.comb += Assert(dut.o.payload == expected)
        m.d.comb += Assert(dut.busy == playing)
        m.d.comb += [Assert(dut.started == starts), Assert(dut.taken == (row & step))]
        with m.If(dut.taken):
            m.d.comb += Assert(dut.symbol.as_value() == taken)
        # A frame starts only if it may and its whole row is here.
        held, held_back = Signal(COUNT), Signal()
        m.d.sync += held_back.eq(self.hold)
        m.d.comb += held.eq(sent - taken)
        with m.If(starts):
            m.d.comb += [Assert(ran), Assert(~held_back), Assert((held >= dut.row) | self.blank)]

        # What the node's sequencer relies on: starts are so far apart, whatever the layout.
        since = Signal(range(MARGIN + 1), init=MARGIN)
        with m.If(starts):
            m.d.sync += since.eq(1)
            m.d.comb += Assert(since == MARGIN)
        with m.Elif(since != MARGIN):
            m.d.sync += since.eq(since + 1)
        with m.If(playing):
            m.d.comb += Assert((since == MARGIN) | (since > position))
        with m.Else():
            m.d.comb += Assert(since == MARGIN)

        self._inside(m, playing, position, current, blank, want, sent, taken)

        again = Signal()  # a frame followed another without a symbol between them
        with m.If(starts & playing):
            m.d.sync += again.eq(1)
        m.d.comb += [
            Cover(again & playing & (current == 0) & want.last),
            Cover(playing & (current == 1) & want.last),
            Cover(playing & (current == 2) & want.last & ~self.run),
            Cover(row & (current == 3) & ~dut.i.ready),
            Cover(playing & blank & want.last & (held == 0)),
            Cover(self.flush & (held > 2)),
        ]
        return m

    def _inside(
        self,
        m: Module,
        playing: Signal,
        position: Signal,
        current: Signal,
        blank: Signal,
        want: data.View,
        sent: Signal,
        taken: Signal,
    ) -> None:
        """What holds of the registers inside; it makes the rest inductive."""
        with m.If(playing):
            m.d.comb += [
                Assert(getattr(self, name) == want[name])
                for name in ("section", "left", "row_left", "row_done", "group", "code")
            ]
            m.d.comb += Assert(self.opening == (position == 0))
            with m.Switch(current):
                for n, layout in enumerate(LAYOUTS):
                    with m.Case(n):
                        m.d.comb += [
                            Assert(getattr(self, f"{name}_taken") == getattr(layout, name))
                            for name in LENGTHS
                        ]
            m.d.comb += Assert(blank | (self.dut.buffered >= want.rows_to_come))
            m.d.comb += Assert(self.blanked == blank)
        with m.Else():
            m.d.comb += [Assert(self.section == 0), Assert(~self.opening)]
        m.d.comb += [
            Assert(self.dut.buffered == follow(m, self, SPEC.row_capacity, taken)),
            Assert(sent == (taken + self.dut.buffered)[:COUNT]),
            Assert(self.dut.buffered <= SPEC.row_capacity + 1),
        ]
        with m.If(self.take):
            m.d.comb += Assert(self.near_level != 0)
        m.d.comb += Assert(self.last == (self.left == 0))


PROOF = Proof(
    block="shotveil.gateware.drive.framing",
    bench=FramingBench,
    depth=5,
    reach=34,
    peek={name: path for name, (_, path) in INSIDE.items()},
    bugs=(
        Bug(
            "a frame starts one symbol short of its row",
            "self.buffered >= self.row",
            "self.buffered + 1 >= self.row",
        ),
        Bug(
            "a frame that is not allowed starts",
            "ready_to_start.eq(self.run & ~self.hold",
            "ready_to_start.eq(~self.hold",
        ),
        Bug(
            "the output pauses between frames",
            "self.o.valid.eq(1)",
            "self.o.valid.eq(section != Section.IDLE)",
        ),
        Bug(
            "the buffer takes one symbol too many", "< spec.row_capacity)", "<= spec.row_capacity)"
        ),
        Bug("a blank frame takes symbols", "take.eq(step & ~blanked)", "take.eq(step)"),
        Bug(
            "lengths are not held",
            'enter(Section.GUARD, taken["guard"])',
            "enter(Section.GUARD, self.guard)",
        ),
    ),
)
