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
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"this needs the package {package}; run `make setup-{extra}`", name=package
        ) from None
