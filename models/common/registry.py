"""Discovery of what packages define: adding a file adds a thing, without a list to keep.

A *room* is a package whose files each define objects of one kind (a bound, a board, an impairment).
Other installed packages can add objects through entry points (`plugins`).
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from shotveil.models.common.checks import RangeError

T = TypeVar("T")


def files(room: str) -> list[str]:
    """Names of the modules of the package `room`, in alphabetical order, none of them imported.

    Those whose names start with an underscore are left out.
    """
    path = importlib.import_module(room).__path__
    names = (module.name for module in pkgutil.iter_modules(path))
    return sorted(name for name in names if not name.startswith("_"))


def members(room: str, kind: type[T]) -> dict[str, T]:
    """All objects of `kind` that the files of the package `room` define at module level, by `name`.

    The order is that of `files`, then of definition. Raises `RangeError` where two objects have the
    same name.
    """
    found: dict[str, T] = {}
    for name in files(room):
        module = importlib.import_module(f"{room}.{name}")
        for thing in vars(module).values():
            if not isinstance(thing, kind) or thing in found.values():
                continue
            called: str = thing.name  # type: ignore[attr-defined]
            if called in found:
                raise RangeError(
                    f"{kind.__name__} {called!r} is defined twice, again in {room}.{name}"
                )
            found[called] = thing
    return found


def plugins(group: str) -> dict[str, EntryPoint]:
    """Entry points of all installed packages in `group`, this one included, by name; not loaded.

    Raises `RangeError` where two packages offer the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        if point.name in found and found[point.name].value != point.value:
            raise RangeError(
                f"{group} {point.name!r} is offered twice, as {found[point.name].value} "
                f"and as {point.value}; allowed: one package for each name"
            )
        found[point.name] = point
    return found
