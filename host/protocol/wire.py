"""The checks that every message has to pass before anything acts on it, and the array format."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 4  # since then a shot may give the seed of its decoys in place of the decoys
MOST_BYTES = 16 << 20  # bytes in one message; gRPC enforces this limit before parsing
MOST_IMAGES = 1024  # images in one batch
MOST_MODES = 1 << 16
MOST_ROWS = 1 << 20
MOST_REASON = 1000  # characters in the reason why a session ended
MOST_MAGNITUDE = 1e15  # size of any number in an array: sums of its square stay far from overflow


class Refusal(Enum):
    """The reasons for which a request is refused; the names are gRPC's status codes."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"


class ProtocolError(Exception):
    """A request or an answer that is refused; the text is one sentence."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal


def invalid(reason: str) -> ProtocolError:
    """Return the error that refuses a message for its content."""
    return ProtocolError(Refusal.INVALID_ARGUMENT, reason)


def check_version(message: Any) -> None:
    """Raise `ProtocolError` unless the message speaks this version."""
    if message.version != VERSION:
        raise invalid(f"protocol version {message.version} is not spoken; allowed: {VERSION}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `ProtocolError` unless low ≤ value ≤ high."""
    if not low <= value <= high:
        raise invalid(f"{name} = {value:g} is outside [{low:g}, {high:g}]")


def check_name(name: str, value: str) -> None:
    """Raise `ProtocolError` unless `value` is a short printable word."""
    if not (0 < len(value) <= 128 and value.isascii() and value.isprintable()):
        raise invalid(f"{name} is not a printable word of 1 to 128 characters")


def pack(array: NDArray[Any]) -> bytes:
    """Return the array as bytes: little-endian float64, row-major."""
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def unpack(name: str, data: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the array of `shape` from the bytes that `pack` made.

    Raises `ProtocolError` for a wrong length, or a number that is not finite or is larger than
    `MOST_MAGNITUDE`.
    """
    expected = 8 * int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise invalid(f"{name} has {len(data)} bytes; allowed: {expected}, for shape {shape}")
    array = np.frombuffer(data, dtype="<f8").reshape(shape)
    # Comparisons with not-a-number are false, so this finds those too.
    if not (np.abs(array) <= MOST_MAGNITUDE).all():
        raise invalid(f"{name} hold a number outside [−{MOST_MAGNITUDE:g}, {MOST_MAGNITUDE:g}]")
    return array
