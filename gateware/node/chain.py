"""The whole node: host link, registers, sequencer, drive, receiver. Model: `models.node.chain`."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, ResetInserter, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.digitiser import payloads as digitiser_payloads
from shotveil.gateware.digitiser.chain import Receiver
from shotveil.gateware.drive import payloads as drive_payloads
from shotveil.gateware.host_link.link import HostLink
from shotveil.gateware.node.capture import Capture
from shotveil.gateware.node.reading import Reading
from shotveil.gateware.node.register_bank import RegisterBank
from shotveil.gateware.node.replay import Replay
from shotveil.gateware.node.row_memory import BlockMemory
from shotveil.gateware.node.row_store import RowStore
from shotveil.gateware.node.transmitter import BatchTransmitter
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.gateware.primitives.stage import Stage
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.ports import ReadPort, WritePort, write_ports
from shotveil.models.node.register_map import register_map
from shotveil.models.node.row_store import SLOTS
from shotveil.models.node.spec import NodeSpec

SETTLE = 128  # clocks without input that empty all registers that have no reset
ALWAYS = 4096  # the room that a port reports if it takes all words
SUM_FIFO = 512  # sums that wait for the host


class NodeCore(wiring.Component):
    """One party's board. The host sees it through the registers and ports of the host link.

    * `link`: bytes from and to the host, one per clock. `codes`: DAC codes, always valid. `adc`:
      one word per clock. `shifter` (client only): code of the phase shifter, which is held.
    * `trigger` is asynchronous, see `Trigger`. `frame` is high when a frame's first code leaves.
      `emitting` is high while the output is on.
    * A server compares the returned light with what it sent. A client has a homodyne receiver for
      frames that it did not send.
    * A batch is over when its last row is back and summed, or late; settings stay until then, and a
      restart waits for it. So nothing of a batch is left in the receiver when the next begins.
    * `restart` stops a running batch, then holds the receiver in reset while its sums are cleared.
      The receiver loses its earlier samples. No frame starts for `restart_clocks`.
    * With `spec.store`, rows that stay lie in `memory`, whose `port` is a `RowMemory`; without one,
      in block RAM beside the drive. See `RowStore`. Such a node has no table of angles, which would
      take as much block RAM as a row of the greatest length.
    * With `spec.loopback`, `adc` is not used; the receiver gets `codes` one clock later instead.
    """

    def __init__(self, spec: NodeSpec, memory: wiring.Component | None = None):
        self.spec = spec
        self._memory = memory
        self.map = register_map(spec)
        self.server = spec.role == "server"
        self._receiver = Receiver(spec.digitiser, always_valid=True)
        codes = stream.Signature(
            drive_payloads.code(spec.drive), always_valid=True, always_ready=True
        )
        adc = stream.Signature(
            digitiser_payloads.codes(spec.digitiser), always_valid=True, always_ready=True
        )
        byte = stream.Signature(8)
        super().__init__(
            {
                "link": Out(wiring.Signature({"i": In(byte), "o": Out(byte)})),
                "codes": Out(codes),
                "adc": In(adc),
                "trigger": In(1),
                "frame": Out(1),
                "emitting": Out(1),
                **({} if self.server else {"shifter": Out(14)}),
            }
        )

    @property
    def restart_clocks(self) -> int:
        """Clocks from the start of a restart until the whole receiver works again."""
        return self._wipe_clocks + self._receiver.reach + 1

    @property
    def _wipe_clocks(self) -> int:
        return max(4 * self.spec.digitiser.modes, SETTLE)

    def elaborate(self, platform: object) -> Module:
        spec = self.spec
        m = Module()
        m.submodules.link = link = HostLink(len(write_ports(spec)), len(ReadPort), spec.window)
        m.submodules.bank = bank = RegisterBank(self.map)
        m.submodules.transmitter = transmitter = BatchTransmitter(spec.drive, table=not spec.store)
        m.submodules.receiver = receiver = self._receiver
        m.submodules.capture = capture = Capture(spec)
        replay = Replay(spec) if self.server else None
        store = RowStore(spec) if spec.store else None
        connect(m, flipped(self.link.i), link.i)
        connect(m, link.o, flipped(self.link.o))
        connect(m, link.bus, bank.bus)
        settings, strobes, status = bank.settings, bank.strobes, bank.status

        # Restart: the light goes off, then the receiver is reset. It goes by a register of its own,
        # and its parts are done with that later, while everything else still waits.
        wanted, resetting = Signal(), Signal()
        batch = transmitter.on | transmitter.returning
        left = Signal(range(self.restart_clocks))
        with m.If(strobes["restart"]):
            m.d.sync += wanted.eq(1)
        with m.Elif(resetting & (left == 0)):
            m.d.sync += resetting.eq(0)
        with m.Elif(wanted & ~resetting & ~batch):
            m.d.sync += [wanted.eq(0), resetting.eq(1), left.eq(self.restart_clocks - 1)]
        with m.If(resetting & (left != 0)):
            m.d.sync += left.eq(left - 1)
        wipe = Signal()
        m.d.sync += wipe.eq(resetting & (left >= self.restart_clocks - self._wipe_clocks))
        m.d.comb += receiver.wipe.eq(wipe)

        # The converters.
        codes = transmitter.o.payload
        heard = Signal(self.adc.payload.shape(), reset_less=True)
        m.d.comb += [
            self.codes.payload.eq(codes),
            self.frame.eq(transmitter.sent),
            self.emitting.eq(transmitter.armed),
        ]
        for axis, arm in zip(digitiser_payloads.axes(spec.digitiser), "iq", strict=False):
            m.d.sync += heard[axis].eq(self._looped(codes[arm]) if spec.loopback else
                                       self.adc.payload[axis])  # fmt: skip
            m.d.comb += receiver.i.payload[axis].eq(heard[axis])

        # Settings and status by their names.
        def wire(prefix: str, part: Any) -> None:
            for name, member in part.signature.members.items():
                key = f"{prefix}_{name}"
                if member.is_port and member.flow is In and key in settings:
                    m.d.comb += getattr(part, name).eq(settings[key])
                elif member.is_port and member.flow is Out and key in status:
                    m.d.comb += status[key].eq(getattr(part, name))

        # Settings stay as they are while light may leave, and until it is back.
        held = Signal()
        m.d.sync += [
            bank.locked.eq(batch),
            held.eq((held | bank.held) & ~strobes["clear"]),
        ]
        m.d.comb += status["settings_held"].eq(held)

        wire("drive", transmitter)
        wire("digitiser", receiver)
        for name in (n for n in status if n.startswith("link_")):
            m.d.comb += status[name].eq(getattr(link, name))
        # The parts are far from each other, so `clear` goes from one to the next through registers.
        cleared: list[Any] = [link, transmitter, receiver, *(p for p in (replay, store) if p)]
        clear = Signal(len(cleared))
        m.d.sync += clear.eq(Cat(strobes["clear"], clear))
        m.d.comb += [part.clear.eq(clear[n]) for n, part in enumerate(cleared)]

        # The sequencer, and the conditions that hold frames back.
        alive, lost = Signal(), Signal()
        m.d.sync += [alive.eq(link.alive), lost.eq(link.fault)]
        # Rows that wait belong to the host that sent them, and only to its next batch. A load of
        # taps belongs to one host too.
        was_armed, drop, rewind, partial = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            was_armed.eq(settings["arm"]),
            drop.eq(lost | strobes["restart"] | (was_armed & ~settings["arm"])),
            rewind.eq(lost | strobes["rewind"]),
            partial.eq(transmitter.partial | receiver.partial),
        ]
        m.d.comb += [
            transmitter.drop.eq(drop),
            transmitter.rewind.eq(rewind),
            receiver.rewind.eq(rewind),
            status["tables_partial"].eq(partial),
        ]
        start: Value = strobes["start"] & ~partial
        stop: Value = strobes["stop"] | strobes["restart"]
        if store:
            m.submodules.store = store
            memory: Any = self._memory or BlockMemory(spec)
            m.submodules.store_memory = memory
            connect(m, store.memory, memory.port)
            wire("store", store)
            start, stop = start & ~store.broken, stop | store.broken
            forgotten = Signal()
            m.d.comb += [
                store.row.eq(settings["drive_row"]),
                store.rewind.eq(strobes["store_rewind"]),
                # In the clock in which the row buffer is emptied, so that no row is cut in two.
                store.flush.eq(drop | transmitter.ended),
                store.forget.eq(forgotten),
            ]
            m.d.sync += forgotten.eq(lost)
        m.d.comb += [
            *(
                getattr(transmitter, name).eq(settings[name])
                for name in ("arm", "grant", "lead_in", "watchdog", "triggered", "trigger_delay")
            ),
            transmitter.start.eq(start),
            transmitter.stop.eq(stop),
            transmitter.alive.eq(alive),
            transmitter.link_fault.eq(lost),
            transmitter.clear_angles.eq(strobes["clear_angles"]),
            transmitter.trigger.eq(self.trigger),
            status["state"].eq(transmitter.state),
            status["rows_granted_left"].eq(transmitter.left),
            status["rows_sent"].eq(transmitter.rows),
            status["frames_sent"].eq(transmitter.frames),
            status["fault"].eq(transmitter.fault),
        ]
        room = C(1)
        if replay:
            m.submodules.replay = replay
            room = replay.room
            before, sent = Signal(), Signal()
            m.d.sync += [before.eq(transmitter.on), sent.eq(transmitter.sent)]
            m.d.comb += [
                replay.begin.eq(transmitter.on & ~before),
                replay.lead_in.eq(settings["lead_in"]),
                replay.row.eq(settings["drive_row"]),
                replay.period.eq(settings["digitiser_period"]),
                replay.loop_delay.eq(settings["loop_delay"]),
                replay.taken.eq(transmitter.taken),
                replay.symbol.eq(transmitter.symbol),
                replay.sent.eq(sent),
                replay.received.eq(receiver.started),
                receiver.skip.eq(replay.skip),
                transmitter.away.eq(replay.away),
                status["frames_matched"].eq(replay.matched),
                status["frames_missed"].eq(replay.missed),
            ]
            connect(m, replay.q, receiver.q)
        else:
            # A client does not know what the server sent, so q is all zeros.
            m.d.comb += receiver.q.valid.eq(1)
            code = receiver.dac
            with m.If(resetting):
                m.d.sync += self.shifter.eq(0)
            with m.Elif(code.valid):
                m.d.sync += self.shifter.eq(code.payload)
        hold = Signal()
        m.d.sync += hold.eq(~room | wanted | resetting)
        m.d.comb += transmitter.hold.eq(hold)

        # A request during a restart is carried out after it.
        snapshot, asked, loading, pending = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            pending.eq(receiver.pending),
            asked.eq(strobes["snapshot"] | (asked & (wanted | resetting))),
            loading.eq(strobes["load_offset"] | (loading & (wanted | resetting))),
        ]
        with m.If(resetting):
            m.d.sync += snapshot.eq(0)
        with m.Elif(asked & ~wanted & ~pending):  # once more is the same request
            m.d.sync += snapshot.eq(~snapshot)
        m.d.comb += [
            receiver.snapshot.eq(snapshot),
            receiver.load.eq(loading & ~(wanted | resetting)),
            capture.i.eq(heard),
            capture.start.eq(strobes["capture"]),
            capture.on_frame.eq(settings["capture_on_frame"]),
            capture.frame.eq(transmitter.sent),
        ]
        busy = wanted | resetting
        plays = settings["store_play"] if store else None
        self._write_ports(
            m, link, transmitter, receiver, store, settings["drive_angle"], plays, busy, drop
        )
        # A restart drops words. Hide them from requests that follow it, or the link would wait for
        # them for ever.
        hide = strobes["restart"] | wanted | resetting
        self._read_ports(m, link, receiver, capture, resetting, hide, strobes["capture"])
        return m

    def _looped(self, code: Value) -> Value:
        """A DAC code as an ADC word; if the DAC has more bits, the lowest are dropped."""
        finer = self.spec.digitiser.adc_bits - self.spec.drive.dac_bits
        return code << finer if finer >= 0 else code >> -finer

    def _write_ports(
        self,
        m: Module,
        link: Any,
        transmitter: Any,
        receiver: Any,
        store: RowStore | None,
        angle: Value,
        plays: Value | None,
        busy: Value,
        drop: Value,
    ) -> None:
        capacity = self.spec.drive.row_capacity
        rows = transmitter.i
        symbols = {WritePort.ROWS: rows, WritePort.ANGLES: transmitter.angles}
        taps = {WritePort.PULSE: transmitter.coefficients, WritePort.FILTER: receiver.coefficients}
        rooms = {
            WritePort.ROWS: Mux(angle, 0, capacity - transmitter.buffered),
            WritePort.ANGLES: Mux(transmitter.on, 0, capacity - transmitter.angles_loaded),
            WritePort.PULSE: Mux(transmitter.on, 0, ALWAYS),
            WritePort.FILTER: Mux(busy, 0, ALWAYS),
        }
        dropped = {WritePort.ROWS}
        if store is not None:
            rooms[WritePort.ANGLES] = C(0)
            assert plays is not None
            rows = self._stored_rows(m, transmitter.i, store, plays)
            symbols |= {WritePort.ROWS: rows, WritePort.STORE: store.i}
            taps[WritePort.SLOTS] = store.slots
            left = self.spec.store - store.loaded
            most = Mux(left >> (ALWAYS.bit_length() - 1) != 0, ALWAYS, left)
            rooms[WritePort.ROWS] = Mux(plays, 0, rooms[WritePort.ROWS])
            rooms[WritePort.STORE] = Mux(transmitter.on, 0, most)
            rooms[WritePort.SLOTS] = SLOTS - store.waiting
            dropped |= {WritePort.STORE, WritePort.SLOTS}
        for port in write_ports(self.spec):
            source = getattr(link, f"write_{port.value}")
            sink = symbols[port] if port in symbols else taps[port]
            m.d.sync += getattr(link, f"room_{port.value}").eq(rooms[port])
            # A sink's `ready` is too far away for the link to react to it in one clock. A stage is
            # fast enough, because a word takes four clocks on the line.
            bits = len(Value.cast(sink.payload))
            stage = Stage(bits)
            m.submodules[f"{port.name.lower()}_stage"] = (
                ResetInserter(drop)(stage) if port in dropped else stage
            )
            m.d.comb += [
                stage.i.valid.eq(source.valid),
                stage.i.payload.eq(source.payload),
                source.ready.eq(stage.i.ready),
                sink.valid.eq(stage.o.valid),
                stage.o.ready.eq(sink.ready),
            ]
            if port in symbols:
                m.d.comb += [
                    sink.payload.i.eq(stage.o.payload[:16]),
                    sink.payload.q.eq(stage.o.payload[16:]),
                ]
            else:
                m.d.comb += sink.payload.eq(stage.o.payload)

    def _stored_rows(self, m: Module, sink: Any, store: RowStore, plays: Value) -> Any:
        """Let rows come from the store while `plays` is high; return where the host's go else."""
        host = stream.Signature(sink.payload.shape()).create()
        m.d.comb += [
            sink.payload.eq(Mux(plays, store.o.payload.as_value(), host.payload.as_value())),
            sink.valid.eq(Mux(plays, store.o.valid, host.valid)),
            store.o.ready.eq(sink.ready & plays),
            host.ready.eq(sink.ready & ~plays),
        ]
        return host

    def _read_ports(
        self,
        m: Module,
        link: Any,
        receiver: Any,
        capture: Any,
        resetting: Value,
        hide: Value,
        begin: Value,
    ) -> None:
        words = self.spec.digitiser.words * 16
        reset: Value = resetting
        for port in ReadPort:
            sink = getattr(link, f"read_{port.value}")
            available = getattr(link, f"available_{port.value}")
            if port is ReadPort.CAPTURE:
                stage = Stage(WORD)
                m.submodules.capture_words = ResetInserter(begin)(stage)
                connect(m, capture.o, stage.i)
                connect(m, stage.o, sink)
                m.d.sync += available.eq(capture.available + stage.o.valid)
                continue
            # As in the receiver: one register for all would have too far to go.
            before, reset = reset, Signal(name=f"reset_{port.name.lower()}", reset_less=True)
            m.d.sync += reset.eq(before)
            source = getattr(receiver, port.name.lower())
            level: Any = getattr(receiver, f"{port.name.lower()}_level", None)
            depth = SUM_FIFO if level is None else 0
            if port is ReadPort.INFERENCE and not self.server:
                depth = self.spec.drive.row_capacity  # as many values as a layer has rows
            if depth:
                shape = source.payload.shape()
                fifo = DeepFifo(width=len(Value.cast(source.payload)), depth=depth)
                m.submodules[f"{port.name.lower()}_fifo"] = ResetInserter(reset)(fifo)
                m.d.comb += [fifo.w_data.eq(source.payload), source.ready.eq(fifo.w_rdy)]
                keep: Value = C(1)
                if port is ReadPort.FRAMES:
                    # Keep sums of whole frames only, so that a slow host delays no frame.
                    keep = self._whole(m, source, fifo, words, reset)
                m.d.comb += fifo.w_en.eq(source.valid & keep)
                source = stream.Signature(shape).create()
                m.d.comb += [
                    source.valid.eq(fifo.r_rdy),
                    Value.cast(source.payload).eq(fifo.r_data),
                    fifo.r_en.eq(source.ready),
                ]
                level = fifo.r_level
            entry = self._entry(port, source.payload)
            m.submodules[f"{port.name.lower()}_words"] = reading = ResetInserter(reset)(
                Reading(len(entry), len(level))
            )
            m.d.comb += [
                reading.i.payload.eq(entry),
                reading.i.valid.eq(source.valid),
                source.ready.eq(reading.i.ready),
                reading.level.eq(level),
                reading.hide.eq(hide),
                available.eq(reading.available),
            ]
            connect(m, reading.o, sink)

    def _whole(self, m: Module, source: Any, fifo: DeepFifo, words: int, reset: Value) -> Value:
        at, first = Signal(range(words)), Signal(init=1)
        room, kept = Signal(), Signal()
        m.d.sync += room.eq(fifo.w_level <= SUM_FIFO - words)
        m.d.comb += source.ready.eq(1)
        with m.If(source.valid):
            ended = at == words - 1
            m.d.sync += [at.eq(Mux(ended, 0, at + 1)), first.eq(ended)]
            with m.If(first):
                m.d.sync += kept.eq(room)
        with m.If(reset):
            m.d.sync += [at.eq(0), first.eq(1)]
        return Mux(first, room, kept)

    def _entry(self, port: ReadPort, payload: Any) -> Value:
        """The bits of an entry in the format of `models.node.ports`."""
        if port is ReadPort.INFERENCE:
            axes = digitiser_payloads.axes(self.spec.digitiser)
            return Cat(_flagged(payload[axis], payload.bad) for axis in axes)
        if port is ReadPort.PHASES:
            return _flagged(payload.angle, payload.bad)
        return Value.cast(payload)


def _flagged(value: Value, flag: Value) -> Value:
    """A signed number in bits 0–30, and a flag in bit 31."""
    return Cat((value + C(0, signed(31)))[:31], flag)
