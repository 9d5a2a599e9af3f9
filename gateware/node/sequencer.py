"""The sequencer: which frames start, and when emission ends. Model: `models.node.sequencer`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import require
from shotveil.models.node.sequencer import (
    COUNT_BITS,
    FAULTS,
    GRANT_BITS,
    LEAD_BITS,
    TICK_BITS,
    WATCHDOG_BITS,
    BatchPhase,
    SequencerState,
)


class Sequencer(wiring.Component):
    """Grants frames to the drive, one batch for each rise of `arm`.

    * `start`: begins a batch of `lead_in` blank frames and `grant` rows, if `arm` is high and was
      low since the last batch. `stop`, `arm` low, `link_fault`, `tripped`, `starved`, and
      `watchdog` ticks of 2^`tick_bits` clocks without `alive` halt it; `fault` keeps the causes
      until `clear`.
    * `run`, `blank`, `flush`, and `arm_drive` (for the drive's `arm`) go to the drive; `started`
      and `busy` come from it. A frame starts at least `models.node.sequencer.MARGIN` clocks after
      the one before.
    * `away`: frames are on their way back, or their rows are being summed. Behind its last frame a
      batch lasts until `away` is low; `returning` is high meanwhile.
    * `drain`: clocks from the end of `busy` until the drive has sent all of the frame.
    * `state`: the state for the host, as `models.node.sequencer.SequencerState`. `left`: rows that
      are granted but have not started. `rows`, `frames`: numbers that started since `clear`; they
      saturate.
    * All outputs are registers, or decoded from the phase alone.
    """

    def __init__(self, drain: int, tick_bits: int = TICK_BITS):
        require("drain", drain, at_least=1, at_most=4095, integer=True)
        self._drain = drain
        self._tick_bits = tick_bits
        pulses = ("start", "stop", "clear", "alive", "link_fault", "tripped", "starved",
                  "started", "busy", "away", "arm")  # fmt: skip
        super().__init__(
            {
                **dict.fromkeys(pulses, In(1)),
                "grant": In(GRANT_BITS),
                "lead_in": In(LEAD_BITS),
                "watchdog": In(WATCHDOG_BITS),
                **dict.fromkeys(("run", "blank", "arm_drive", "returning", "flush"), Out(1)),
                "state": Out(3),
                "left": Out(GRANT_BITS),
                "rows": Out(COUNT_BITS),
                "frames": Out(COUNT_BITS),
                "fault": Out(len(FAULTS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(3)
        on = phase == BatchPhase.ON
        fresh = Signal()
        lead = Signal(LEAD_BITS)
        halted = Signal()
        timer = Signal(range(self._drain + 1))
        expired = Signal()
        causes = Signal(len(FAULTS))
        halt = Signal()
        m.d.comb += [
            causes.eq(
                Mux(
                    on,
                    Cat(
                        self.tripped, expired, self.link_fault, self.starved, self.stop | ~self.arm
                    ),
                    0,
                )
            ),
            halt.eq(causes.any()),
            self.returning.eq(phase == BatchPhase.RETURNING),
        ]

        # The grant: what is proved needs these few lines alone.
        counts = Signal()
        begins = Signal()
        m.d.comb += [
            counts.eq(lead.any() | self.left.any()),
            begins.eq((phase == BatchPhase.OFF) & self.start & self.arm & fresh),
        ]
        m.d.sync += [self.run.eq(on & counts & ~halt), self.blank.eq(lead.any())]
        # `left` changes long before the next frame starts, so a value that is one clock old is
        # still true, and it shortens the path.
        more = Signal()
        m.d.sync += more.eq(self.left.any())
        with m.If(begins):
            m.d.sync += [self.left.eq(self.grant), lead.eq(self.lead_in)]
        with m.Elif(self.started):
            with m.If(self.blank):
                m.d.sync += lead.eq(lead - 1)
            with m.Elif(more):
                m.d.sync += self.left.eq(self.left - 1)

        ends, over = Signal(), Signal()
        m.d.comb += [
            ends.eq((phase == BatchPhase.ENDING) & (timer == self._drain)),
            over.eq(phase.matches(BatchPhase.RETURNING, BatchPhase.DONE, BatchPhase.STOPPED)),
        ]
        m.d.sync += [
            self.flush.eq(ends | (over & self.arm)),
            fresh.eq(~self.arm | ((phase == BatchPhase.OFF) & fresh)),
            timer.eq(timer + 1),
        ]
        with m.If(self.busy | self.started | (phase != BatchPhase.ENDING)):
            m.d.sync += timer.eq(0)
        with m.Switch(phase):
            with m.Case(BatchPhase.OFF), m.If(begins):
                m.d.sync += [phase.eq(BatchPhase.ON), halted.eq(0), self.arm_drive.eq(1)]
            with m.Case(BatchPhase.ON):
                with m.If(halt):
                    m.d.sync += halted.eq(1)
                with m.If(halt | ~counts):
                    m.d.sync += phase.eq(BatchPhase.ENDING)
            with m.Case(BatchPhase.ENDING), m.If(ends):
                m.d.sync += [phase.eq(BatchPhase.RETURNING), self.arm_drive.eq(0)]
            with m.Case(BatchPhase.RETURNING), m.If(~self.away):
                m.d.sync += phase.eq(Mux(halted, BatchPhase.STOPPED, BatchPhase.DONE))
            with m.Case(BatchPhase.DONE, BatchPhase.STOPPED), m.If(~self.arm):
                m.d.sync += phase.eq(BatchPhase.OFF)

        tick = Signal(self._tick_bits)
        ticks = Signal(WATCHDOG_BITS, init=1)
        m.d.comb += expired.eq(ticks == 0)
        with m.If(self.alive | ~on):
            m.d.sync += [tick.eq(0), ticks.eq(self.watchdog)]
        with m.Else():
            m.d.sync += tick.eq(tick + 1)
            with m.If(tick.all()):
                m.d.sync += ticks.eq(ticks - 1)

        for count, event in ((self.frames, self.started), (self.rows, self.started & ~self.blank)):
            full, late = Signal(), Signal()  # where frames start is far from where they are counted
            m.d.sync += [full.eq(count.all() & ~self.clear), late.eq(event & ~self.clear)]
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(late & ~full):
                m.d.sync += count.eq(count + 1)
        m.d.sync += self.fault.eq(Mux(self.clear, 0, self.fault | causes))

        waiting = Signal()
        m.d.sync += waiting.eq(~self.busy)
        with m.Switch(phase):
            with m.Case(BatchPhase.OFF):
                m.d.comb += self.state.eq(SequencerState.IDLE)
            with m.Case(BatchPhase.RETURNING):
                m.d.comb += self.state.eq(SequencerState.RETURNING)
            with m.Case(BatchPhase.DONE):
                m.d.comb += self.state.eq(SequencerState.DONE)
            with m.Case(BatchPhase.STOPPED):
                m.d.comb += self.state.eq(SequencerState.STOPPED)
            with m.Default():
                m.d.comb += self.state.eq(
                    Mux(self.blank, SequencerState.LEAD_IN, SequencerState.PLAYING)
                )
                with m.If(waiting & on):
                    m.d.comb += self.state.eq(SequencerState.WAITING)
        return m
