"""What a room offers is what its files define: one new file adds one thing, and no list names it.

A *room* is a package whose files each define objects of one kind (a bound, a board, an impairment).
A third package adds to what may be added from outside by an entry point (`plugins`).
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from shotveil.models.common.checks import RangeError

T = TypeVar("T")


def members(room: str, kind: type[T], key: str = "name") -> dict[str, T]:
    """All objects of `kind` that files of the package `room` define at their top, by their `key`.

    A file that starts with an underscore is none of the room's things. The order is that of the
    files' names, then of definition. Raises `RangeError` where two objects bear one name.
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
    """Entry points of installed packages in `group`, ours among them, by name; not loaded yet.

    Raises `RangeError` where two packages offer one name.
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
