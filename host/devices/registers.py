"""A node's registers in physical units, by name.

`to_raw` and `to_physical` convert without a node. `Registers` reads and writes those of a node:

    registers = Registers(device)
    registers.drive_scale.set(0.35)         # 0.350006103515625: what was achieved
    registers.watchdog.get()                # seconds
    registers.loop_delay.set(2e-6, "s")     # or in samples
    registers.set(drive_gain_i=0.98, drive_gain_q=1.01)  # both in the same clock
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from shotveil.host.devices.device import Device
from shotveil.models.common.checks import RangeError
from shotveil.models.node.register_map import CLOCK_HZ, Access, Register

# A number with a unit, a count, on or off, the name of a choice, or the names of flags that are up.
Value = float | int | bool | str | frozenset[str]


def to_raw(register: Register, value: Value) -> int:
    """The raw integer for a physical value, the nearest where it lies between two.

    Raises `RangeError` naming value and range for what the register cannot be.
    """
    if register.choices:
        if value not in register.choices:
            raise RangeError(f"{register.name} = {value!r}; allowed: {', '.join(register.choices)}")
        return register.choices.index(str(value))
    if register.width == 1 and register.quantum is None:
        if value not in (0, 1):
            raise RangeError(f"{register.name} = {value!r}; allowed: True, False")
        return int(bool(value))
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _outside(register, value) from None
    if not math.isfinite(number):
        raise _outside(register, value)
    if register.quantum is None:
        if number != int(number):
            raise _outside(register, value)
        raw = int(value)  # type: ignore[arg-type]
    else:
        raw = round(number / register.quantum)
    if not register.lowest <= raw <= register.highest:
        raise _outside(register, value)
    return raw


def to_physical(register: Register, raw: int) -> Value:
    """The physical value of a raw integer."""
    if register.choices:
        return register.choices[raw] if raw < len(register.choices) else f"unknown ({raw})"
    if register.flags:
        return frozenset(name for k, name in enumerate(register.flags) if raw >> k & 1)
    if register.quantum is not None:
        return raw * register.quantum
    return bool(raw) if register.width == 1 else raw


class Handle:
    """One register of a node, in physical units."""

    def __init__(self, device: Device, register: Register):
        self._device = device
        self.register = register

    def get(self, unit: str | None = None) -> Value:
        """The value now; of a setting the one that is staged. In the register's unit if none is
        given; times may be asked for in s, samples or symbols."""
        value = to_physical(self.register, self._device.read(self.register.name))
        factor = self._factor(unit)
        return value if factor == 1 else float(value) / factor  # type: ignore[arg-type]

    def set(self, value: Value, unit: str | None = None) -> Value:
        """Set and commit; what was achieved, in the same unit.

        Raises `RangeError` naming the value and the range for what is out of reach.
        """
        register, factor = self.register, self._factor(unit)
        if factor == 1:
            raw = to_raw(register, value)
        else:
            raw = to_raw(register, _nearest(register, value, factor))
        self._device.write(**{register.name: raw})
        achieved = to_physical(register, raw)
        return achieved if factor == 1 else float(achieved) / factor  # type: ignore[arg-type]

    def _factor(self, unit: str | None) -> float:
        """How many of the register's units are one `unit`."""
        own = self.register.unit
        if unit is None or unit == own:
            return 1.0
        symbol = self._device.spec.drive.samples_per_symbol
        seconds = {"s": 1.0, "samples": 1 / CLOCK_HZ, "symbols": symbol / CLOCK_HZ}
        if own not in seconds or unit not in seconds:
            allowed = ", ".join(seconds) if own in seconds else own or "none"
            raise RangeError(f"unit of {self.register.name} = {unit!r}; allowed: {allowed}")
        return seconds[unit] / seconds[own]

    def __repr__(self) -> str:
        register = self.register
        span = f"{_number(register, register.lowest)} … {_number(register, register.highest)}"
        unit = f" {register.unit}" if register.unit else ""
        return f"<{register.access.value} {register.name}: {span}{unit}; {register.doc}>"


class Registers(Mapping[str, Handle]):
    """All registers of a node but its strobes, as attributes and as a mapping by name."""

    def __init__(self, device: Device):
        self._device = device
        self._handles = {
            register.name: Handle(device, register)
            for register in device.map
            if register.access is not Access.STROBE
        }

    def __getitem__(self, name: str) -> Handle:
        self._device.map[name]  # its error shows names that are alike
        return self._handles[name]

    def __getattr__(self, name: str) -> Handle:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(*error.args) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._handles]

    def __repr__(self) -> str:
        return f"<{len(self)} registers of {self._device.name}>"

    def set(self, **values: Value) -> dict[str, Value]:
        """Set several and commit them in one clock; what was achieved, by name.

        Raises `RangeError` before anything is written.
        """
        raw = {name: to_raw(self._device.map[name], value) for name, value in values.items()}
        self._device.write(**raw)
        return {name: to_physical(self._device.map[name], r) for name, r in raw.items()}

    def read(self) -> dict[str, Value]:
        """All values now, by name."""
        raw = self._device.read_all()
        return {name: to_physical(self._device.map[name], value) for name, value in raw.items()}


def _nearest(register: Register, value: Value, factor: float) -> float:
    """A value in another unit as one of the register's own, whole where it counts."""
    if isinstance(value, str | frozenset) or not math.isfinite(value):
        raise _outside(register, value)
    own = value * factor
    return own if register.quantum is not None else round(own)


def _outside(register: Register, value: object) -> RangeError:
    low, high = _number(register, register.lowest), _number(register, register.highest)
    kind = "" if register.quantum is not None else "the integers in "
    unit = f" {register.unit}" if register.unit else ""
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    return RangeError(f"{register.name} = {shown} is outside {kind}[{low}, {high}]{unit}")


def _number(register: Register, raw: int) -> str:
    return str(raw) if register.quantum is None else f"{raw * register.quantum:.9g}"
