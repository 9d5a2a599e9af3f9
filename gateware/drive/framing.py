"""Framing: rows of symbols become frames.

Model: `models.drive.framing`, format: `models.signal.frame`.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, C, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FRANK, PILOTS, FrameLayout, diagonal

LENGTHS = FrameLayout.names()


class Section(enum.Enum, shape=3):  # type: ignore[call-arg]
    """The section of a frame that the next symbol lies in."""

    IDLE = 0
    PREAMBLE = 1
    PILOTS = 2
    ROW = 3
    VACUUM = 4
    GUARD = 5


class DriveFraming(wiring.Component):
    """Puts frames around rows, and symbols of zero between frames, so the output never pauses.

    * `i`: symbols of rows in `spec.symbol`; `o`: symbols of frames in the same format, references
      as ±½, with their flags. Nothing is rounded.
    * `run`: high lets a frame start, once a whole row is buffered; a frame once started is always
      completed. So rows may arrive at any pace without a gap inside a frame.
    * `hold`: no frame starts although `run` is high. `blank`: the next frame needs no row, zeros
      are sent in its place. `started` pulses where a frame starts, before its first symbol.
    * `taken` is high where `symbol` of the row buffer goes into a frame.
    * `flush`: while high, the row buffer is emptied and new symbols are dropped. It may be high
      only between frames.
    * Each section has a register with its length (`models.signal.frame.FrameLayout` says what is
      allowed), which is latched when a frame starts.
    * `busy`: a frame is being sent; `buffered`: number of symbols in the row buffer.
    * Throughput: one symbol per clock, frames back to back. Latency: `latency` clocks from a row's
      last symbol to the first symbol of its frame.
    * It takes block RAM for `spec.row_capacity` symbols, no multiplier.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        width = spec.length_width
        super().__init__(
            {
                "i": In(stream.Signature(payloads.host_symbol(spec))),
                "o": Out(stream.Signature(payloads.framed(spec))),
                "run": In(1),
                "hold": In(1),
                "blank": In(1),
                "flush": In(1),
                **{name: In(width) for name in LENGTHS},
                "busy": Out(1),
                "buffered": Out(width),
                "started": Out(1),
                "taken": Out(1),
                "symbol": Out(payloads.host_symbol(spec)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from the last symbol of a row at `i` to the first of its frame at `o`."""
        return 4  # count of buffered symbols, its comparison, start, output register

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        layout = payloads.host_symbol(spec)
        # One clock late, when one more symbol may have come; the FIFO has a place for it.
        room = Signal()
        buffer = DeepFifo(width=layout.size, depth=spec.row_capacity)
        m.submodules.buffer = ResetInserter(self.flush)(buffer)
        head = Signal(layout)  # the row's next symbol
        take = Signal()
        put = Signal()
        m.d.comb += [
            self.i.ready.eq(room),
            put.eq(self.i.valid & room),
            buffer.w_data.eq(self.i.payload.as_value()),
            buffer.w_en.eq(put),
            buffer.r_en.eq(take),
            head.eq(buffer.r_data),
        ]
        m.d.sync += [
            room.eq(self.buffered < spec.row_capacity),
            self.buffered.eq(self.buffered + put - take),
        ]
        with m.If(self.flush):
            m.d.sync += self.buffered.eq(0)

        # Lengths of the frame on its way. Counters hold one less than what is left, so that zero
        # is the last symbol, and `last` knows it a symbol ahead: it decides what all moves.
        taken = {name: Signal(spec.length_width, name=f"{name}_taken") for name in LENGTHS}
        left = Signal(spec.length_width)  # of the section, or of the block of a row
        last = Signal(init=1)  # none is left
        row_left = Signal(spec.length_width)
        row_done = Signal()
        # These are one clock late, which is early enough for their use.
        no_pilots, no_vacuum = Signal(), Signal()
        cut = Signal()  # what is left of the row is less than a block
        final = Signal()  # and is one symbol
        m.d.sync += [
            no_pilots.eq(taken["pilots"] == 0),
            no_vacuum.eq(taken["vacuum"] == 0),
            cut.eq(row_left < taken["pilot_spacing"]),
            final.eq(row_left == 0),
        ]
        group = Signal(range(len(PILOTS)))  # which of the alternating pilots is next
        code = Signal(range(len(FRANK)))  # position in the preamble's code
        section = Signal(Section)
        opening = Signal()  # the section's symbol is a frame's first
        m.d.comb += self.busy.eq(section != Section.IDLE)

        ready_to_start = Signal()
        whole = (self.buffered >= self.row) | self.blank
        m.d.sync += ready_to_start.eq(self.run & ~self.hold & ~self.flush & whole)
        blanked = Signal()
        step = Signal()
        m.d.comb += step.eq(self.o.ready | ~self.o.valid)

        def enter(place: Any, length: Value) -> None:
            m.d.sync += [section.eq(place), left.eq(length - 1), last.eq(length == 1)]

        def start_frame() -> None:
            m.d.sync += section.eq(Section.IDLE)
            with m.If(ready_to_start):
                m.d.comb += self.started.eq(step)
                enter(Section.PREAMBLE, self.preamble)
                m.d.sync += [
                    row_left.eq(self.row - 1),
                    row_done.eq(0),
                    group.eq(0),
                    code.eq(0),
                    opening.eq(1),
                    blanked.eq(self.blank),
                    *(signal.eq(getattr(self, name)) for name, signal in taken.items()),
                ]

        def start_guard() -> None:
            enter(Section.GUARD, taken["guard"])

        def start_vacuum() -> None:
            with m.If(no_vacuum):
                start_guard()
            with m.Else():
                enter(Section.VACUUM, taken["vacuum"])

        def start_block() -> None:
            spacing = taken["pilot_spacing"]
            whole = no_pilots | cut
            m.d.sync += [
                section.eq(Section.ROW),
                left.eq(Mux(whole, row_left, spacing - 1)),
                last.eq(Mux(whole, final, spacing == 1)),
                row_done.eq(whole),
                row_left.eq(row_left - spacing),
            ]

        def start_pilots() -> None:
            enter(Section.PILOTS, taken["pilots"])

        with m.If(step):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1), code.eq(code + 1), opening.eq(0)]
            with m.Switch(section):
                with m.Case(Section.IDLE):
                    start_frame()
                with m.Case(Section.PREAMBLE), m.If(last):
                    with m.If(no_pilots):
                        start_block()
                    with m.Else():
                        start_pilots()
                with m.Case(Section.PILOTS):
                    m.d.sync += group.eq(group + 1)
                    with m.If(last):
                        with m.If(row_done):
                            start_vacuum()
                        with m.Else():
                            start_block()
                with m.Case(Section.ROW), m.If(last):
                    with m.If(no_pilots):
                        start_vacuum()
                    with m.Else():
                        start_pilots()
                with m.Case(Section.VACUUM), m.If(last):
                    start_guard()
                with m.Case(Section.GUARD), m.If(last):
                    start_frame()

        # The symbol of the section, registered at the output.
        half = 1 << (spec.symbol.fraction - 1)

        def reference(turns: tuple[int, ...], position: Signal) -> list[Value]:
            signs = diagonal(turns)
            levels = [Array(C(int(s) * half, layout["i"].shape) for s in row) for row in signs]
            return [levels[0][position], levels[1][position]]

        symbol = Signal(payloads.framed(spec))
        m.d.comb += symbol.first.eq(opening)
        with m.Switch(section):
            with m.Case(Section.PREAMBLE):
                i, q = reference(FRANK, code)
                m.d.comb += [symbol.i.eq(i), symbol.q.eq(q), symbol.reference.eq(1)]
            with m.Case(Section.PILOTS):
                i, q = reference(PILOTS, group)
                m.d.comb += [symbol.i.eq(i), symbol.q.eq(q), symbol.reference.eq(1)]
            with m.Case(Section.ROW):
                with m.If(~blanked):
                    m.d.comb += [symbol.i.eq(head.i), symbol.q.eq(head.q)]
                m.d.comb += take.eq(step & ~blanked)
        m.d.comb += [self.taken.eq(take), self.symbol.eq(head)]
        sent = Signal(payloads.framed(spec), reset_less=True)
        m.d.comb += self.o.payload.eq(sent)
        with m.If(step):
            m.d.sync += [self.o.valid.eq(1), sent.eq(symbol)]
        return m
