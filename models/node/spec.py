"""The parameters of a node that are fixed when it is built."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from shotveil.models.common.checks import RangeError, require
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec

CLOCK_HZ = 125_000_000  # the usual clock of a node and of its converters: one sample per clock

Role = Literal["server", "client"]
ROLES: tuple[Role, Role] = ("server", "client")
# Quadratures of each role's receiver: the server measures both quadratures of the returned light,
# the client's tap has a homodyne detector for one.
QUADRATURES: dict[str, int] = {"server": 2, "client": 1}
LARGEST_STORE = 1 << 20  # row symbols: 4 MiB, three networks like `mnist-paper`


@dataclass(frozen=True)
class NodeSpec:
    """Everything about a node that is fixed in hardware.

    The default `digitiser` depends on the role: both quadratures for the server, homodyne for the
    client; it takes as many samples a symbol as the `drive`, 2 or 4. `clock_hz` is the clock of the
    node and of its converters: one sample a clock. `capture` is the length of a
    raw ADC record in samples. `replay` is the number of row symbols that the server keeps until
    their light is back. `window` is the number of packets that
    may be in flight on the host link. With `loopback` the DAC codes are used as ADC words, for
    boards without converters. `store` is the number of row symbols that a server keeps for a
    session (`models.node.row_store`), a multiple of `drive.row_capacity`; 0 builds no store.

    Raises `RangeError` for a value out of range, and for a drive and a digitiser that do not fit
    each other or the role.
    """

    role: Role = "server"
    drive: DriveSpec = field(default_factory=DriveSpec)
    digitiser: DigitiserSpec = None  # type: ignore[assignment]  # never None once made
    capture: int = 4096
    window: int = 8
    replay: int = 8192  # two of the longest rows: one on its way out, one on its way back
    loopback: bool = False
    store: int = 0
    clock_hz: int = CLOCK_HZ

    @classmethod
    def chosen(
        cls,
        role: Role,
        *,
        samples_per_symbol: int = 4,
        dac_bits: int = 14,
        adc_bits: int = 14,
        **own: Any,
    ) -> NodeSpec:
        """The spec of a node by what boards and builds choose; all else is as usual.

        `own` are `clock_hz`, `loopback`, `capture`, `replay`, `window` and `store`. A host reads
        all of it from a node (`models.node.register_map.spec_of`), and so knows every node that is
        built this way. Raises `RangeError` for a value out of range.
        """
        if role not in ROLES:
            raise RangeError(f"role = {role!r} is not one of {', '.join(ROLES)}")
        digitiser = DigitiserSpec(
            quadratures=QUADRATURES[role], samples_per_symbol=samples_per_symbol, adc_bits=adc_bits
        )
        drive = DriveSpec(samples_per_symbol=samples_per_symbol, dac_bits=dac_bits)
        return cls(role, drive, digitiser, **own)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise RangeError(f"role = {self.role!r} is not one of {', '.join(ROLES)}")
        if self.digitiser is None:
            own = DigitiserSpec(
                quadratures=QUADRATURES[self.role], samples_per_symbol=self.drive.samples_per_symbol
            )
            object.__setattr__(self, "digitiser", own)
        if self.digitiser.quadratures != QUADRATURES[self.role]:
            raise RangeError(
                f"quadratures = {self.digitiser.quadratures} do not fit a {self.role}; "
                f"allowed: {QUADRATURES[self.role]}"
            )
        for name in ("samples_per_symbol", "taps", "rolloff"):
            ours, theirs = getattr(self.drive, name), getattr(self.digitiser, name)
            if ours != theirs:
                raise RangeError(f"{name} is {ours} in the drive and {theirs} in the digitiser")
        if self.drive.symbol != self.digitiser.reference:
            raise RangeError(
                f"symbol = {self.drive.symbol} of the drive is not the digitiser's reference "
                f"{self.digitiser.reference}: rows could not be compared"
            )
        require("width of symbol", self.drive.symbol.width, at_least=2, at_most=16, integer=True)
        # The limits are what a word of the host link can address.
        _require_power_of_two("capture", self.capture, 16, 1 << 15)
        _require_power_of_two("replay", self.replay, self.drive.row_capacity, 1 << 16)
        _require_power_of_two("window", self.window, 1, 32)
        most = LARGEST_STORE if self.role == "server" else 0  # a client sends no rows
        require("store", self.store, at_least=0, at_most=most, integer=True)
        if self.store % self.drive.row_capacity:
            raise RangeError(
                f"store = {self.store}; allowed: multiples of row_capacity = "
                f"{self.drive.row_capacity}"
            )
        require("clock_hz", self.clock_hz, at_least=10**6, at_most=10**9, integer=True)

    def fields(self) -> dict[str, str]:
        """All fields by name, as text; fields of the parts are named `drive.x`, `digitiser.x`."""
        return dict(_flat("", self))

    def spec_hash(self) -> int:
        """The first 32 bits of the SHA-256 over all fields, which tell one spec from another.

        A node holds it in a register, and a host refuses a node built from another spec.
        """
        return _hash(self)


@functools.cache
def _hash(spec: NodeSpec) -> int:
    text = "".join(f"{name}={value}\n" for name, value in sorted(spec.fields().items()))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in dataclasses.fields(value):
        inner = getattr(value, entry.name)
        if isinstance(inner, (DriveSpec, DigitiserSpec)):
            found += _flat(f"{prefix}{entry.name}.", inner)
        else:
            found.append((prefix + entry.name, str(inner)))
    return found


def _require_power_of_two(name: str, value: int, low: int, high: int) -> None:
    require(name, value, at_least=low, at_most=high, integer=True)
    if value & (value - 1):
        raise RangeError(f"{name} = {value} is not a power of two")
