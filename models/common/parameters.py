"""Settings that carry their own help, unit and allowed range.

A frozen dataclass declares its fields with `parameter`. Checks, command-line options and the names
in files are then made from that one declaration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from shotveil.models.common.checks import interval, require


@dataclass(frozen=True)
class Parameter:
    """A setting that is one real number.

    default: the default value; None where it follows from other settings.
    help: a phrase without a full stop.
    unit: the unit in words; "" for a ratio.
    limits: the bounds, as keyword arguments of `require`.
    label: the name that error messages use.
    """

    name: str
    default: float | None
    help: str
    unit: str
    limits: Mapping[str, Any]
    label: str

    @property
    def allowed(self) -> str:
        """The allowed range in mathematical notation: (0, 1]."""
        return interval(**self.limits)

    @property
    def described(self) -> str:
        """The help with unit and range, as one phrase with a full stop."""
        return f"{self.help}{f', in {self.unit}' if self.unit else ''} ({self._range})."

    @property
    def _range(self) -> str:
        ends = {name: f"{value:.4g}" for name, value in self.limits.items()}
        if ends.keys() == {"at_least"}:
            return f"{ends['at_least']} or more"
        if ends.keys() == {"at_least", "at_most"}:
            return f"from {ends['at_least']} to {ends['at_most']}"
        return ", ".join(f"{name.replace('_', ' ')} {end}" for name, end in ends.items())

    def check(self, value: Any) -> None:
        """Raise `RangeError` unless the value is within the limits."""
        require(self.label, value, **self.limits)


def parameter(default: Any, help: str, unit: str = "", *, label: str = "", **limits: float) -> Any:
    """Declare a dataclass field as a `Parameter`; the label defaults to the field's name."""
    about = {"help": help, "unit": unit, "limits": limits, "label": label}
    return dataclasses.field(default=default, metadata={Parameter: about})


@cache
def parameters(kind: Hashable) -> tuple[Parameter, ...]:
    """The fields of the dataclass `kind` that `parameter` declared, in their order."""
    found = []
    for each in dataclasses.fields(cast(Any, kind)):
        if Parameter in each.metadata:
            about = dict(each.metadata[Parameter])
            about["label"] = about["label"] or each.name.replace("_", " ")
            default: Any = each.default
            found.append(Parameter(name=each.name, default=default, **about))
    return tuple(found)


def check(settings: Any) -> None:
    """Raise `RangeError` for the first parameter of the object `settings` that is out of range."""
    kind: Any = type(settings)
    for each in parameters(kind):
        each.check(getattr(settings, each.name))
