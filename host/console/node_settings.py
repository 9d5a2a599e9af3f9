"""The settings of a node that a console may change: all but those that let light out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shotveil.host.console.faults import meaning, shown
from shotveil.models.common.checks import RangeError
from shotveil.models.node.register import Access, Register, RegisterMap

# Whether light leaves, and how much, is decided by who plays a batch, never by a setting.
KEPT = ("arm", "grant")
EXACT = 15  # digits, so that an end of a range can be typed in again


def offered(known: RegisterMap) -> dict[str, Register]:
    """Return the settings that a console may change, by name."""
    return {n: r for n, r in known.of(Access.SETTING).items() if n not in KEPT}


def table(known: RegisterMap, raw: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return each setting with its value, unit and range in physical units, and its meaning."""
    rows = []
    for name, register in offered(known).items():
        row: dict[str, Any] = {
            "name": name,
            "group": register.group,
            "value": shown(register, raw[name]),
            "unit": register.unit,
            "means": meaning(register),
        }
        if register.choices:
            row["choices"] = list(register.choices)
        elif register.switch:
            row["switch"] = True
        else:
            ends = register.lowest, register.highest
            row["range"] = [register.number(raw_end, EXACT) for raw_end in ends]
        rows.append(row)
    return rows


def required(known: RegisterMap, name: object, value: object) -> tuple[str, Any]:
    """Return name and value of a setting as they may be written.

    Raises `RangeError`, which names the allowed range, for a setting that is not offered and a
    value that it cannot have.
    """
    settings = offered(known)
    if not isinstance(name, str) or name not in settings:
        raise RangeError(f"{name!r} is no setting that the console changes")
    register = settings[name]
    if isinstance(value, str) and not register.choices:
        try:
            value = float(value)
        except ValueError:
            raise register.refusal(value) from None
    if not isinstance(value, bool | int | float | str):
        raise register.refusal(value)
    return name, register.to_physical(register.to_raw(value))
