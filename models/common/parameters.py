"""Settings that say of themselves what they mean and what they may be.

A frozen dataclass writes its fields with `parameter`; checks, command-line options, and names in
files are then made from the one place where the field stands.
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

    help: a phrase without a full stop. unit: in words, "" for a ratio. limits: as `require` takes
    them. default: None where it follows from other settings. label: what errors call it.
    """

    name: str
    default: float | None
    help: str
    unit: str
    limits: Mapping[str, Any]
    label: str

    @property
    def allowed(self) -> str:
        """The range that it may have, for people: (0, 1]."""
        return interval(**self.limits)

    @property
    def described(self) -> str:
        """Help with unit and range, as a whole phrase."""
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
    """A field of a dataclass that is a `Parameter`; the label is the field's name if not given."""
    about = {"help": help, "unit": unit, "limits": limits, "label": label}
    return dataclasses.field(default=default, metadata={Parameter: about})


@cache
def parameters(kind: Hashable) -> tuple[Parameter, ...]:
    """Those fields of the dataclass `kind` that `parameter` made, in their order."""
    found = []
    for each in dataclasses.fields(cast(Any, kind)):
        if Parameter in each.metadata:
            about = dict(each.metadata[Parameter])
            about["label"] = about["label"] or each.name.replace("_", " ")
            default: Any = each.default
            found.append(Parameter(name=each.name, default=default, **about))
    return tuple(found)


def check(settings: Any) -> None:
    """Raise `RangeError` for the first parameter of an object that is outside its limits."""
    kind: Any = type(settings)
    for each in parameters(kind):
        each.check(getattr(settings, each.name))
