"""Packages that only some commands need, imported when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Where what is imported needs an extra.

    Raises `ModuleNotFoundError` that tells how to get what is missing.
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
    """The commands that install an extra, or several with commas between them."""
    target = extra.replace(",", "-")
    return f"`pip install 'shotveil[{extra}]'`, or `make setup-{target}` in a checkout"


def import_extra(module: str, extra: str) -> Any:
    """Import a module that an extra installs, or one of ours that needs what it installs.

    Raises `ModuleNotFoundError` that tells how to get what is missing.
    """
    with needs(extra):
        return importlib.import_module(module)
