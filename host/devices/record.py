"""A session with a node as a file: recorded transaction by transaction, and played back.

The file is lines of JSON: a head, then one line for each transaction with what was asked and what
came back. Played back, a program that asks the same gets the same answers, without a node; one that
asks anything else gets a `ReplayError`.
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
from shotveil.models.node.chain import Plant
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Register
from shotveil.models.node.spec import NodeSpec

FORMAT = "shotveil session"
VERSION = 1


class ReplayError(DeviceError):
    """A program asked for something else than in the session that is played back."""


class RecordingDevice(Device):
    """Passes everything on to a device, and writes it to a new file. Closes both.

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
                   "identity": dict(device.map.identity)})  # fmt: skip

    def _put(self, entry: dict[str, Any]) -> None:
        print(json.dumps(entry, separators=(",", ":")), file=self._file, flush=True)

    def _transact(self, asked: dict[str, Any], act: Callable[[], Any]) -> Any:
        """Carry out and write down; a refusal of the device is an answer as well."""
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
        """As that of the device."""
        given = as_words(words)
        self._transact(_sending(port, given), lambda: self._device.send(port, given))

    def receive(self, port: ReadPort, count: int) -> Words:
        """As that of the device."""
        asked = _receiving(port, count)
        return as_words(self._transact(asked, lambda: self._device.receive(port, count)))

    def wait(self, seconds: float) -> None:
        """As that of the device."""
        self._device.wait(seconds)

    def room(self, port: WritePort) -> int:
        """As that of the device."""
        return int(self._transact(_asking_room(port), lambda: self._device.room(port)))

    def close(self) -> None:
        """Close device and file."""
        self._device.close()
        self._file.close()


class ReplayDevice(Device):
    """Answers as the device did whose session was recorded.

    Raises `RangeError` if the file is none, `DeviceError` if its node is unknown: then give `spec`.
    """

    def __init__(self, path: Path, spec: NodeSpec | None = None):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            entries = [json.loads(line) for line in lines]
        except OSError as error:
            raise RangeError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise RangeError(f"{path} is no record of a session") from None
        head = entries[0] if entries and isinstance(entries[0], dict) else {}
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise RangeError(f"{path} is no record of a session of version {VERSION}")
        found = recognise(head["identity"], str(path), None if spec is None else [spec])
        super().__init__(found, f"replay:{path}")
        self._entries = entries[1:]
        self._next = 0

    @property
    def left(self) -> int:
        """Transactions that were not played back yet."""
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
            raise DeviceError(entry["error"])
        return entry["answer"]

    def _read(self, registers: Sequence[Register]) -> list[int]:
        return list(self._transact(_reading(registers)))

    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        self._transact(_writing(values))

    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """What was sent must be what is in the record."""
        self._transact(_sending(port, as_words(words)))

    def receive(self, port: ReadPort, count: int) -> Words:
        """The words in the record."""
        return np.array(self._transact(_receiving(port, count)), dtype=np.uint32)

    def wait(self, seconds: float) -> None:
        """No time passes."""

    def room(self, port: WritePort) -> int:
        """The room in the record."""
        return int(self._transact(_asking_room(port)))

    def close(self) -> None:
        """Nothing is open."""


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> ReplayDevice:
    """A session that was recorded, for `replay:FILE`."""
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
    """Where two transactions differ: the first element of a list, if that is all."""
    for key in asked:
        ours, theirs = recorded.get(key), asked[key]
        if isinstance(ours, list) and isinstance(theirs, list) and ours != theirs:
            pairs = zip_longest(ours, theirs)
            k, pair = next((k, p) for k, p in enumerate(pairs) if p[0] != p[1])
            where = f"{next(iter(asked))} with {key}[{k}] = " if key == "words" else f"{key} "
            return f"{where}{json.dumps(pair[0])}", f"{where}{json.dumps(pair[1])}"
    return _shown(recorded), _shown(asked)


def _shown(entry: dict[str, Any]) -> str:
    text = json.dumps(entry)
    return text if len(text) <= 120 else text[:117] + "..."
