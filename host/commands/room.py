"""Groups of commands that are found by their files, and by entry points of other packages."""

from __future__ import annotations

import importlib
from typing import Any

import click

from shotveil.models.common.checks import RangeError
from shotveil.models.common.docstrings import docstring
from shotveil.models.common.registry import files, plugins


class Room(click.Group):
    """A group with one command for each file of the package `room`.

    A file adds a command by defining one with the file's name: `link_soak.py` defines `link_soak`,
    which a person calls `link-soak`. Files without such a command, for example with shared code,
    are ignored. Other packages add commands by entry points in the group `offered`.

    A file is imported when its command is used or listed, so it imports slow modules only inside
    the command's function.
    """

    def __init__(self, *arguments: Any, room: str, offered: str | None = None, **settings: Any):
        super().__init__(*arguments, **settings)
        self.room, self.offered = room, offered

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in alphabetical order.

        Raises `RangeError` where another package offers a command that exists already.
        """
        own = {name for name in self._files() if self._defined(name) is not None}
        further = set(self._further())
        if twice := sorted(own & further):
            raise RangeError(
                f"the command {twice[0]} is offered by another package; "
                f"allowed: a name other than {', '.join(sorted(own))}"
            )
        return sorted(own | further)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None if there is none."""
        command = self._own(cmd_name)
        if command is None and (point := self._further().get(cmd_name)) is not None:
            command = with_help(point.load())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List all commands with the whole first sentence of each."""
        names = self.list_commands(ctx)
        rows = []
        for name in names:
            command = self.get_command(ctx, name)
            assert command is not None
            rows.append((name, command.get_short_help_str(limit=1000)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _own(self, name: str) -> click.Command | None:
        """Return the command that a file of this package defines under its own name."""
        return self._defined(name) if name in self._files() else None

    def _files(self) -> list[str]:
        return [file.replace("_", "-") for file in files(self.room)]

    def _defined(self, name: str) -> click.Command | None:
        file = name.replace("-", "_")
        found = getattr(importlib.import_module(f"{self.room}.{file}"), file, None)
        if not isinstance(found, click.Command) or found.name != name:
            return None
        return with_help(found)

    def _further(self) -> dict[str, Any]:
        return {} if self.offered is None else plugins(self.offered)


def with_help(command: click.Command) -> click.Command:
    """Give a command, and those within it, the help that their docstrings would have given."""
    if command.help is None and command.callback is not None:
        command.help = docstring(command.callback)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_help(inner)
    return command
