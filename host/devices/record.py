"""Records a session with a node to a file, and plays it back without a node.

The file consists of lines of JSON: a head, and then one line for each transaction, with the request
and the answer. On playback, a program that makes the same requests gets the same answers. Any other
request raises a `ReplayError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from shotveil.host.devices.device import (
    Device,
    DeviceError,
    Words,
    as_words,
    recognise,
    require_no_plant,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile, shown
from shotveil.models.node.chain import Plant
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Register
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec

FORMAT = "shotveil session"
VERSION = 2
RECORD_LIMIT = 1 << 30  # bytes


class ReplayError(DeviceError):
    """A program made a request that differs from the recorded session."""


class RecordingDevice(Device):
    """Passes every request on to a device and writes it to a new file. `close` closes both.

    Raises `RangeError` if the file exists.
    """

    def __init__(self, device: Device, path: Path):
        super().__init__(device.spec, device.name)
        self._device = device
        try:
            self._file: TextIO = path.open("x", encoding="utf-8")
        except FileExistsError:
            raise RangeError(f"{path} exists; allowed: a new file to record to") from None
        self._put({"format": FORMAT, "version": VERSION, "device": device.name,
                   "constants": dict(device.map.constants)})  # fmt: skip

    def _put(self, entry: dict[str, Any]) -> None:
        print(json.dumps(entry, separators=(",", ":")), file=self._file, flush=True)

    def _transact(self, asked: dict[str, Any], act: Callable[[], Any]) -> Any:
        """Carry out a request and write it down; an error of the device is recorded as well."""
        try:
            answer = act()
        except DeviceError as error:
            self._put({**asked, "error": str(error)})
            raise
        self._put({**asked, "answer": answer.tolist() if hasattr(answer, "tolist") else answer})
        return answer

    def _read(self, registers: Sequence[Register]) -> list[int]:
        answer = self._transact(_reading(registers), lambda: self._device._read(registers))
        return list(answer)

    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        self._transact(_writing(values), lambda: self._device._write(values))

    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """Do as `Device` says, with the recorded device."""
        given = as_words(words)
        self._transact(_sending(port, given), lambda: self._device.send(port, given))

    def receive(self, port: ReadPort, count: int) -> Words:
        """Do as `Device` says, with the recorded device."""
        asked = _receiving(port, count)
        return as_words(self._transact(asked, lambda: self._device.receive(port, count)))

    def wait(self, seconds: float) -> None:
        """Do as `Device` says, with the recorded device."""
        self._device.wait(seconds)

    def room(self, port: WritePort) -> int:
        """Do as `Device` says, with the recorded device."""
        return int(self._transact(_asking_room(port), lambda: self._device.room(port)))

    def close(self) -> None:
        """Close device and file."""
        self._device.close()
        self._file.close()


class ReplayDevice(Device):
    """Answers requests as the device did in the recorded session.

    spec: Spec of the recorded node; None takes the one that its constants describe.

    Raises `RangeError` if the file is no record, and `DeviceError` if its node does not fit the
    spec.
    """

    def __init__(self, path: Path, spec: NodeSpec | None = None):
        file = ForeignFile("record", path)
        try:
            lines = file.read(RECORD_LIMIT).splitlines()
            entries = [file.decoded_json(line) for line in lines]
        except RangeError as error:
            raise RangeError(f"{path} is no record of a session: {error}") from None
        if strange := [entry for entry in entries if not isinstance(entry, dict)]:
            raise RangeError(f"{path} is no record of a session: it holds {shown(strange[0])}")
        head = entries[0] if entries and isinstance(entries[0], dict) else {}
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise RangeError(f"{path} is no record of a session of version {VERSION}")
        constants = head.get("constants")
        needed = register_map(spec or NodeSpec()).constants
        if not (
            isinstance(constants, dict)
            and constants.keys() >= needed.keys()
            and all(type(value) is int for value in constants.values())
        ):
            raise file.refused(
                f"has constants = {shown(constants)}",
                f"integers with the names {', '.join(needed)}",
            )
        found = recognise(constants, str(path), spec)
        super().__init__(found, f"replay:{path}")
        self._entries = entries[1:]
        self._next = 0

    @property
    def left(self) -> int:
        """Number of transactions that were not played back yet."""
        return len(self._entries) - self._next

    def _transact(self, asked: dict[str, Any]) -> Any:
        line = self._next + 2
        if not self.left:
            raise ReplayError(f"{self.name} ended; asked was {_shown(asked)}")
        entry = self._entries[self._next]
        recorded = {k: v for k, v in entry.items() if k not in ("answer", "error")}
        if recorded != json.loads(json.dumps(asked)):
            before, now = _difference(recorded, asked)
            raise ReplayError(f"{self.name} line {line}: recorded was {before}, asked was {now}")
        self._next += 1
        if "error" in entry:
            raise DeviceError(str(entry["error"]))
        if "answer" not in entry:
            raise ReplayError(f"{self.name} line {line} holds neither an answer nor an error")
        return entry["answer"]

    def _read(self, registers: Sequence[Register]) -> list[int]:
        answer = self._transact(_reading(registers))
        if not isinstance(answer, list) or not all(type(value) is int for value in answer):
            raise self._no_answer(answer, "a list of integers")
        return answer

    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        self._transact(_writing(values))

    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """Check that the words are those in the record."""
        self._transact(_sending(port, as_words(words)))

    def receive(self, port: ReadPort, count: int) -> Words:
        """Return the words in the record."""
        answer = self._transact(_receiving(port, count))
        try:
            return np.array(answer, dtype=np.uint32)
        except (TypeError, ValueError, OverflowError):
            raise self._no_answer(answer, "a list of words of 32 bits") from None

    def wait(self, seconds: float) -> None:
        """Do nothing: no time passes on playback."""

    def room(self, port: WritePort) -> int:
        """Return the room in the record."""
        answer = self._transact(_asking_room(port))
        if type(answer) is not int:
            raise self._no_answer(answer, "an integer")
        return answer

    def _no_answer(self, answer: Any, allowed: str) -> ReplayError:
        return ReplayError(
            f"{self.name} line {self._next + 1} has the answer {shown(answer)}; allowed: {allowed}"
        )

    def close(self) -> None:
        """Do nothing: the file was read when it was opened."""


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> ReplayDevice:
    """Open a recorded session, for `replay:FILE`. Raises `RangeError` for any other file."""
    require_no_plant(f"replay:{where}", plant)
    return ReplayDevice(Path(where), spec)


def _reading(registers: Sequence[Register]) -> dict[str, Any]:
    return {"read": [register.name for register in registers]}


def _writing(values: Sequence[tuple[Register, int]]) -> dict[str, Any]:
    return {"write": [[register.name, raw] for register, raw in values]}


def _sending(port: WritePort, words: Words) -> dict[str, Any]:
    return {"send": port.name, "words": words.tolist()}


def _receiving(port: ReadPort, count: int) -> dict[str, Any]:
    return {"receive": port.name, "count": int(count)}


def _asking_room(port: WritePort) -> dict[str, Any]:
    return {"room": port.name}


def _difference(recorded: dict[str, Any], asked: dict[str, Any]) -> tuple[str, str]:
    """Return how two transactions differ; of two lists, only the first differing element."""
    for key in asked:
        ours, theirs = recorded.get(key), asked[key]
        if isinstance(ours, list) and isinstance(theirs, list) and ours != theirs:
            pairs = zip_longest(ours, theirs)
            k, pair = next((k, p) for k, p in enumerate(pairs) if p[0] != p[1])
            where = f"{next(iter(asked))} with {key}[{k}] = " if key == "words" else f"{key} "
            return f"{where}{_shown(pair[0])}", f"{where}{_shown(pair[1])}"
    return _shown(recorded), _shown(asked)


def _shown(entry: Any) -> str:
    text = json.dumps(entry)
    return text if len(text) <= 120 else text[:117] + "..."
