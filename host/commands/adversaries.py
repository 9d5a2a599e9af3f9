"""Adversaries in commands: their names as a kind of argument, and their list in a command's help.

The room of adversaries is read when a name or a help page is asked for, not before: other commands
need not wait for it.
"""

from __future__ import annotations

from typing import Any

import click

from shotveil.models.common.checks import RangeError


class AdversaryName(click.ParamType):
    """The name of an adversary that takes one of these seats: fibre, client, server."""

    name = "name"

    def __init__(self, *seats: str) -> None:
        self.seats = seats

    def convert(self, value: Any, param: Any, context: Any) -> str:
        """The name; a usage error where there is no such adversary."""
        names = [who.name for who in seated(self.seats)]
        if value not in names:
            self.fail(f"{value!r} is none of {', '.join(names)}", param, context)
        return str(value)

    def shell_complete(self, context: Any, param: Any, incomplete: str) -> list[Any]:
        """Names that begin as what was typed."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(who.name, help=who.says)
            for who in seated(self.seats)
            if who.name.startswith(incomplete)
        ]


class ListsAdversaries(click.Command):
    """A command whose help ends with the adversaries that its arguments can name."""

    def format_epilog(self, context: Any, formatter: click.HelpFormatter) -> None:
        """Name, deed and strength of each."""
        for parameter in self.params:
            if isinstance(parameter.type, AdversaryName):
                with formatter.section("Adversaries"):
                    formatter.write_dl(
                        [(who.name, described(who)) for who in seated(parameter.type.seats)]
                    )


def seated(seats: tuple[str, ...]) -> list[Any]:
    """All adversaries that take one of the seats."""
    from shotveil.models.adversaries.adversary import Adversary, adversaries

    return [who for who in adversaries(Adversary).values() if who.seat in seats]


def described(who: Any) -> str:
    """Deed and strength of an adversary, in one line."""
    line = f"the {who.seat} {who.says}" if who.seat != "fibre" else f"on the fibre, {who.says}"
    if who.strength is None:
        return f"{line}; it has no strength."
    return f"{line}; its strength is the {who.strength.meaning}, {who.strength.usual:g} if none."


def require_attack(strength: float | None, attack: str | None) -> None:
    """Raise `RangeError` where a strength is given of no attack."""
    if strength is not None and attack is None:
        raise RangeError("--strength is given without --attack; allowed: both")
