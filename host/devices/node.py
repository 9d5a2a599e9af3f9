"""The programming interface to a node: configure it, play batches of rows, record light.

    with open_node("model:server") as node:
        node.configure(drive=DriveSettings(scale=0.3), digitiser=DigitiserSettings())
        batch = node.play(rows)                 # rows: (rows, 2, row), as the drive counts symbols
        batch.session[: node.spec.digitiser.segments]

It works the same on the models, on simulated gateware and on a board (`host.devices.opening`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from shotveil.host.devices.device import Device, DeviceError, Words
from shotveil.host.devices.registers import Registers
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import BoolArray, IntArray, overflows
from shotveil.models.digitiser import entry
from shotveil.models.digitiser.accumulators import MODE_SUMS, NAMES
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.drive import chain as drive_chain
from shotveil.models.drive.spec import DriveRegisters, DriveSettings
from shotveil.models.drive.spec import registers as drive_registers
from shotveil.models.node import chain
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Access, RegisterRole, Value
from shotveil.models.node.register_map import WATCHDOG_TICK
from shotveil.models.signal.frame import FrameLayout

# Most words that are asked for at once of those that wait at a port.
PORTION = 4096
CLEAR = 10.0  # least height of a correlation peak, in rms of the correlation
OVER = ("done", "stopped")
OVERRANGE = 1e-3  # share of the samples at an end of the ADC's range that spoils a batch
PAUSE = 60e-6  # seconds between two polls of a node that needs nothing: some frames
LOOKS = 8  # the state of a node without room for rows is polled once in this many waits
WATCHED = ("state", "rows_granted_left", "rows_sent", "frames_sent")  # neighbours, so one request


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch.

    rows_sent, frames_sent: Number of rows and of frames that were sent.
    session: Session sums `models.digitiser.accumulators.NAMES`, shape (words, 16). A client has no
        rows to compare with, so its sums are over all frames received, with q = 0.
    modes: Sums `MODE_SUMS` of each mode, shape (modes, 4), or (0, 4) if they were not asked for.
    inference: Raw values of the chosen mode, shape (frames received, quadratures).
    bad: Marks of the values that must not be used, shape (frames received,).
    faults: Names of the faults that stopped emission early.
    flags: Names of everything else that went wrong.
    spoilt: Those of them that make the results worthless: the register map gives them the role
        `spoils`. The overrange is one of them if it befell more than `OVERRANGE` of the samples.
    counters: All counters of the node, by name.
    samples: The raw record from the first frame on, as `Node.capture` returns it; None if it was
        not asked for.
    """

    rows_sent: int
    frames_sent: int
    session: IntArray
    modes: IntArray
    inference: IntArray
    bad: BoolArray
    faults: frozenset[str]
    flags: frozenset[str]
    counters: Mapping[str, int]
    samples: IntArray | None = None
    spoilt: frozenset[str] = frozenset()

    @property
    def refusals(self) -> tuple[str, ...]:
        """Names of all that forbids the use of the results, sorted; empty if they may be used."""
        return tuple(sorted(self.faults | self.spoilt))

    def last(self, rows: int) -> tuple[IntArray, BoolArray]:
        """Return `inference` and `bad` of the last `rows` frames that carried light.

        The frames are counted from the end, because it is unknown how many passed before the
        receiver found the first. After a batch the receiver waits for `PATIENCE` more frames, which
        are left out. Raises `RangeError` if there are fewer frames than `rows`.
        """
        end = len(self.inference) - PATIENCE
        require("rows", rows, at_least=0, at_most=max(end, 0), integer=True)
        return self.inference[end - rows : end], self.bad[end - rows : end]


@dataclass(frozen=True)
class StoredRows:
    """Rows that a node keeps: `count` rows of `row` symbols each, from the symbol `first` on."""

    first: int
    count: int
    row: int

    @property
    def end(self) -> int:
        """The number of the symbol behind the last row."""
        return self.first + self.count * self.row

    def slots(self, numbers: npt.ArrayLike | None = None) -> IntArray:
        """Return the slots of the rows with these numbers; None takes all in order.

        Raises `RangeError` for a number that no row has.
        """
        if numbers is None:
            numbers = np.arange(self.count)
        require("number of a row", numbers, at_least=0, at_most=self.count - 1, integer=True)
        return self.first + self.row * np.asarray(numbers, dtype=np.int64)


class Node:
    """A node behind a `Device`. Closing the node closes the device.

    device: The device.
    patience: Seconds without progress of a batch after which `DeviceError` is raised, > 0.

    The attribute `registers` gives every register in physical units, for tasks that have no method
    here. Methods raise `DeviceError` where the node cannot be reached.
    """

    def __init__(self, device: Device, patience: float = 10.0):
        require("patience", patience, above=0)
        self.device = device
        self.spec = device.spec
        self.registers = Registers(device)
        self._patience = patience
        self._layout: FrameLayout | None = None
        self._drive: DriveRegisters | None = None
        self._offset: tuple[int, ...] | None = None
        self._armed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Switch the light off and close the device."""
        try:
            self._disarm()
        except DeviceError:
            pass  # the node is gone; its watchdog switches the light off as well
        finally:
            self.device.close()

    def _disarm(self) -> None:
        """Stop the light. A node that was not armed from here is left alone."""
        if self._armed:
            self.device.write(arm=0)
            self._armed = False

    def configure(
        self,
        drive: DriveSettings,
        digitiser: DigitiserSettings,
        loop: PhaseLockSettings | None = None,
        *,
        loop_delay: int = 0,
        lead_in: int = 2,
        watchdog: float = 1.0,
        triggered: bool = False,
        trigger_delay: float = 0.0,
        offset: tuple[int, ...] | None = None,
    ) -> dict[str, Value]:
        """Set all registers; return the values achieved, in physical units, by register name.

        drive, digitiser: Settings of the drive and of the receiver, with the same frame layout.
        loop: Settings of the phase lock of a homodyne receiver.
        loop_delay: Samples from a frame's first DAC code to its first ADC word.
        lead_in: Number of frames of zeros before each batch; the receiver finds frames from the
            second one on.
        watchdog: Seconds without a request from the host after which the node stops, > 0.
        triggered: Whether each frame waits for an edge at the trigger input.
        trigger_delay: Seconds from an edge to the frame, ≥ 0.
        offset: Initial offset of each quadrature in every batch, in units of `measured_x`; None
            lets the receiver find it in each batch.

        Raises `RangeError` for settings that the node cannot have; then nothing has changed.
        """
        spec = self.spec
        raw = drive_registers(spec.drive, drive)
        setup = chain.NodeSetup(raw, digitiser, loop_delay=loop_delay, lead_in=lead_in)
        setup.validate(spec)
        values = {f"drive_{name}": value for name, value in raw.ports().items()}
        values |= self._digitiser_values(digitiser)
        if spec.digitiser.quadratures == 1:
            loop = loop or PhaseLockSettings()
            loop.validate(spec.digitiser)
            values |= {f"digitiser_{name}": int(value) for name, value in vars(loop).items()}
        elif loop is not None:
            raise RangeError("a phase-diverse receiver has no phase lock to set; allowed: None")
        require("trigger_delay", trigger_delay, at_least=0)
        require("watchdog", watchdog, above=0)
        values |= {
            "loop_delay": loop_delay,
            "lead_in": lead_in,
            "watchdog": round(watchdog * spec.clock_hz / WATCHDOG_TICK),
            "triggered": int(triggered),
            "trigger_delay": round(trigger_delay * spec.clock_hz),
            "arm": 0,
        }
        if offset is not None:
            require("offset", offset, integer=True)
            if len(offset) != spec.digitiser.quadratures:
                raise RangeError(
                    f"offset = {offset}; allowed: {spec.digitiser.quadratures} numbers"
                )
            values |= {f"digitiser_offset_{a}": int(o) for a, o in zip("xp", offset, strict=False)}
        # The node takes settings and tables only between batches.
        self._end_batch()
        self.device.write(**values)
        self.device.strobe("rewind")
        self.device.send(WritePort.PULSE, raw.coefficients)
        self._layout, self._drive, self._offset = drive.layout, raw, offset
        return {n: self.device.map[n].to_physical(value) for n, value in values.items()}

    def _digitiser_values(self, settings: DigitiserSettings) -> dict[str, int]:
        known = self.device.map
        named = {f"digitiser_{name}": value for name, value in settings.ports().items()}
        return {name: int(value) for name, value in named.items() if name in known}

    def load_angles(self, table: npt.ArrayLike) -> None:
        """Load a table of angles, shape (2, n) in the format `DriveSpec.symbol`.

        This switches the light off. Raises `RangeError` for values outside the format, and for a
        node that keeps rows, which has no such table.
        """
        if self.spec.store:
            raise RangeError(
                f"the node at {self.device.name} keeps rows and has no table of angles"
            )
        angles = self._pairs("angles", table, 2)
        self.device.write(arm=0)
        self.device.strobe("clear_angles")
        self.device.send(WritePort.ANGLES, pack_pairs(angles))

    def play(
        self,
        rows: npt.ArrayLike,
        progress: Callable[[int], None] | None = None,
        grant: int | None = None,
        capture: bool = False,
        modes: bool = True,
    ) -> BatchResult:
        """Send rows, shape (rows, 2, row) in the format `DriveSpec.symbol`, and collect the result.

        progress: Function that is called with the number of rows sent so far.
        grant: Number of rows that the node sends; it drops the others. None grants all.
        capture: Whether to make a raw record that begins with the batch.
        modes: Whether to fetch the sums of the modes, which are most of what a node sends.

        Raises `RangeError` for rows that cannot be sent, and `DeviceError` if the node is not
        configured or makes no progress.
        """
        layout = self._configured()
        symbols = self._pairs("rows", rows, 3)
        if symbols.shape[2] != layout.row:
            raise RangeError(
                f"rows have shape {symbols.shape}; allowed: (rows, 2, {layout.row}), as configured"
            )
        count = len(symbols) if grant is None else grant
        return self._play(count, _row_words(symbols), progress, capture, modes=modes)

    def load_rows(self, rows: npt.ArrayLike, behind: StoredRows | None = None) -> StoredRows:
        """Load rows that stay at the node, shape (rows, 2, row) in the format `DriveSpec.symbol`.

        behind: Rows that were loaded before and stay; None loads from the start of the store. All
            that was loaded behind them is forgotten.

        The rows stay until others take their place or another host connects. This switches the
        light off. Raises `RangeError` for rows that do not fit the format or `room_behind`, and
        `DeviceError` if the node does not hold the rows afterwards.
        """
        symbols = self._pairs("rows", rows, 3)
        stored = StoredRows(behind.end if behind else 0, len(symbols), symbols.shape[2])
        require("row", stored.row, at_least=1, at_most=self.spec.drive.row_capacity)
        require("rows", stored.count, at_least=1, at_most=self.room_behind(behind) // stored.row)
        self._end_batch()
        self.device.write(store_place=stored.first)
        self.device.strobe("restart")  # slots of a batch that was given up would hold the store
        self.device.strobe("store_rewind")
        self.device.send(WritePort.STORE, _row_words(symbols))
        loaded = self.device.read("store_loaded")
        if loaded != stored.end:
            raise DeviceError(
                f"the node at {self.device.name} holds {loaded} symbols of rows instead of "
                f"{stored.end}: has another host connected to it? Load all rows again"
            )
        return stored

    def room_behind(self, stored: StoredRows | None = None) -> int:
        """Return how many symbols of rows fit behind those; None counts from the start.

        It is 0 for a node without a store.
        """
        return self.spec.store - (stored.end if stored else 0)

    def play_slots(
        self,
        slots: npt.ArrayLike,
        progress: Callable[[int], None] | None = None,
        grant: int | None = None,
        capture: bool = False,
        modes: bool = True,
    ) -> BatchResult:
        """Send the rows of `slots`, shape (rows,), which were loaded before; collect the result.

        The slots are those of `StoredRows.slots`, in any order, each as often as wanted. The result
        is that of `play` with the same rows, to the bit; the other arguments and errors are its
        too. Raises `RangeError` for a slot whose row is not loaded, before any light is sent.
        """
        layout = self._configured()
        places = np.atleast_1d(np.asarray(slots))
        if places.ndim != 1:
            raise RangeError(f"slots have shape {places.shape}; allowed: (rows,)")
        loaded = self.device.read("store_loaded") if self.spec.store else 0
        most = loaded - layout.row
        if most < 0:
            raise RangeError(
                f"a row has {layout.row} symbols, and the node at {self.device.name} holds "
                f"{loaded}; allowed: as many at least, see Node.load_rows"
            )
        require("slot", places, at_least=0, at_most=most, integer=True)
        words = places.astype(np.uint32)
        count = len(words) if grant is None else grant
        return self._play(count, words, progress, capture, WritePort.SLOTS, modes)

    def play_angles(
        self,
        frames: int,
        progress: Callable[[int], None] | None = None,
        capture: bool = False,
    ) -> BatchResult:
        """Send `frames` frames with the table of angles, and collect what is received.

        The frames repeat the table without end, so it should be as long as a row. `progress`,
        `capture` and errors are as in `play`.
        """
        self._configured()
        return self._play(frames, np.zeros(0, dtype=np.uint32), progress, capture)

    def _configured(self) -> FrameLayout:
        if self._layout is None:
            raise DeviceError("the node has not been configured: call Node.configure first")
        return self._layout

    def _pairs(self, name: str, values: npt.ArrayLike, dimensions: int) -> IntArray:
        array = np.asarray(values)
        if array.ndim != dimensions or array.shape[-2] != 2:
            shape = "(2, n)" if dimensions == 2 else "(rows, 2, row)"
            raise RangeError(f"{name} have shape {array.shape}; allowed: {shape}")
        require(name, array, integer=True)
        whole = array.astype(np.int64)
        if overflows(whole, self.spec.drive.symbol).any():
            raise RangeError(f"{name} reach beyond {self.spec.drive.symbol}")
        return whole

    def _play(
        self,
        count: int,
        words: Words,
        progress: Callable[[int], None] | None,
        capture: bool,
        port: WritePort = WritePort.ROWS,
        modes: bool = True,
    ) -> BatchResult:
        device = self.device
        require("rows", count, at_least=1, at_most=device.map["grant"].highest, integer=True)
        self._end_batch()
        if device.read("tables_partial"):
            raise DeviceError(
                f"the node at {device.name} holds taps of which only a part was loaded: call "
                "Node.configure, and load the whole matched filter if it was being loaded"
            )
        if self.spec.store:
            device.write(store_play=int(port is WritePort.SLOTS))
        # The node takes the offset only after the restart.
        calibrated = () if self._offset is None else ("load_offset",)
        device.strobe("restart", "clear", *calibrated)
        ahead = min(len(words), device.room(port))
        device.send(port, words[:ahead])
        if capture:
            self._request_record(on_frame=True)
        self._armed = True
        device.write(arm=1, grant=count)
        device.strobe("start")
        inference = self._feed(port, words[ahead:], progress)
        self._settle(inference)
        device.strobe("snapshot")
        spec = self.spec.digitiser
        session = self._sums(ReadPort.SESSION, (spec.words, len(NAMES)))
        shape = (spec.modes if modes else 0, len(MODE_SUMS))
        # Sums that are not fetched stay until the next batch clears them.
        of_modes = self._sums(ReadPort.MODES, shape)
        inference.append(self._take(ReadPort.INFERENCE))
        self._disarm()
        status = device.read_all(device.map.of(Access.STATUS))
        values, bad = unpack_marked(np.concatenate(inference), spec.symbol.width)
        notable = device.map.of(RegisterRole.FLAG) | device.map.of(RegisterRole.SPOILS)
        shape = (-1, spec.quadratures)
        lanes = session.reshape(spec.words, 4, 4).swapaxes(1, 2).reshape(spec.words, len(NAMES))
        return BatchResult(
            rows_sent=status["rows_sent"],
            frames_sent=status["frames_sent"],
            session=lanes,
            modes=of_modes,
            inference=values.reshape(shape),
            bad=np.asarray(bad.reshape(shape).any(axis=1)),
            faults=self._faults(status),
            flags=frozenset(n for n in notable if status[n]),
            spoilt=self._spoilt(status),
            counters={name: status[name] for name in device.map.of(RegisterRole.COUNTER)},
            samples=self._record() if capture else None,
        )

    def _feed(
        self, port: WritePort, words: Words, progress: Callable[[int], None] | None
    ) -> list[Words]:
        """Send words to a port until the batch is over; return the inference values till then."""
        device = self.device
        states = device.map["state"].choices
        taken: list[Words] = []
        moved = time.monotonic()
        before: tuple[int, ...] = ()
        # Rows are sent while requests are on their way. If the host waited for each answer before
        # it sent more rows, the node's row buffer would run empty.
        status = device.ask(WATCHED)
        values = device.ask_words(ReadPort.INFERENCE)
        full = 0  # number of times that there was no room for rows
        while True:
            sent = device.offer(port, words)
            words = words[sent:]
            if sent:
                continue
            full += 1
            if len(words) and full % LOOKS:
                device.wait(PAUSE)
                continue
            now = status.get()
            taken.append(values.get())
            if progress is not None:
                progress(now["rows_sent"])
            if states[now["state"]] in OVER:
                return taken
            moving = (*now.values(), len(words))
            if moving != before:
                before, moved = moving, time.monotonic()
            elif time.monotonic() - moved > self._patience:
                raise DeviceError(
                    f"the node at {device.name} stands still in state {states[now['state']]} after "
                    f"{now['rows_sent']} rows: is it waiting for a trigger, or for light?"
                )
            if not len(words):
                device.wait(PAUSE)
            status = device.ask(WATCHED)
            values = device.ask_words(ReadPort.INFERENCE)

    def _settle(self, inference: list[Words]) -> None:
        """Wait until the last light is back and the receiver has noticed that it was the last."""
        moved = time.monotonic()
        free = self.device.read("digitiser_free_run")
        while self.device.read("digitiser_locked") and not free:
            inference.append(self._take(ReadPort.INFERENCE))
            if time.monotonic() - moved > self._patience:
                raise DeviceError(
                    f"the receiver of the node at {self.device.name} finds frames although none "
                    "are sent: is light of another node coming in?"
                )

    def _take(self, port: ReadPort) -> Words:
        """Take all words that wait at a port now."""
        taken = [self.device.receive(port, PORTION)]
        while len(taken[-1]) == PORTION:
            taken.append(self.device.receive(port, PORTION))
        return np.concatenate(taken)

    def _end_batch(self) -> None:
        """Switch the light off, and wait until the last frame has left."""
        self.device.write(arm=0)
        self._await_state("idle")

    def _await_state(self, name: str) -> None:
        moved = time.monotonic()
        while (state := self.registers.state.get()) != name:
            if time.monotonic() - moved > self._patience:
                raise DeviceError(
                    f"the node at {self.device.name} stays in state {state} instead of {name}"
                )

    def _await(self, port: ReadPort, count: int) -> Words:
        """Take `count` words from a port. Raises `DeviceError` if they do not come."""
        taken: list[Words] = []
        have = 0
        moved = time.monotonic()
        while have < count:
            words = self.device.receive(port, count - have)
            if len(words):
                taken.append(words)
                have += len(words)
                moved = time.monotonic()
            elif time.monotonic() - moved > self._patience:
                raise DeviceError(
                    f"the node at {self.device.name} gave {have} of {count} words of {port.name}"
                )
        return np.concatenate(taken) if taken else np.zeros(0, dtype=np.uint32)

    def _sums(self, port: ReadPort, shape: tuple[int, int]) -> IntArray:
        words = self._await(port, 2 * shape[0] * shape[1])
        return words.astype("<u4").view("<i8").astype(np.int64).reshape(shape)

    def _spoilt(self, status: Mapping[str, int]) -> frozenset[str]:
        """Return the names of the flags that make the results of the batch worthless."""
        found = {n for n in self.device.map.of(RegisterRole.SPOILS) if status[n]}
        samples = status["frames_sent"] * self.device.read("digitiser_period")
        if status["digitiser_overrange_count"] > OVERRANGE * samples:
            found.add("digitiser_overrange")
        return frozenset(found)

    def _faults(self, status: Mapping[str, int]) -> frozenset[str]:
        """Return the names of all faults, which tell why emission stopped."""
        found: set[str] = set()
        for name, register in self.device.map.of(RegisterRole.FAULT).items():
            up = register.to_physical(status[name])
            assert isinstance(up, frozenset)
            found |= up
        return frozenset(found)

    def capture(self, on_frame: bool = False) -> IntArray:
        """Record raw ADC words; return signed samples, shape (quadratures, capture depth).

        on_frame: Whether the record begins with the first DAC code of the next frame.

        Words of an offset-binary converter are converted. Raises `DeviceError` if no frame comes.
        """
        self._request_record(on_frame)
        return self._record()

    def find_loop_delay(self, rng: np.random.Generator) -> int:
        """Measure the delay of the light with one random row; set it as `loop_delay`; return it.

        The delay is in samples. Raises `DeviceError` if the node is not configured, or if no light
        comes back within a raw record.
        """
        layout = self._configured()
        assert self._drive is not None
        symbol = self.spec.drive.symbol
        rows = rng.integers(symbol.lowest + 1, symbol.highest + 1, (1, 2, layout.row))
        lead_in = self.device.read("lead_in")
        self.device.write(lead_in=0)
        samples = self.play(rows, capture=True).samples
        assert samples is not None
        sent = drive_chain.model(self.spec.drive, self._drive, rows).codes[0].astype(np.float64)
        light = sent[0] + 1j * sent[1]
        came = samples[0] + (1j * samples[1] if len(samples) == 2 else 0)
        size = 2 * (len(came) + len(light))
        spectrum = np.fft.fft(came - came.mean(), size) * np.fft.fft(light, size).conj()
        match = np.abs(np.fft.ifft(spectrum))[: len(came)]
        delay = int(match.argmax())
        # Unrelated noise correlates by chance; a true peak is far higher.
        if not match[delay] > CLEAR * np.sqrt(np.mean(match**2)):
            raise DeviceError(
                f"no light of the node at {self.device.name} came back within {len(came)} samples"
            )
        self.device.write(lead_in=lead_in, loop_delay=delay)
        return delay

    def _request_record(self, on_frame: bool) -> None:
        while len(self._take(ReadPort.CAPTURE)):
            pass
        self.device.write(capture_on_frame=int(on_frame))
        self.device.strobe("capture")

    def _record(self) -> IntArray:
        spec = self.spec.digitiser
        words = self._await(ReadPort.CAPTURE, self.spec.capture).astype(np.int64)
        pair = np.stack([words & 0xFFFF, words >> 16])[: spec.quadratures]
        binary = self.device.read("digitiser_offset_binary")
        samples, _ = entry.model(spec, pair & ((1 << spec.adc_bits) - 1), binary)
        return samples


def _row_words(symbols: IntArray) -> Words:
    """Pack rows, shape (rows, 2, row), into words one row after the other."""
    return pack_pairs(symbols.swapaxes(0, 1).reshape(2, -1))


def pack_pairs(pairs: IntArray) -> Words:
    """Pack pairs of 16-bit integers, shape (2, n), into words with the first in bits 0 … 15."""
    first, second = pairs & 0xFFFF
    return (first | second << 16).astype(np.uint32)


def unpack_marked(words: Words, width: int) -> tuple[IntArray, BoolArray]:
    """Return the signed values of `width` bits, and the flags in bit 31, of words."""
    raw = words.astype(np.int64)
    value = raw & ((1 << width) - 1)
    return value - ((value >> (width - 1)) << width), raw >> 31 == 1


def of_role(node: Node, role: str) -> Node:
    """Return the node if it has the role; otherwise close it and raise `RangeError`."""
    if node.spec.role != role:
        name = node.device.name
        node.close()
        raise RangeError(f"the node at {name} is a {node.spec.role}'s; allowed: a {role}'s")
    return node
