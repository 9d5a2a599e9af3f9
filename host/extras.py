"""Packages that only some commands need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any


def import_extra(module: str, extra: str) -> Any:
    """Import a module that an extra installs; `ModuleNotFoundError` tells how to get it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name not in (package, module):
            raise
        raise ModuleNotFoundError(
            f"this needs the package {error.name}; run `make setup-{extra}`", name=error.name
        ) from None
