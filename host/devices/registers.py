"""A node's registers in physical units, by name.

`models.node.register.Register` converts values without a node. `Registers` reads and writes the
registers of a node:

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
from shotveil.models.node.register import Access, Register, Value


class Handle:
    """One register of a node, in physical units."""

    def __init__(self, device: Device, register: Register):
        self._device = device
        self.register = register

    def get(self, unit: str | None = None) -> Value:
        """Return the current value; for a setting this is the staged one.

        unit: The register's own unit if None; for times, "s", "samples" or "symbols". Raises
        `RangeError` for any other unit.
        """
        value = self.register.to_physical(self._device.read(self.register.name))
        factor = self._factor(unit)
        return value if factor == 1 else float(value) / factor  # type: ignore[arg-type]

    def set(self, value: Value, unit: str | None = None) -> Value:
        """Set and commit a value; return the value achieved, in the same unit.

        Raises `RangeError`, which names the allowed range, for a value out of it.
        """
        register, factor = self.register, self._factor(unit)
        if factor == 1:
            raw = register.to_raw(value)
        else:
            raw = register.to_raw(_nearest(register, value, factor))
        self._device.write(**{register.name: raw})
        achieved = register.to_physical(raw)
        return achieved if factor == 1 else float(achieved) / factor  # type: ignore[arg-type]

    def _factor(self, unit: str | None) -> float:
        """Return the size of one `unit` in the register's own unit."""
        own = self.register.unit
        if unit is None or unit == own:
            return 1.0
        spec = self._device.spec
        symbol = spec.drive.samples_per_symbol / spec.clock_hz
        seconds = {"s": 1.0, "samples": 1 / spec.clock_hz, "symbols": symbol}
        if own not in seconds or unit not in seconds:
            allowed = ", ".join(seconds) if own in seconds else own or "none"
            raise RangeError(f"unit of {self.register.name} = {unit!r}; allowed: {allowed}")
        return seconds[unit] / seconds[own]

    def __repr__(self) -> str:
        register = self.register
        span = f"{register.number(register.lowest)} … {register.number(register.highest)}"
        unit = f" {register.unit}" if register.unit else ""
        return f"<{register.access.value} {register.name}: {span}{unit}; {register.doc}>"


class Registers(Mapping[str, Handle]):
    """All registers of a node except its strobes, as attributes and as a mapping by name."""

    def __init__(self, device: Device):
        self._device = device
        self._handles = {
            register.name: Handle(device, register)
            for register in device.map
            if register.access is not Access.STROBE
        }

    def __getitem__(self, name: str) -> Handle:
        self._device.map[name]  # raises `KeyError` with similar names for an unknown one
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
        """Set several registers and commit them in one clock cycle; return what was achieved.

        Raises `RangeError` for a value out of range, before anything is written.
        """
        raw = {name: self._device.map[name].to_raw(value) for name, value in values.items()}
        self._device.write(**raw)
        return {name: self._device.map[name].to_physical(r) for name, r in raw.items()}

    def read(self) -> dict[str, Value]:
        """Return the current values of all registers, by name."""
        raw = self._device.read_all()
        return {name: self._device.map[name].to_physical(value) for name, value in raw.items()}


def _nearest(register: Register, value: Value, factor: float) -> float:
    """Convert a value into the register's own unit, rounded where the register counts."""
    if isinstance(value, str | frozenset) or not math.isfinite(value):
        raise register.refusal(value)
    own = value * factor
    return own if register.quantum is not None else round(own)
