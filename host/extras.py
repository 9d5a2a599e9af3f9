"""Imports packages that only some commands need, at the time when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Guard imports that need an extra of this package.

    Raises `ModuleNotFoundError`, which says how to install the missing package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "shotveil":
            raise
        raise ModuleNotFoundError(
            f"this needs the package {error.name}; run {remedy(extra)}", name=error.name
        ) from None


def remedy(extra: str) -> str:
    """Return the commands that install an extra, or several separated by commas."""
    target = extra.replace(",", "-")
    return f"`pip install 'shotveil[{extra}]'`, or `make setup-{target}` in a checkout"


def import_extra(module: str, extra: str) -> Any:
    """Import a module that comes with an extra, or a module of Shotveil that needs the extra.

    Raises `ModuleNotFoundError`, which says how to install the missing package.
    """
    with needs(extra):
        return importlib.import_module(module)
