"""Discovery of what packages define: adding a file adds a thing, without a list to keep.

A *room* is a package whose files each define objects of one kind (a bound, a board, an impairment).
Other installed packages can add objects through entry points (`plugins`).
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from shotveil.models.common.checks import RangeError

T = TypeVar("T")


def members(room: str, kind: type[T], key: str = "name") -> dict[str, T]:
    """All objects of `kind` that the files of the package `room` define at module level, by `key`.

    `key` is the attribute that holds an object's name. Files whose names start with an underscore
    are skipped. The order is that of the file names, then of definition. Raises `RangeError` where
    two objects have the same name.
    """
    found: dict[str, T] = {}
    path = importlib.import_module(room).__path__
    for name in sorted(module.name for module in pkgutil.iter_modules(path)):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{room}.{name}")
        for thing in vars(module).values():
            if not isinstance(thing, kind) or thing in found.values():
                continue
            called: Any = getattr(thing, key)
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
