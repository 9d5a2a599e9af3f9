"""The transmitter: the drive, and the sequencer, which alone decides when light may leave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.drive.chain import Drive
from shotveil.gateware.node.sequencer import Sequencer
from shotveil.gateware.node.trigger import Trigger
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.trigger import DELAY_BITS

# Ports of the drive that only the sequencer may set.
RULED = ("run", "hold", "blank", "flush", "arm")
GRANTED = ("arm", "start", "stop", "alive", "link_fault", "grant", "lead_in", "watchdog", "away",
           "returning", "state", "left", "rows", "frames", "fault")  # fmt: skip


class BatchTransmitter(wiring.Component):
    """Emits batches: no row beyond the grant, and nothing unless armed.

    * It has the streams, settings and status of `Drive`, except those that the sequencer sets; the
      ports of `Sequencer` for the host; and `trigger`, `triggered`, `trigger_delay` of `Trigger`.
    * `drop`: between batches, rows that wait are dropped. During a batch it does nothing, since the
      end of the batch drops them, when `ended` is high.
    * `hold`: while high, no frame starts. `on`: high during a batch, until its last code has left.
    * `sent`: high when a frame's first code leaves at `o`.
    * `table`: see `Drive`.
    """

    def __init__(self, spec: DriveSpec, table: bool = True):
        self._drive = Drive(spec, table)
        self._sequencer = Sequencer(drain=self._drive.latency + 8)
        drive = self._drive.signature.members
        sequencer = self._sequencer.signature.members
        super().__init__(
            {
                **{name: member for name, member in drive.items() if name not in RULED},
                **{name: sequencer[name] for name in GRANTED},
                "trigger": In(1),
                "triggered": In(1),
                "trigger_delay": In(DELAY_BITS),
                "drop": In(1),
                "hold": In(1),
                "on": Out(1),
                "ended": Out(1),
                "sent": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.drive = drive = self._drive
        m.submodules.sequencer = sequencer = self._sequencer
        m.submodules.trigger = trigger = Trigger()

        def share(part: Any, names: tuple[str, ...]) -> None:
            for name in names:
                member = part.signature.members[name]
                ours, theirs = getattr(self, name), getattr(part, name)
                if member.is_signature:
                    pair = (theirs, flipped(ours))
                    connect(m, *pair)
                else:
                    m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)

        share(drive, tuple(n for n in drive.signature.members if n not in RULED))
        share(sequencer, GRANTED)
        m.d.comb += [
            sequencer.clear.eq(self.clear),
            sequencer.tripped.eq(drive.tripped),
            sequencer.starved.eq(drive.starved_flag),
            sequencer.started.eq(drive.started),
            sequencer.busy.eq(drive.busy),
            drive.run.eq(sequencer.run),
            drive.blank.eq(sequencer.blank),
            drive.flush.eq(sequencer.flush | (self.drop & ~sequencer.arm_drive)),
            drive.arm.eq(sequencer.arm_drive),
            drive.hold.eq(self.hold | trigger.hold),
            trigger.trigger.eq(self.trigger),
            trigger.triggered.eq(self.triggered),
            trigger.delay.eq(self.trigger_delay),
            # Triggers from before the batch do not count in this batch.
            trigger.started.eq(drive.started | ~sequencer.run),
            self.on.eq(sequencer.arm_drive),
            self.ended.eq(sequencer.flush),
            self.sent.eq(drive.o.payload.first & drive.armed),
        ]
        return m
