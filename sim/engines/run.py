"""What every bench does: it feeds streams, pauses at random, collects samples, and finds errors.

A `Run` says what goes in and how much must come out, a `Result` what came out. `AmaranthBench` (in
`sim.engines.amaranth_bench`) and `VerilatorBench` (in `sim.engines.verilator_bench`) play the same
runs, so a test is written once for both.

Stream data are int64 arrays; for a payload with fields, they are a dictionary of such arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Shape, Value
from amaranth.lib import data, stream, wiring

from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray

Samples = IntArray | Mapping[str, IntArray]


class BenchError(AssertionError):
    """The design under test broke a rule of the bench."""


class Timeout(BenchError):
    """The samples that were due did not come in time."""


class ExtraOutput(BenchError):
    """More samples came out than were due."""


@dataclass(frozen=True)
class Run:
    """One exercise of a design. Runs of one call follow each other without a reset.

    `settings` are values of plain input ports, held for the run. `inputs` are the samples of each
    input stream. `due` is the number of samples expected from each output stream. `stall` is the
    probability that the bench's side of a stream pauses in a clock: one number for all streams, or
    one for each by name (0 for those that are not named). `linger` is the number of clocks for
    which the bench watches for extra output after the last sample. `timeout` is in clocks (default:
    1000 and 8 per sample, at the given stall).
    """

    settings: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Samples] = field(default_factory=dict)
    due: Mapping[str, int] = field(default_factory=dict)
    stall: float | Mapping[str, float] = 0.0
    seed: int = 1
    linger: int = 64
    timeout: int | None = None

    def __post_init__(self) -> None:
        given = self.stall.values() if isinstance(self.stall, Mapping) else [self.stall]
        for stall in given:
            require("stall", stall, at_least=0, at_most=0.99)
        require("seed", self.seed, at_least=1, below=2**31, integer=True)
        require("linger", self.linger, at_least=0, integer=True)

    def stall_of(self, name: str) -> float:
        """The probability that one stream pauses."""
        return self.stall.get(name, 0.0) if isinstance(self.stall, Mapping) else self.stall


@dataclass(frozen=True)
class Result:
    """What came out of a run: samples of output streams, and values of plain ports at its end.

    For each stream, `first` is the clock of its first transfer and `last` that of its last, counted
    from the start of the run. `clocks` is the run's length and `seconds` its wall time.
    """

    outputs: Mapping[str, Any]
    status: Mapping[str, int]
    first: Mapping[str, int]
    last: Mapping[str, int]
    clocks: int
    seconds: float


@dataclass(frozen=True)
class Ports:
    """The ports of a component, sorted by what a bench does with them."""

    inputs: Mapping[str, Any]  # stream name → interface
    outputs: Mapping[str, Any]
    settings: Mapping[str, Value]
    status: Mapping[str, Value]

    @classmethod
    def of(cls, component: wiring.Component) -> Ports:
        """Sort a component's signature, where the member `m` of an interface `n` is called `n__m`.

        Raises `TypeError` on a stream that is too wide.
        """
        found: dict[str, dict[str, Any]] = {f.name: {} for f in dataclasses.fields(cls)}

        def sort(signature: wiring.Signature, interface: Any, prefix: str) -> None:
            for own, member in signature.members.items():
                name = prefix + own
                port = getattr(interface, own)
                incoming = member.flow is wiring.In
                if member.is_port:
                    found["settings" if incoming else "status"][name] = Value.cast(port)
                elif isinstance(member.signature, stream.Signature) or isinstance(
                    member.signature.flip(), stream.Signature
                ):
                    if len(Value.cast(port.payload)) > 64:
                        raise TypeError(f"stream {name} is wider than the 64 bits allowed")
                    found["inputs" if incoming else "outputs"][name] = port
                else:
                    # The interface's members count from its own side.
                    sort(member.signature, port, f"{name}__")

        sort(component.signature, component, "")
        return cls(**found)


Fields = dict[str, tuple[int, Shape]]  # offset and shape of each field of a payload


def pack(payload: Any, samples: Samples) -> npt.NDArray[np.uint64]:
    """Samples of a stream as payload words. Raises `RangeError` on a value that does not fit.

    `payload` may also be the result of `fields_of`, which saves time if there are many calls.
    """
    fields = fields_of(payload)
    given = samples if isinstance(samples, Mapping) else {"": samples}
    if set(given) != set(fields):
        raise ValueError(f"fields {sorted(given)} were given, the payload has {sorted(fields)}")
    length = max((np.size(values) for values in given.values()), default=0)
    word = np.zeros(length, dtype=np.uint64)
    for name, (offset, shape) in fields.items():
        low = -(1 << (shape.width - 1)) if shape.signed else 0
        high = (1 << (shape.width - shape.signed)) - 1
        values = np.broadcast_to(np.asarray(given[name], dtype=np.int64), (length,))
        require(f"stream field {name or 'payload'}", values, at_least=low, at_most=high)
        mask = np.uint64((1 << shape.width) - 1)
        word |= (values.astype(np.uint64) & mask) << np.uint64(offset)
    return word


def unpack(payload: Any, words: npt.NDArray[np.uint64]) -> Any:
    """Payload words as samples: the inverse of `pack`."""
    taken = {
        name: (to_signed if shape.signed else _unsigned)(words >> np.uint64(offset), shape.width)
        for name, (offset, shape) in fields_of(payload).items()
    }
    return taken[""] if list(taken) == [""] else taken


def to_signed(words: npt.ArrayLike, width: int) -> IntArray:
    """The lowest `width` bits of unsigned words as two's complement numbers."""
    # Shifting to the top and back extends the sign.
    moved = np.asarray(words).astype(np.uint64) << np.uint64(64 - width)
    return moved.view(np.int64) >> (64 - width)


def default_timeout(run: Run) -> int:
    """Clocks that a run may take."""
    if run.timeout is not None:
        return run.timeout
    samples = sum(_length(s) for s in run.inputs.values()) + sum(run.due.values())
    slowest = max([0.0, *(run.stall_of(name) for name in (*run.inputs, *run.due))])
    return int(1000 + run.linger + 8 * samples / (1 - slowest))


def _length(samples: Samples) -> int:
    if isinstance(samples, Mapping):
        return max((np.size(values) for values in samples.values()), default=0)
    return int(np.size(samples))


def _unsigned(words: npt.NDArray[np.uint64], width: int) -> IntArray:
    return (words & np.uint64((1 << width) - 1)).astype(np.int64)


def fields_of(payload: Any) -> Fields:
    """Offset and shape of each field of a payload; the name is empty where there are none."""
    if isinstance(payload, dict):
        return payload
    if isinstance(payload, data.View):
        layout = payload.shape()
        return {name: (field.offset, Shape.cast(field.shape)) for name, field in layout}
    return {"": (0, Value.cast(payload).shape())}
