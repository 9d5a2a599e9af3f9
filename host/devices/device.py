"""The interface to any node: registers by name, and streams of words."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.node.chain import Plant
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Access, Register, RegisterMap
from shotveil.models.node.register_map import IDENTITY, VERSION, register_map, spec_of
from shotveil.models.node.spec import ROLES, NodeSpec

Words = npt.NDArray[np.uint32]
T = TypeVar("T")
COMMIT = "commit"


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A value that a device was asked for: `here` tells if it has come, `get` waits for it."""

    here: Callable[[], bool]
    get: Callable[[], T]

    @classmethod
    def known(cls, value: T) -> Answer[T]:
        """Return an answer whose value is known already."""
        return cls(lambda: True, lambda: value)


class DeviceError(RuntimeError):
    """A node cannot be reached, is not the expected one, or does not do what it was told."""


class Device(ABC):
    """A node built from `spec`, with its register `map`. It is closed at the end of a `with`.

    A subclass implements the abstract methods. The registers that it gets are checked, and values
    are raw integers. Methods raise `DeviceError` where the node cannot be reached.
    """

    def __init__(self, spec: NodeSpec, name: str):
        self.spec = spec
        self.name = name  # its URL, for messages
        self.map: RegisterMap = register_map(spec)

    @abstractmethod
    def _read(self, registers: Sequence[Register]) -> list[int]:
        """Read registers one after the other and return their raw values."""

    @abstractmethod
    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        """Write settings and strobes one after the other. Settings need a commit to take effect."""

    @abstractmethod
    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """Send all words to a port; wait for room. Raises `DeviceError` if there is none."""

    @abstractmethod
    def receive(self, port: ReadPort, count: int) -> Words:
        """Take the words that wait at a port, at most `count` and possibly none."""

    @abstractmethod
    def room(self, port: WritePort) -> int:
        """Return how many words a port can take now, at least."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection. The node then stops, because its watchdog is no longer served."""

    # Requests without waiting: a link overrides these methods, so that words keep flowing while
    # answers are on the way.

    def ask(self, names: Iterable[str]) -> Answer[dict[str, int]]:
        """Ask for the values of `read_all` without waiting for them."""
        return Answer.known(self.read_all(names))

    def ask_words(self, port: ReadPort) -> Answer[Words]:
        """Ask for words that wait at a port, at most `MAX_WORDS`, without waiting for them."""
        return Answer.known(self.receive(port, MAX_WORDS))

    def wait(self, seconds: float) -> None:
        """Wait for some seconds; a link returns earlier if an answer comes."""
        time.sleep(seconds)

    def offer(self, port: WritePort, words: Words) -> int:
        """Send as many words as a port is known to have room for; return how many."""
        count = min(len(words), self.room(port)) if len(words) else 0
        if count:
            self.send(port, words[:count])
        return count

    def read(self, name: str) -> int:
        """Return the raw value of a register. Raises `KeyError` for an unknown name."""
        return self.read_all([name])[name]

    def read_all(self, names: Iterable[str] | None = None) -> dict[str, int]:
        """Return the raw values of registers by name; None reads all that can be read.

        Raises `KeyError` for an unknown name and `RangeError` for a strobe.
        """
        if names is None:
            names = [r.name for r in self.map if r.access is not Access.STROBE]
        registers = self._readable(names)
        values = self._read(registers)
        return {r.name: value for r, value in zip(registers, values, strict=True)}

    def _readable(self, names: Iterable[str]) -> list[Register]:
        registers = [self.map[name] for name in names]
        for register in registers:
            if register.access is Access.STROBE:
                raise RangeError(f"{register.name} is a strobe, which has no value to read")
        return registers

    def write(self, **raw: int) -> None:
        """Write settings by name, as raw integers; all take effect in the same clock cycle.

        Raises `KeyError` for an unknown name, and `RangeError` for a value that is not allowed or a
        register that is no setting, before anything is written.
        """
        values = []
        for name, value in raw.items():
            register = self.map[name]
            if register.access is not Access.SETTING:
                raise RangeError(f"{name} is a {register.access.value}, which cannot be set")
            register.require(value)
            values.append((register, int(value)))
        self._write([*values, (self.map[COMMIT], 1)])

    def strobe(self, *names: str) -> None:
        """Fire strobes one after the other. Raises `RangeError` for a register that is none."""
        registers = [self.map[name] for name in names]
        for register in registers:
            if register.access is not Access.STROBE:
                raise RangeError(f"{register.name} is a {register.access.value}, not a strobe")
        self._write([(register, 1) for register in registers])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def spec_of_role(url: str, role: str, spec: NodeSpec | None) -> NodeSpec:
    """Return `spec`, or if it is None the standard spec of a role.

    Raises `RangeError` for an unknown role, or a spec of another role.
    """
    if role not in ROLES:
        raise RangeError(f"device = {url!r} names no role; allowed: {', '.join(ROLES)}")
    if spec is not None and spec.role != role:
        raise RangeError(f"device = {url!r} is given the spec of a {spec.role}")
    return spec or NodeSpec(role=role)


def require_no_plant(url: str, plant: Plant | None) -> None:
    """Raise `RangeError` if a plant is given for a node that is not simulated in this process."""
    if plant is not None:
        raise RangeError(f"a plant was given for {url}; allowed: for simulated nodes only")


def require_identity(found: Mapping[str, int], where: str) -> None:
    """Raise `DeviceError`, which says what to do, unless a host may read more of what answers.

    found: The identity registers of the node; where: Where it was found, for messages.
    """
    if found["id"] != IDENTITY:
        raise DeviceError(
            f"what answers at {where} is no node of Shotveil (id {found['id']:08x} instead of "
            f"{IDENTITY:08x}); connect to another port, or load the node's bitstream first"
        )
    if found["version"] != VERSION:
        newer = "host" if found["version"] > VERSION else "bitstream"
        raise DeviceError(
            f"the node at {where} has registers of version {found['version']}, this host knows "
            f"version {VERSION}; use a newer {newer}"
        )


def recognise(found: Mapping[str, int], where: str, spec: NodeSpec | None = None) -> NodeSpec:
    """Return the spec of a node with the constant registers `found`, by name.

    where: Where the node was found, for messages.
    spec: The spec that it has to have; None takes the one that its constants describe.

    Raises `DeviceError`, which says what to do, if the node was built from another spec, or has
    other registers.
    """
    require_identity(found, where)
    try:
        expected = spec or spec_of(found)
    except RangeError as error:
        raise DeviceError(
            f"the node at {where} has constants that no node of this version has ({error}); build "
            "and load its bitstream anew with this version"
        ) from None
    identity = register_map(expected).identity
    if found["spec_hash"] != identity["spec_hash"]:
        known = f"{expected.role}{' with loopback' if expected.loopback else ''}"
        raise DeviceError(
            f"the node at {where} was built from another spec ({found['spec_hash']:08x}; expected: "
            f"{known} {identity['spec_hash']:08x}); build and load its bitstream anew with this "
            "version, or open it with the spec that it was built from"
        )
    if found["map_hash"] != identity["map_hash"]:
        raise DeviceError(
            f"the node at {where} has other registers (map {found['map_hash']:08x}) though its "
            "spec is known; build and load its bitstream anew with this version, or use the "
            "version of Shotveil that it was built with"
        )
    return expected


def as_words(values: npt.ArrayLike) -> Words:
    """Return integers as words of 32 bits, shape (n,).

    Raises `RangeError` for values that are no integers from −2³¹ to 2³² − 1.
    """
    array = np.asarray(values)
    if array.dtype == np.uint32:
        return array.ravel()
    if array.size and array.dtype.kind not in "iu":
        raise RangeError(f"words are of type {array.dtype}; allowed: integers")
    for value in (array.min(initial=0), array.max(initial=0)):
        if not -(1 << 31) <= int(value) < 1 << 32:
            raise RangeError(f"word = {value} is outside the integers in [-2³¹, 2³² − 1]")
    return (array.ravel().astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)
