"""Docstrings that people read, also where PYTHONOPTIMIZE=2 makes Python drop them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def docstring(function: Callable[..., Any]) -> str | None:
    """Return the docstring of a function, from its source if Python has dropped it."""
    if (kept := inspect.getdoc(function)) is not None:
        return kept
    try:
        source = inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):  # defined where there is no file
        return None
    (definition,) = ast.parse(textwrap.dedent(source)).body
    return ast.get_docstring(definition) if isinstance(definition, ast.FunctionDef) else None
