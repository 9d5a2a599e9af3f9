"""What a node's faults, flags and counters mean, in words for the person at the bench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shotveil.models.node.register import Register, RegisterMap, RegisterRole

WHY_STOPPED = {
    "tripped": "the drive could not send a symbol, or its DAC saturated; the light is off",
    "watchdog": "the host was silent for longer than the setting watchdog allows",
    "link": "the host link reported a damaged packet that it could not mend",
    "starved": "a row was due and had not arrived",
    "stop": "somebody stopped it",
}
_GRAVE = (RegisterRole.SPOILS, RegisterRole.FLAG, RegisterRole.NOTICE)


def shown(register: Register, raw: int) -> Any:
    """Return a register's physical value as plain JSON."""
    value = register.to_physical(raw)
    return sorted(value) if isinstance(value, frozenset) else value


def meaning(register: Register) -> str:
    """Return what a register means, without the marks of code that its page has."""
    return register.doc.removeprefix("sticky: ").replace("`", "")


def problems(known: RegisterMap, raw: Mapping[str, int]) -> list[dict[str, str]]:
    """Return everything that is wrong: its name, how grave it is, and what it means.

    Faults come first, then what spoils results, then flags and what ordinary batches show as well.
    """
    found = []
    for name, register in known.of(RegisterRole.FAULT).items():
        for fault in shown(register, raw[name]):
            found.append({"name": fault, "role": "fault", "means": WHY_STOPPED.get(fault, "")})
    for role in _GRAVE:
        for name, register in known.of(role).items():
            if raw[name]:
                found.append({"name": name, "role": role.value, "means": meaning(register)})
    return found


def counters(known: RegisterMap, raw: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return all counters with their values, units and meanings."""
    return [
        {"name": name, "value": raw[name], "unit": register.unit, "means": meaning(register)}
        for name, register in known.of(RegisterRole.COUNTER).items()
    ]
