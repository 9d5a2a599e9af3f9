"""A node made of the bit-true integer models, for a host without a board and without a compiler.

The models work by frames, not by clock cycles. The node does nothing by itself: whenever it is
asked for something, it first does all that is due by then. So rows always arrive in time and the
watchdog never fires. In all other respects it answers as the gateware does, to the bit. Settings
read back as they were staged, whatever they are. If the register map has a status or a strobe that
is not modelled, the constructor refuses it.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.host.devices.device import (
    COMMIT,
    Device,
    DeviceError,
    Words,
    as_words,
    spec_of_role,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.drive import chain as drive
from shotveil.models.drive.spec import DriveRegisters
from shotveil.models.node import capture, chain
from shotveil.models.node.chain import Loopback, Plant
from shotveil.models.node.ports import ReadPort, WritePort, write_ports
from shotveil.models.node.register import Access, Register
from shotveil.models.node.register_map import LINK, STATES
from shotveil.models.node.row_store import SLOTS, RowStoreModel
from shotveil.models.node.sequencer import FAULTS
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout

ON = ("lead-in", "playing", "waiting")
# Status registers that are always 0 when a host can read them: frames take no time, rows arrive in
# time, all output of the receiver is kept, and after each batch it has lost the frames and phase.
NEVER = (
    "drive_busy",
    "drive_starved",
    "drive_starved_flag",
    "digitiser_locked",
    "digitiser_steady",
    "digitiser_backlog",
    "digitiser_late",
    "digitiser_symbols_lost",
    "digitiser_inference_lost",
    "digitiser_phases_lost",
)


@dataclass(frozen=True)
class _Sent:
    """A frame that was sent.

    start: Its first sample.
    row: Its row, shape (2, row); None in the lead-in.
    """

    start: int
    row: IntArray | None


class ModelDevice(Device):
    """A node of `spec`, with `plant` between its DAC and its ADC; None makes a loopback.

    Raises `DeviceError`, which names the registers, if the map has some that are not modelled.
    """

    def __init__(self, spec: NodeSpec, plant: Plant | None = None, name: str | None = None):
        super().__init__(spec, name or f"model:{spec.role}")
        self._plant = plant or Loopback(spec)
        self._staged = {n: r.reset for n, r in self.map.of(Access.SETTING).items()}
        self._set = dict(self._staged)
        self._rows: deque[tuple[int, int]] = deque()
        # A node without a store has no registers and ports that could reach it.
        self._store = RowStoreModel(max(spec.store, 1))
        self._table: list[tuple[int, int]] = []
        self._loading: dict[WritePort, list[int]] = {WritePort.PULSE: [], WritePort.FILTER: []}
        self._pulse = spec.drive.pulse()
        self._filter: IntArray | None = None
        self._waiting: dict[ReadPort, deque[int]] = {port: deque() for port in ReadPort}
        self._state = "idle"
        self._faults: set[str] = set()
        self._disarmed = False  # after a stop, until `arm` was set to 0
        self._changed = False  # whether a setting waits for `commit` that is not live
        self._held = False  # whether such a setting was to change during a batch
        self._partial: set[WritePort] = set()  # tables of which only some taps were replaced
        self._granted = self._lead_in = 0
        self._place = 0  # position in the table of angles
        self._edges = 0  # edges at the trigger input that started no frame yet
        self._offset: tuple[int, ...] | None = None
        self._wants_frame = False  # whether a raw record begins with the next frame
        self._record_from: int | None = None
        self._counts = dict.fromkeys(("rows_sent", "frames_sent"), 0)
        self._events = dict.fromkeys(("clipped", "refused", "saturated"), 0)
        self._status = self._answers()
        self._require_answers()
        self._forget()

    def _forget(self) -> None:
        """Bring the receiver to its state after reset; all that it received is forgotten."""
        spec = self.spec.digitiser
        self._samples = 0
        self._words: list[IntArray] = []
        self._sent: list[_Sent] = []
        for port in set(ReadPort) - {ReadPort.CAPTURE}:
            self._waiting[port].clear()
        self._given = dict.fromkeys(ReadPort, 0)
        self._offset = None
        self._read_session: IntArray = np.zeros((spec.words, 16), np.int64)
        self._read_modes: IntArray = np.zeros((spec.modes, 4), np.int64)
        self._known: tuple[int, chain.Heard] | None = None

    # Registers

    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        for register, raw in values:
            if register.access is Access.SETTING:
                self._staged[register.name] = raw
                self._changed |= not register.live
            elif register.name == COMMIT:
                self._advance()
                armed = self._set["arm"]
                self._commit()
                self._disarmed &= bool(self._set["arm"])
                if not self._set["arm"]:
                    if self._state in ON:
                        self._faults.add("stop")
                        self._end("stopped")
                    self._state = "idle"
                    if armed:
                        self._drop_rows()
            else:
                getattr(self, f"_do_{register.name}")()

    def _commit(self) -> None:
        """Put the staged settings into effect; during a batch only the live ones."""
        if self._state in ON:
            self._held |= self._changed
            live = (n for n, r in self.map.of(Access.SETTING).items() if r.live)
            self._set |= {name: self._staged[name] for name in live}
            return
        self._set = dict(self._staged)
        self._changed = False

    def _read(self, registers: Sequence[Register]) -> list[int]:
        self._advance()
        constants = self.map.constants
        values = []
        for register in registers:
            name = register.name
            if register.access is Access.CONSTANT:
                values.append(constants[name])
            elif register.access is Access.SETTING:
                values.append(self._staged[name])
            else:
                values.append(self._status[name]())
        return values

    def _answers(self) -> dict[str, Callable[[], int]]:
        """Return a function for each modelled status register that gives its value, by name."""
        answers: dict[str, Callable[[], int]] = {
            "state": lambda: STATES.index(self._state),
            "rows_granted_left": lambda: self._granted,
            "rows_sent": lambda: self._counts["rows_sent"],
            "frames_sent": lambda: self._counts["frames_sent"],
            "frames_matched": lambda: int(np.count_nonzero(self._heard().flights.belongs >= 0)),
            "frames_missed": lambda: self._heard().flights.missed,
            "fault": lambda: sum(1 << FAULTS.index(fault) for fault in self._faults),
            "settings_held": lambda: int(self._held),
            "tables_partial": lambda: int(bool(self._partial)),
            "drive_buffered": lambda: len(self._rows),
            "drive_armed": lambda: int(bool(self._set["arm"]) and not self._disarmed),
            "drive_tripped": lambda: int("tripped" in self._faults),
            "drive_angles_loaded": lambda: len(self._table),
            # After a batch the receiver waits for some more frames and then gives up the lock.
            "digitiser_loss": lambda: int(bool(self._heard().received.frames)),
            "digitiser_overrange": lambda: int(self._heard().received.overrange > 0),
            "digitiser_overrange_count": lambda: self._heard().received.overrange,
            "digitiser_theta": lambda: self._heard().received.theta,
        }
        for name in self._events:
            answers[f"drive_{name}"] = functools.partial(self._events.__getitem__, name)
            answers[f"drive_{name}_flag"] = functools.partial(self._happened, name)
        for k, axis in enumerate("xp"[: self.spec.digitiser.quadratures]):
            answers[f"digitiser_measured_{axis}"] = functools.partial(self._measured, k)
        if self.spec.store:
            answers |= {
                "store_loaded": lambda: self._store.loaded,
                "store_waiting": lambda: self._store.waiting,
                "store_refused": lambda: int(self._store.refused),
                "store_refused_slot": lambda: self._store.refused_slot,
                "store_unreadable": lambda: 0,  # the model's memory has a word everywhere
            }
        # There is no link to a model, so the link's registers stay at 0.
        quiet = [*NEVER, *(r.name for r in self.map if r.group == LINK)]
        return answers | dict.fromkeys(quiet, lambda: 0)

    def _require_answers(self) -> None:
        """Raise `DeviceError` for status registers and strobes of the map that are not modelled."""
        strobes = (n for n in self.map.of(Access.STROBE) if n != COMMIT)
        missing = [name for name in self.map.of(Access.STATUS) if name not in self._status]
        missing += [name for name in strobes if not hasattr(self, f"_do_{name}")]
        if missing:
            raise DeviceError(
                f"the model of a node does not know the registers {', '.join(missing)} of its map; "
                "allowed: those that host/devices/model.py says how to answer"
            )

    def _happened(self, event: str) -> int:
        return int(self._events[event] > 0)

    def _measured(self, quadrature: int) -> int:
        return self._heard().received.offset[quadrature]

    # Strobes

    def _do_start(self) -> None:
        refused = self._partial or self._store.broken
        if not self._set["arm"] or self._state != "idle" or refused:
            return
        self._granted, self._lead_in = self._set["grant"], self._set["lead_in"]
        self._place = 0
        self._state = "lead-in" if self._lead_in else "playing"
        self._advance()

    def _do_stop(self) -> None:
        self._advance()
        if self._state in ON:
            self._faults.add("stop")
            self._end("stopped")

    def _do_clear(self) -> None:
        self._faults.clear()
        self._store.clear()
        self._held = False
        for counters in (self._counts, self._events):
            counters.update(dict.fromkeys(counters, 0))

    def _do_restart(self) -> None:
        self._do_stop()
        self._drop_rows()
        self._loading[WritePort.FILTER].clear()
        self._finish_record()
        self._forget()

    def _drop_rows(self) -> None:
        self._rows.clear()
        self._store.drop()

    def _do_store_rewind(self) -> None:
        self._store.rewind(self._set["store_place"])

    def _do_rewind(self) -> None:
        for taps in self._loading.values():
            taps.clear()

    def _do_snapshot(self) -> None:
        self._advance()
        sums = self._heard().received.sums
        session = sums.session - self._read_session
        modes = sums.modes - self._read_modes
        self._read_session, self._read_modes = sums.session, sums.modes
        # The order is that of the sum banks: word by word, and in each word places before lanes.
        self._put(ReadPort.SESSION, _halves(session.reshape(-1, 4, 4).swapaxes(1, 2)))
        self._put(ReadPort.MODES, _halves(modes))

    def _do_capture(self) -> None:
        self._advance()
        self._waiting[ReadPort.CAPTURE].clear()
        self._wants_frame = bool(self._set["capture_on_frame"])
        self._record_from = None if self._wants_frame else self._samples

    def _finish_record(self) -> None:
        """Complete the raw record that is due, and put it into its port."""
        if self._record_from is None:
            return
        end = self._record_from + self.spec.capture
        self._idle(max(0, end - self._samples))
        words = np.concatenate(self._words, axis=1)
        self._put(ReadPort.CAPTURE, capture.model(words, 0, self.spec.capture, self._record_from))
        self._record_from = None

    def _do_clear_angles(self) -> None:
        self._table.clear()

    def _do_load_offset(self) -> None:
        axes = "xp"[: self.spec.digitiser.quadratures]
        self._offset = tuple(self._set[f"digitiser_offset_{axis}"] for axis in axes)

    # Streams

    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """Send words to a port. Raises `DeviceError` where rows, angles or slots do not fit.

        Raises `RangeError` for a port that the node does not have.
        """
        given = as_words(words)
        require("write port", int(port), below=len(write_ports(self.spec)))
        self._advance()
        if port in (WritePort.STORE, WritePort.SLOTS):
            self._require_room(len(given), port)
            if port is WritePort.STORE:
                self._store.load(given.tolist())
            elif self._state not in ("done", "stopped"):
                for slot in given.tolist():
                    self._store.queue(slot, self._set["drive_row"])
            self._advance()
            return
        pairs = _pairs(given.tolist())
        if port is WritePort.ROWS:
            self._require_room(len(pairs), port)
            if self._state not in ("done", "stopped"):  # then rows are dropped until `arm` is 0
                self._rows.extend(pairs)
        elif port is WritePort.ANGLES:
            self._require_room(len(pairs), port)
            self._table.extend(pairs)
        else:
            taps = self._loading[port]
            taps.extend(_signed(int(word), 32) for word in given)
            spec = self.spec
            size = (
                spec.drive.taps if port is WritePort.PULSE else spec.digitiser.coefficients().size
            )
            if len(given):
                self._partial.add(port)
            while len(taps) >= size:
                if len(taps) == size:
                    self._partial.discard(port)
                whole = np.array(taps[:size], dtype=np.int64)
                del taps[:size]
                if port is WritePort.PULSE:
                    self._pulse = whole
                else:
                    self._filter = whole.reshape(spec.digitiser.coefficients().shape)
        self._advance()

    def _require_room(self, more: int, port: WritePort) -> None:
        taken, most = self._level(port)
        if taken + more > most:
            raise DeviceError(
                f"write port {port.name} has no room for {more} words: it holds {taken} of {most}"
            )

    def _level(self, port: WritePort) -> tuple[int, int]:
        """Return how many words a port holds, and how many fit."""
        capacity = self.spec.drive.row_capacity
        if port is WritePort.STORE:  # rows are loaded between batches only
            loaded = self._store.loaded
            return loaded, loaded if self._state in ON else self.spec.store
        if port is WritePort.SLOTS:
            return self._store.waiting, SLOTS
        taken = {WritePort.ROWS: len(self._rows), WritePort.ANGLES: len(self._table)}
        # A node that keeps rows has no table of angles.
        none = port is WritePort.ANGLES and self.spec.store
        return taken.get(port, 0), 0 if none else capacity

    def room(self, port: WritePort) -> int:
        """Return how many words a port can take now."""
        self._advance()
        taken, most = self._level(port)
        return most - taken

    def receive(self, port: ReadPort, count: int) -> Words:
        """Take the words that wait at a port, at most `count`."""
        self._advance()
        self._give(port)
        queue = self._waiting[port]
        return np.array([queue.popleft() for _ in range(min(count, len(queue)))], dtype=np.uint32)

    def trigger(self, edges: int = 1) -> None:
        """Give `edges` ≥ 1 edges to the trigger input, each far enough from the one before.

        Raises `RangeError` for another number.
        """
        require("edges", edges, at_least=1, integer=True)
        if self._state in ON and self._set["triggered"]:
            self._edges += edges
            self._advance()

    def close(self) -> None:
        """Do nothing: a model has nothing to close."""

    def _put(self, port: ReadPort, values: npt.ArrayLike) -> None:
        self._waiting[port].extend(as_words(values).tolist())

    # Frames

    def _advance(self) -> None:
        """Send all frames that can be sent."""
        if self._state not in ON:
            return
        if self._store.broken:
            self._faults.add("stop")
            self._end("stopped")
            return
        registers = self._drive_registers()
        length = registers.layout.row
        if self._set.get("store_play"):
            while words := self._store.play(length):
                self._rows.extend(_pairs(words))
        more = self._granted
        if self._set["triggered"]:
            # Each edge lets one frame start, of the lead-in as well.
            more = max(0, min(more, self._edges - self._lead_in))
        if registers.angle:
            # The table of angles is repeated without end, whatever the length of a row.
            whole = more if self._table else 0
            places = self._place + np.arange(whole * length)
            table = np.array(self._table, dtype=np.int64).reshape(-1, 2)
            taken = table[places % max(len(table), 1)]
            self._place += len(places)
        else:
            whole = min(more, len(self._rows) // length)
            pairs = [self._rows.popleft() for _ in range(whole * length)]
            taken = np.array(pairs, dtype=np.int64)
        rows = list(taken.reshape(-1, length, 2).swapaxes(1, 2))
        lead_in = self._lead_in
        if self._set["triggered"]:
            lead_in = min(lead_in, self._edges)
            self._edges -= lead_in + whole
        quiet = np.zeros((2, length), dtype=np.int64)
        frames: list[IntArray | None] = [*([None] * lead_in), *rows]
        for frame in frames:
            out = drive.model(self.spec.drive, registers, [quiet if frame is None else frame])
            for name in self._events:
                self._events[name] += getattr(out, name)
            self._sent.append(_Sent(self._samples, frame))
            if self._wants_frame:
                self._wants_frame, self._record_from = False, self._samples
            self._through_plant(out.codes[0])
            self._counts["frames_sent"] += 1
            if frame is None:
                self._lead_in -= 1
            else:
                self._granted -= 1
                self._counts["rows_sent"] += 1
            if out.tripped:
                self._faults.add("tripped")
                self._end("stopped")
                return
        if self._granted == self._lead_in == 0:
            self._end("done")
        else:
            self._state = "waiting"

    def _end(self, state: str) -> None:
        """End the batch: drop the rows that were not sent, and receive the last frames."""
        self._state = state
        self._drop_rows()
        self._disarmed = state == "stopped"
        # After the last light came back, the receiver waits for more frames until it gives up.
        period = self._set["digitiser_period"]
        self._idle(self._set["loop_delay"] + self.spec.digitiser.delay + (PATIENCE + 4) * period)

    def _idle(self, samples: int) -> None:
        """Send nothing for some samples."""
        registers = self._drive_registers()
        rest = drive.model(
            self.spec.drive, registers, np.zeros((1, 2, registers.layout.row), np.int64)
        ).codes[0, :, -1:]
        off = not self._set["arm"] or self._disarmed
        self._through_plant(np.zeros((2, samples), np.int64) if off else rest.repeat(samples, 1))

    def _through_plant(self, codes: IntArray) -> None:
        words = np.asarray(self._plant(codes), dtype=np.int64)
        due = (self.spec.digitiser.quadratures, codes.shape[1])
        if words.shape != due:
            raise RangeError(f"the plant gave ADC words of shape {words.shape}; allowed: {due}")
        self._words.append(words)
        self._samples += codes.shape[1]

    def _drive_registers(self) -> DriveRegisters:
        ports = {name.removeprefix("drive_"): value for name, value in self._set.items()}
        if self.spec.store:
            ports["angle"] = 0  # there is no table to play from
        return DriveRegisters.of_ports(ports, self._pulse)

    def _setup(self) -> chain.NodeSetup:
        """Return the current settings in the form that the models take."""

        def of(name: str) -> int:
            return self._set[f"digitiser_{name}"]

        spec = self.spec.digitiser
        row, pilots, spacing, vacuum = (of(n) for n in ("row", "pilots", "spacing", "vacuum"))
        bare = FrameLayout(PREAMBLE, row, pilots, spacing, vacuum, guard=2)
        guard = of("period") // spec.samples_per_symbol - bare.length + 2
        plain = ("offset_binary", "minimum", "free_run", "record", "timing_shift", "offset_shift",
                 "phase_shift", "pilot", "mode", "mode_shift")  # fmt: skip
        loop = ("ki", "kp", "setpoint", "window", "span") if spec.quadratures == 1 else ()
        return chain.NodeSetup(
            drive=self._drive_registers(),
            digitiser=DigitiserSettings(
                layout=FrameLayout(PREAMBLE, row, pilots, spacing, vacuum, guard),
                scale=(of("scale_x"), of("scale_p" if spec.quadratures == 2 else "scale_x")),
                **{name: of(name) for name in plain},
                samples_per_symbol=spec.samples_per_symbol,
            ),
            loop=PhaseLockSettings(**{name: of(name) for name in loop}),
            loop_delay=self._set["loop_delay"],
            lead_in=sum(sent.row is None for sent in self._sent),
            offset=self._offset,
            taps=self._filter,
        )

    def _heard(self) -> chain.Heard:
        """Return the receiver's output for all samples since its restart."""
        if self._known is None or self._known[0] != self._samples:
            quiet = np.zeros((self.spec.digitiser.quadratures, 0), np.int64)
            rows = [sent.row for sent in self._sent if sent.row is not None]
            row = self._set["drive_row"]
            heard = chain.hear(
                self.spec,
                self._setup(),
                np.concatenate([quiet, *self._words], axis=1),
                np.array(rows, np.int64).reshape(-1, 2, row),
                [sent.start for sent in self._sent] if self.spec.role == "server" else [],
            )
            self._known = (self._samples, heard)
        return self._known[1]

    def _give(self, port: ReadPort) -> None:
        """Put the new output of the receiver into a port that streams."""
        if port is ReadPort.CAPTURE:
            self._finish_record()
        if not self._sent or port in (ReadPort.SESSION, ReadPort.MODES, ReadPort.CAPTURE):
            return
        heard = self._heard()
        got = heard.received
        if port is ReadPort.INFERENCE:
            values = heard.inference.T
            words = _marked(values.ravel(), np.repeat(heard.bad, values.shape[1]))
        elif port is ReadPort.PHASES:
            words = _marked(got.phases.angle, got.phases.bad)
        elif port is ReadPort.FRAMES:
            words = _halves(got.sums.frames.reshape(-1, 4, 4).swapaxes(1, 2))
        else:
            raise DeviceError("the models do not pack single symbols")
        self._put(port, words[self._given[port] :])
        self._given[port] = len(words)


def _pairs(words: list[int]) -> list[tuple[int, int]]:
    return [(_signed(word & 0xFFFF, 16), _signed(word >> 16, 16)) for word in words]


def _signed(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


def _halves(sums: IntArray) -> Words:
    """Return sums of 64 bits as pairs of words, the low word first."""
    flat = np.ascontiguousarray(sums, dtype="<i8").ravel()
    return flat.view("<u4").astype(np.uint32)


def _marked(values: IntArray, bad: BoolArray) -> Words:
    """Return words with the values in bits 0 … 30 and a flag in bit 31."""
    words: Words = ((values & 0x7FFFFFFF) | (bad.astype(np.int64) << 31)).astype(np.uint32)
    return words


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> ModelDevice:
    """Open the models of a node, for `model:ROLE`. Raises `RangeError` for an unknown role."""
    url = f"model:{where}"
    return ModelDevice(spec_of_role(url, where, spec), plant, url)
