"""The output of commands: text for a person, or with `--json` only one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click


class Failed(Exception):
    """The work was done and its answer is no: the command says why and ends with exit code 1."""


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object. Raises `ValueError` for NaN and infinity, which JSON does not have."""
    click.echo(json.dumps(values, indent=2, allow_nan=False))


def print_event(event: str, **values: Any) -> None:
    """Print one JSON object on a line of its own and flush it, since the process continues."""
    click.echo(json.dumps({"event": event, **values}, allow_nan=False))


def print_files(written: Mapping[Path, str], json: bool) -> None:
    """Print the files that were written, each with a word on what is in it."""
    if json:
        print_json({"files": {str(path): what for path, what in written.items()}})
        return
    for path, what in written.items():
        click.echo(f"{path}: {what}")


def print_report(parts: Mapping[str, Iterable[str]], json: bool) -> None:
    """Print the lines of each part as they come, or with `json` all of them as lists by part."""
    if json:
        print_json({name: list(lines) for name, lines in parts.items()})
        return
    for number, lines in enumerate(parts.values()):
        if number:
            click.echo()
        for line in lines:
            click.echo(line)
