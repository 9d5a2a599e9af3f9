"""Registers and the map of a node's registers: names, addresses, allowed values, physical units.

* A *constant* is fixed when the node is built.
* A *setting* is staged when it is written. The next `commit` puts all staged settings into effect
  at once; during a batch, only the `live` ones, while the others stay staged. Reading a setting
  gives the staged value.
* A *strobe* acts once for each write, whatever value is written.
* A *status* shows what the node is doing. Reading the first word of a status with several words
  latches the others, so the words belong together if they are read in order.

The registers of a node are declared in `models.node.register_map`.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shotveil.models.common.checks import RangeError, require
from shotveil.models.host_link.packet import ADDRESS_BITS, WORD

# A number with a unit, a count, on or off, the name of a choice, or the names of the flags that are
# set.
Value = float | int | bool | str | frozenset[str]


class Access(enum.Enum):
    """What a host may do with a register."""

    CONSTANT = "constant"
    STROBE = "strobe"
    SETTING = "setting"
    STATUS = "status"


class RegisterRole(enum.Enum):
    """The purpose of a register, as its host sees it."""

    IDENTITY = "identity"  # it tells what the node is; a host compares it before trusting the rest
    DIMENSION = "dimension"  # it tells the size of a part of the node; a host computes with it
    CONTROL = "control"  # the host controls the node with it
    STATE = "state"  # it tells what the node is doing now
    MEASUREMENT = "measurement"  # it holds a measured value
    COUNTER = "counter"  # it counts events since `clear` and saturates at its largest value
    FLAG = "flag"  # something went wrong; it stays set until `clear`
    SPOILS = "spoils"  # results of the batch are wrong or missing; it stays set until `clear`
    NOTICE = "notice"  # ordinary batches set it as well; it stays set until `clear`
    FAULT = "fault"  # it tells why emission stopped; it stays set until `clear`


# The roles that a register of each access kind may have; the first is the default.
ROLES_OF = {
    Access.CONSTANT: (RegisterRole.DIMENSION, RegisterRole.IDENTITY),
    Access.STROBE: (RegisterRole.CONTROL,),
    Access.SETTING: (RegisterRole.CONTROL,),
    Access.STATUS: (
        RegisterRole.STATE,
        RegisterRole.MEASUREMENT,
        RegisterRole.COUNTER,
        RegisterRole.FLAG,
        RegisterRole.SPOILS,
        RegisterRole.NOTICE,
        RegisterRole.FAULT,
    ),
}


@dataclass(frozen=True)
class Register:
    """One register: an integer of `width` bits, allowed from `low` to `high`.

    `quantum` is the physical value of one step, in `unit`; it is None for a plain number. `reset`
    is the value of a setting after reset, and the fixed value of a constant. `choices` name the
    values 0, 1, … of an enumeration; `flags` name the bits, from the lowest. A `live` setting takes
    effect during a batch, all others only between batches. The default `role` is
    the first that `ROLES_OF` lists for `access`.

    Raises `RangeError` for a width, a range or a reset value that is impossible, and for a role
    that does not fit `access`.
    """

    name: str
    width: int
    access: Access
    doc: str
    group: str = "node"
    signed: bool = False
    unit: str = ""
    quantum: float | None = None
    low: int | None = None  # None means the lowest value of that width; likewise for `high`
    high: int | None = None
    reset: int = 0
    choices: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    live: bool = False
    # The role is left out of `repr`, and so of `map_hash`: it changes how a host interprets the
    # register, not its bits.
    role: RegisterRole = field(default=None, repr=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        require(f"width of {self.name}", self.width, at_least=1, at_most=2 * WORD, integer=True)
        require(f"low of {self.name}", self.lowest, at_least=self._range[0], integer=True)
        require(f"high of {self.name}", self.highest, at_most=self._range[1], integer=True)
        require(f"reset of {self.name}", self.reset, at_least=self._range[0], integer=True)
        require(f"reset of {self.name}", self.reset, at_most=self._range[1], integer=True)
        allowed = ROLES_OF[self.access]
        if self.role is None:
            object.__setattr__(self, "role", allowed[0])
        if self.role not in allowed:
            raise RangeError(
                f"role of {self.name} = {self.role.value}; allowed for a {self.access.value}: "
                f"{', '.join(role.value for role in allowed)}"
            )

    @property
    def _range(self) -> tuple[int, int]:
        half = 1 << (self.width - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def lowest(self) -> int:
        """The smallest raw value allowed."""
        return self._range[0] if self.low is None else self.low

    @property
    def highest(self) -> int:
        """The largest raw value allowed."""
        return self._range[1] if self.high is None else self.high

    @property
    def words(self) -> int:
        """Number of 32-bit words that the register takes on the bus."""
        return -(-self.width // WORD)

    @property
    def switch(self) -> bool:
        """Whether the register is an on/off switch rather than a number."""
        return self.width == 1 and self.quantum is None

    # Raw values on the bus

    def require(self, raw: int) -> None:
        """Raise `RangeError` unless the raw value is allowed."""
        if not self.lowest <= raw <= self.highest:
            raise RangeError(
                f"{self.name} = {raw} is outside the integers in [{self.lowest}, {self.highest}]"
            )

    def unsigned(self, raw: int) -> int:
        """The bits of a raw value, as an unsigned integer."""
        return raw & ((1 << self.width) - 1)

    def to_words(self, raw: int) -> list[int]:
        """The words to write for a raw value, low word first.

        Raises `RangeError` unless the value is allowed.
        """
        self.require(raw)
        bits = self.unsigned(raw)
        return [bits >> (WORD * k) & ((1 << WORD) - 1) for k in range(self.words)]

    def from_words(self, words: list[int]) -> int:
        """The raw value of the words that were read, low word first."""
        bits = self.unsigned(sum(word << (WORD * k) for k, word in enumerate(words)))
        return bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits

    # Physical values

    def to_raw(self, value: Value) -> int:
        """The raw integer nearest to a physical value.

        Raises `RangeError` with value and range for a value that the register cannot have.
        """
        if self.choices:
            if value not in self.choices:
                raise RangeError(f"{self.name} = {value!r}; allowed: {', '.join(self.choices)}")
            return self.choices.index(str(value))
        if self.switch:
            if value not in (0, 1):
                raise RangeError(f"{self.name} = {value!r}; allowed: True, False")
            return int(bool(value))
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise self.refusal(value) from None
        if not math.isfinite(number):
            raise self.refusal(value)
        if self.quantum is not None:
            raw = round(number / self.quantum)
        elif number == int(number):
            raw = int(value)  # type: ignore[arg-type]  # exact; the float may have lost digits
        else:
            raise self.refusal(value)
        if not self.lowest <= raw <= self.highest:
            raise self.refusal(value)
        return raw

    def to_physical(self, raw: int) -> Value:
        """The physical value of a raw integer."""
        if self.choices:
            return self.choices[raw] if raw < len(self.choices) else f"unknown ({raw})"
        if self.flags:
            return frozenset(name for k, name in enumerate(self.flags) if raw >> k & 1)
        if self.switch:
            return bool(raw)
        return raw if self.quantum is None else raw * self.quantum

    def number(self, raw: int, digits: int = 9) -> str:
        """A raw value as text: the number in the register's unit, without the unit's name."""
        return str(raw) if self.quantum is None else f"{raw * self.quantum:.{digits}g}"

    def refusal(self, value: object) -> RangeError:
        """The error to raise for a physical value that the register cannot have."""
        kind = "" if self.quantum is not None else "the integers in "
        unit = f" {self.unit}" if self.unit else ""
        shown = f"{value:g}" if isinstance(value, float) else repr(value)
        low, high = self.number(self.lowest), self.number(self.highest)
        return RangeError(f"{self.name} = {shown} is outside {kind}[{low}, {high}]{unit}")


class RegisterMap:
    """Registers by name, in the order of their addresses.

    Raises `ValueError` if two registers share a name, or if they need more words than the bus can
    address.
    """

    def __init__(self, registers: tuple[Register, ...]):
        self._registers = {register.name: register for register in registers}
        if len(self._registers) != len(registers):
            names = [register.name for register in registers]
            raise ValueError(f"two registers are called {max(names, key=names.count)!r}")
        self._addresses: dict[str, int] = {}
        self.size = 0  # words
        for register in registers:
            self._addresses[register.name] = self.size
            self.size += register.words
        if self.size > 1 << ADDRESS_BITS:
            raise ValueError(f"{self.size} words do not fit {ADDRESS_BITS} address bits")

    def __getitem__(self, name: str) -> Register:
        """The register of that name. Raises `KeyError` with similar names if there is none."""
        try:
            return self._registers[name]
        except KeyError:
            raise KeyError(f"the node has no register {name!r}{_like(name, self)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._registers

    def __iter__(self) -> Iterator[Register]:
        return iter(self._registers.values())

    def __len__(self) -> int:
        return len(self._registers)

    def address(self, name: str) -> int:
        """Word address of a register's first word. Raises `KeyError` for an unknown name."""
        self[name]
        return self._addresses[name]

    def of(self, kind: Access | RegisterRole) -> dict[str, Register]:
        """The registers of one kind of access or of one role, by name."""
        return {r.name: r for r in self if kind in (r.access, r.role)}

    @functools.cached_property
    def constants(self) -> Mapping[str, int]:
        """Values that are fixed when the node is built, by name."""
        return {name: register.reset for name, register in self.of(Access.CONSTANT).items()}

    @property
    def identity(self) -> Mapping[str, int]:
        """Names and values that a host compares before it trusts any other register."""
        return {name: r.reset for name, r in self.of(RegisterRole.IDENTITY).items()}


def _like(name: str, registers: RegisterMap) -> str:
    """A hint at registers whose names end in the same word as the unknown `name`."""
    end = name.rpartition("_")[2]
    near = [register.name for register in registers if register.name.rpartition("_")[2] == end]
    return f"; there is {', '.join(near)}" if near else ""
