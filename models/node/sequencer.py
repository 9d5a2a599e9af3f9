"""The sequencer: which frames start, and when emission ends. Model of `gateware.node.sequencer`.

The model works clock by clock, because the sequencer makes promises about time. A batch begins with
`start` if `arm` is high and has been low since the last batch; it then latches `grant` and
`lead_in`. The sequencer asks for frames until `lead_in` blank ones and `grant` others have started,
or until a fault or the host halts the batch. After the last frame the drive is disarmed, and the
rows left in the row buffer are dropped, and so are rows that still arrive until `arm` goes low. The
batch is over when its light is back, that is, when `away` is low: only then can the next one begin,
so no row is counted in a batch that did not send it.

`run` follows the count of frames by two clocks, and the drive follows `run` by one. A frame starts
at least `MARGIN` clocks after the one before, so no extra frame can start.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

GRANT_BITS = 24
LEAD_BITS = 16
COUNT_BITS = 32  # counters of frames and rows sent; they saturate
WATCHDOG_BITS = 16
TICK_BITS = 16  # a tick of the watchdog is 2^16 clocks
MARGIN = 7  # the least clocks from the start of a frame to that of the next: 4 + 1 + 2 symbols

FAULTS = ("tripped", "watchdog", "link", "starved", "stop")
TRIPPED, WATCHDOG, LINK, STARVED, STOP = (1 << k for k in range(len(FAULTS)))


class BatchPhase(enum.IntEnum):
    """The phase of a batch that the sequencer is in."""

    OFF = 0
    ON = 1
    ENDING = 2  # no further frame starts; the last one is still leaving
    RETURNING = 3  # all frames have left; some are not back yet
    DONE = 4
    STOPPED = 5


class SequencerState(enum.IntEnum):
    """The state of the sequencer as the host sees it."""

    IDLE = 0
    LEAD_IN = 1
    PLAYING = 2
    WAITING = 3  # the sequencer waits for a row or for the trigger
    DONE = 4
    STOPPED = 5
    RETURNING = 6  # the light is off; rows are on their way back, or are being summed


@dataclass(frozen=True)
class Inputs:
    """The sequencer's inputs in one clock; see `gateware.node.sequencer`."""

    arm: int = 0
    start: int = 0
    stop: int = 0
    clear: int = 0
    alive: int = 0
    link_fault: int = 0
    tripped: int = 0
    starved: int = 0
    started: int = 0
    busy: int = 0
    away: int = 0
    grant: int = 0
    lead_in: int = 0
    watchdog: int = 1


@dataclass(frozen=True)
class Outputs:
    """The sequencer's outputs in one clock."""

    run: int
    blank: int
    arm_drive: int
    returning: int
    flush: int
    state: int
    left: int
    rows: int
    frames: int
    fault: int


@dataclass
class SequencerModel:
    """Registers of the sequencer.

    The drive is disarmed `drain` clocks after the end of the last frame.
    """

    drain: int
    phase: BatchPhase = BatchPhase.OFF
    fresh: int = 0  # whether arm has been low since the last batch
    left: int = 0
    lead: int = 0
    run: int = 0
    blank: int = 0
    flush: int = 0
    halted: int = 0
    timer: int = 0
    tick: int = 0
    ticks: int = 0
    rows: int = 0
    frames: int = 0
    fault: int = 0
    waiting: int = 0

    def step(self, i: Inputs) -> Outputs:
        """Return the outputs in this clock, which depend on registers only, then update those."""
        out = Outputs(
            run=self.run,
            blank=self.blank,
            arm_drive=int(self.phase in (BatchPhase.ON, BatchPhase.ENDING)),
            returning=int(self.phase == BatchPhase.RETURNING),
            flush=self.flush,
            state=self._state(),
            left=self.left,
            rows=self.rows,
            frames=self.frames,
            fault=self.fault,
        )
        on = self.phase == BatchPhase.ON
        causes = 0
        if on:
            causes = (
                TRIPPED * i.tripped
                | WATCHDOG * (self.ticks == 0)
                | LINK * i.link_fault
                | STARVED * i.starved
                | STOP * (i.stop | (1 - i.arm))
            )
        counts = bool(self.lead or self.left)
        row = i.started and not self.lead
        begins = self.phase == BatchPhase.OFF and i.start and i.arm and self.fresh
        ends = self.phase == BatchPhase.ENDING and self.timer == self.drain
        halted = self.halted
        # Registers.
        if i.clear:
            self.rows = self.frames = self.fault = 0
        else:
            self.frames = min(self.frames + i.started, (1 << COUNT_BITS) - 1)
            self.rows = min(self.rows + bool(row), (1 << COUNT_BITS) - 1)
            self.fault |= causes
        self.waiting = int(not i.busy)
        self.run = int(on and counts and not causes)
        self.blank = int(self.lead != 0)
        over = self.phase in (BatchPhase.RETURNING, BatchPhase.DONE, BatchPhase.STOPPED)
        self.flush = int(ends or (over and bool(i.arm)))
        if i.alive or not on:
            self.tick, self.ticks = 0, i.watchdog
        else:
            if self.tick == (1 << TICK_BITS) - 1:
                self.ticks = (self.ticks - 1) % (1 << WATCHDOG_BITS)
            self.tick = (self.tick + 1) % (1 << TICK_BITS)
        self.timer = 0 if i.busy or i.started or self.phase != BatchPhase.ENDING else self.timer + 1
        if begins:
            self.left, self.lead = i.grant, i.lead_in
        elif i.started:
            if self.lead:
                self.lead -= 1
            elif self.left:
                self.left -= 1
        self.fresh = (
            int(not i.arm) if self.phase != BatchPhase.OFF else int(self.fresh or not i.arm)
        )
        if begins:
            self.phase, self.halted = BatchPhase.ON, 0
        elif on:
            if causes:
                self.halted = 1
            if causes or not counts:
                self.phase = BatchPhase.ENDING
        elif ends:
            self.phase = BatchPhase.RETURNING
        elif self.phase == BatchPhase.RETURNING and not i.away:
            self.phase = BatchPhase.STOPPED if halted else BatchPhase.DONE
        elif self.phase in (BatchPhase.DONE, BatchPhase.STOPPED) and not i.arm:
            self.phase = BatchPhase.OFF
        return out

    def _state(self) -> SequencerState:
        if self.phase not in (BatchPhase.ON, BatchPhase.ENDING):
            return {
                BatchPhase.OFF: SequencerState.IDLE,
                BatchPhase.RETURNING: SequencerState.RETURNING,
                BatchPhase.DONE: SequencerState.DONE,
                BatchPhase.STOPPED: SequencerState.STOPPED,
            }[self.phase]
        if self.waiting and self.phase == BatchPhase.ON:
            return SequencerState.WAITING
        return SequencerState.LEAD_IN if self.blank else SequencerState.PLAYING
