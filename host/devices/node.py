"""What a person programs: a node that is configured, plays batches of rows and records light.

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
from shotveil.models.node.spec import CLOCK_HZ
from shotveil.models.signal.frame import FrameLayout

# Words that wait at a port are asked for in portions of this.
PORTION = 4096
CLEAR = 10.0  # how far a match stands out, in rms
OVER = ("done", "stopped")
PAUSE = 60e-6  # seconds between two looks at a node that needs nothing: some frames
LOOKS = 8  # a node that takes rows is looked at once in so many waits for room
WATCHED = ("state", "rows_granted_left", "rows_sent", "frames_sent")  # neighbours: one request


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    `session` has shape (words, 16) and the sums `models.digitiser.accumulators.NAMES`, `modes`
    (modes, 4) with `MODE_SUMS`. A client knows no rows to compare with: its sums are those of all
    frames received, with a q of zero.
    `inference` are raw values of the chosen mode, shape (frames received, quadratures), and `bad`,
    (frames received,), marks those that are not to be used. `faults` tell why emission stopped
    early, `flags` what else went wrong, `counters` all counters of the node, by name. `samples`
    is the raw record from the first frame on, if one was asked for, as `Node.capture` gives it.
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

    def last(self, rows: int) -> tuple[IntArray, BoolArray]:
        """`inference` and `bad` of the last `rows` frames that carried light.

        Counted from the end, since nobody knows how many frames went by before the receiver found
        the first. Behind the batch it goes on by the clock for `PATIENCE` frames, which are left
        out. Raises `RangeError` if there are not as many.
        """
        end = len(self.inference) - PATIENCE
        require("rows", rows, at_least=0, at_most=max(end, 0), integer=True)
        return self.inference[end - rows : end], self.bad[end - rows : end]


class Node:
    """A node behind a `Device`, which it closes with itself.

    * `registers`: every register in physical units, for what has no method here.
    * `patience`: seconds without any progress of a batch after which `DeviceError` is raised.
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
        """Switch the light off and let go of the device."""
        try:
            self._disarm()
        except DeviceError:
            pass  # gone already; its watchdog does the same
        finally:
            self.device.close()

    def _disarm(self) -> None:
        """Let no more light out. Touches nothing if none was let out from here."""
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
        """Set everything; what was achieved, by the names of the registers.

        The receiver's layout has to be the drive's. `loop_delay` is the light's way in samples from
        a frame's first DAC code to its first ADC word, `lead_in` how many frames of zeros go ahead
        of each batch: the receiver finds frames from the second one on. `watchdog` and
        `trigger_delay` are in seconds. `offset` of each quadrature, in units of `measured_x`, is
        where the receiver's offset begins in every batch; None: found anew in each. Raises
        `RangeError` for what the node cannot do; then nothing has changed.
        """
        spec = self.spec
        raw = drive_registers(spec.drive, drive)
        setup = chain.NodeSetup(raw, digitiser, loop_delay=loop_delay, lead_in=lead_in)
        setup.validate(spec)
        values = self._drive_values(raw) | self._digitiser_values(digitiser)
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
            "watchdog": round(watchdog * CLOCK_HZ / WATCHDOG_TICK),
            "triggered": int(triggered),
            "trigger_delay": round(trigger_delay * CLOCK_HZ),
            "arm": 0,
        }
        if offset is not None:
            require("offset", offset, integer=True)
            if len(offset) != spec.digitiser.quadratures:
                raise RangeError(
                    f"offset = {offset}; allowed: {spec.digitiser.quadratures} numbers"
                )
            values |= {f"digitiser_offset_{a}": int(o) for a, o in zip("xp", offset, strict=False)}
        self.device.write(**values)
        # Tables are taken only while the light is off.
        self.device.send(WritePort.PULSE, raw.coefficients)
        self._layout, self._drive, self._offset = drive.layout, raw, offset
        return {n: self.device.map[n].to_physical(value) for n, value in values.items()}

    def _drive_values(self, raw: DriveRegisters) -> dict[str, int]:
        values: dict[str, int] = {
            f"drive_{name}": getattr(raw.layout, name)
            for name in ("preamble", "row", "pilots", "pilot_spacing", "vacuum", "guard")
        }
        for name in ("scale", "reference", "angle", "stop_on_fault", "stop_on_saturation"):
            values[f"drive_{name}"] = int(getattr(raw, name))
        for name in ("gain", "half_wave", "bias"):
            for axis, value in zip("iq", getattr(raw, name), strict=True):
                values[f"drive_{name}_{axis}"] = int(value)
        return values

    def _digitiser_values(self, settings: DigitiserSettings) -> dict[str, int]:
        known = self.device.map
        named = {f"digitiser_{name}": value for name, value in settings.ports().items()}
        return {name: int(value) for name, value in named.items() if name in known}

    def load_angles(self, table: npt.ArrayLike) -> None:
        """Put a new table of angles, shape (2, n) in `DriveSpec.symbol`; the light is off then."""
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
    ) -> BatchResult:
        """Send rows, shape (rows, 2, row) in `DriveSpec.symbol`, and collect what came back.

        The node lets `grant` rows out, all that are given by default, and drops the others. With
        `capture` it also makes a raw record that begins with the batch. `progress` is called with
        the number of rows sent so far. Raises `RangeError` for rows that cannot be sent, and
        `DeviceError` if the node stands still.
        """
        layout = self._configured()
        symbols = self._pairs("rows", rows, 3)
        if symbols.shape[2] != layout.row:
            raise RangeError(
                f"rows have shape {symbols.shape}; allowed: (rows, 2, {layout.row}), as configured"
            )
        words = pack_pairs(symbols.swapaxes(0, 1).reshape(2, -1))
        count = len(symbols) if grant is None else grant
        return self._play(count, words, progress, capture)

    def play_angles(
        self,
        frames: int,
        progress: Callable[[int], None] | None = None,
        capture: bool = False,
    ) -> BatchResult:
        """Send the table of angles in some frames and collect what was received meanwhile.

        The frames' rows are the table again and again, so it should be as long as a row.
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
    ) -> BatchResult:
        device = self.device
        require("rows", count, at_least=1, at_most=device.map["grant"].highest, integer=True)
        device.write(arm=0)
        self._await_state("idle")
        # The offset is taken behind the restart.
        calibrated = () if self._offset is None else ("load_offset",)
        device.strobe("restart", "clear", *calibrated)
        ahead = min(len(words), device.room(WritePort.ROWS))
        device.send(WritePort.ROWS, words[:ahead])
        if capture:
            self._request_record(on_frame=True)
        self._armed = True
        device.write(arm=1, grant=count)
        device.strobe("start")
        inference = self._feed(words[ahead:], progress)
        self._settle(inference)
        device.strobe("snapshot")
        spec = self.spec.digitiser
        session = self._sums(ReadPort.SESSION, (spec.words, len(NAMES)))
        modes = self._sums(ReadPort.MODES, (spec.modes, len(MODE_SUMS)))
        inference.append(self._take(ReadPort.INFERENCE))
        self._disarm()
        status = device.read_all(device.map.of(Access.STATUS))
        values, bad = unpack_marked(np.concatenate(inference), spec.symbol.width)
        shape = (-1, spec.quadratures)
        lanes = session.reshape(spec.words, 4, 4).swapaxes(1, 2).reshape(spec.words, len(NAMES))
        return BatchResult(
            rows_sent=status["rows_sent"],
            frames_sent=status["frames_sent"],
            session=lanes,
            modes=modes,
            inference=values.reshape(shape),
            bad=np.asarray(bad.reshape(shape).any(axis=1)),
            faults=self._faults(status),
            flags=frozenset(n for n in device.map.of(RegisterRole.FLAG) if status[n]),
            counters={name: status[name] for name in device.map.of(RegisterRole.COUNTER)},
            samples=self._record() if capture else None,
        )

    def _feed(self, words: Words, progress: Callable[[int], None] | None) -> list[Words]:
        """Keep the node supplied until the batch is over; the inference values so far."""
        device = self.device
        states = device.map["state"].choices
        taken: list[Words] = []
        moved = time.monotonic()
        before: tuple[int, ...] = ()
        # Rows go out while questions are on their way: a node that has to wait for the host's next
        # question to be answered before it gets rows lets its row buffer run dry.
        status = device.ask(WATCHED)
        values = device.ask_words(ReadPort.INFERENCE)
        full = 0  # times that there was no room for rows
        while True:
            sent = device.offer(WritePort.ROWS, words)
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
        """Wait until the light of the last frame is back, and the receiver sees that it was."""
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
        """All words that wait at a port now."""
        taken = [self.device.receive(port, PORTION)]
        while len(taken[-1]) == PORTION:
            taken.append(self.device.receive(port, PORTION))
        return np.concatenate(taken)

    def _await_state(self, name: str) -> None:
        moved = time.monotonic()
        while (state := self.registers.state.get()) != name:
            if time.monotonic() - moved > self._patience:
                raise DeviceError(
                    f"the node at {self.device.name} stays in state {state} instead of {name}"
                )

    def _await(self, port: ReadPort, count: int) -> Words:
        """That many words of a port; raises `DeviceError` if they do not come."""
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

    def _faults(self, status: Mapping[str, int]) -> frozenset[str]:
        """Why emission stopped: names of all flags of fault registers that are up."""
        found: set[str] = set()
        for name, register in self.device.map.of(RegisterRole.FAULT).items():
            up = register.to_physical(status[name])
            assert isinstance(up, frozenset)
            found |= up
        return frozenset(found)

    def capture(self, on_frame: bool = False) -> IntArray:
        """Record raw ADC words; signed samples of shape (quadratures, capture depth).

        With `on_frame` the record begins with the next frame's first DAC code, and with nothing
        if no frame comes: then `DeviceError`. Words of an offset-binary converter are converted.
        """
        self._request_record(on_frame)
        return self._record()

    def find_loop_delay(self, rng: np.random.Generator) -> int:
        """The light's way in samples, measured with one random row, and set as `loop_delay`.

        Needs a configured node and light that comes back within a raw record; else `DeviceError`.
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
        # Two unrelated records of noise match by chance; a true peak stands far above that.
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


def pack_pairs(pairs: IntArray) -> Words:
    """Pairs of 16-bit integers, shape (2, n), as words with the first in bits 0 … 15."""
    first, second = pairs & 0xFFFF
    return (first | second << 16).astype(np.uint32)


def unpack_marked(words: Words, width: int) -> tuple[IntArray, BoolArray]:
    """Signed values and flags of words that carry a flag in bit 31."""
    raw = words.astype(np.int64)
    value = raw & ((1 << width) - 1)
    return value - ((value >> (width - 1)) << width), raw >> 31 == 1


def of_role(node: Node, role: str) -> Node:
    """The node if it has the role; else closes it and raises `RangeError`."""
    if node.spec.role != role:
        name = node.device.name
        node.close()
        raise RangeError(f"the node at {name} is a {node.spec.role}'s; allowed: a {role}'s")
    return node
