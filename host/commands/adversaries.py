"""The names of adversaries as a type of option, and the list of all adversaries.

The adversaries are loaded only when a name is checked or the list is printed, so that help does not
have to wait for them.
"""

from __future__ import annotations

from typing import Any

import click

from shotveil.host.commands.options import OneOf
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import RangeError


def adversary_name(*seats: str) -> OneOf:
    """An option's type: the name of an adversary in one of these seats: fibre, client, server."""
    return OneOf("attack", lambda: [who.name for who in seated(seats)])


def session_adversary_name(*seats: str) -> OneOf:
    """The same for adversaries that can act in real sessions."""
    return OneOf("attack", lambda: [who.name for who in seated(seats) if who.in_sessions])


def attack_name() -> OneOf:
    """An argument's type: the name of an adversary, or of what a client learns by plain use."""

    def names() -> list[str]:
        from shotveil.models.adversaries.adversary import SEATS, plain_uses

        return [*(who.name for who in seated(SEATS)), *plain_uses()]

    return OneOf("attack", names)


def seated(seats: tuple[str, ...]) -> list[Any]:
    """Return all adversaries in one of the seats."""
    from shotveil.models.adversaries.adversary import Adversary, adversaries

    return [who for who in adversaries(Adversary).values() if who.seat in seats]


def print_adversaries(json: bool) -> None:
    """Print all adversaries with their seat, what they do and their usual strength."""
    from shotveil.models.adversaries.adversary import SEATS, plain_uses

    found = [*seated(SEATS), *plain_uses().values()]
    if json:
        print_json(
            {
                who.name: {
                    "seat": who.seat,
                    "does": who.says,
                    "strength": who.strength and who.strength.usual,
                    "means": who.strength and who.strength.meaning,
                }
                for who in found
            }
        )
        return
    for who in found:
        click.echo(f"{who.name}\n    {described(who)}")


def described(who: Any) -> str:
    """Return a sentence that says what an adversary does and what its strength means."""
    line = f"The {who.seat} {who.says}" if who.seat != "fibre" else f"On the fibre, {who.says}"
    if who.strength is None:
        return f"{line}; it has no strength."
    return (
        f"{line}; its strength is the {who.strength.meaning}, {who.strength.usual:g} if none is "
        "given."
    )


def require_attack(strength: float | None, attack: str | None) -> None:
    """Raise `RangeError` if a strength is given without an attack."""
    if strength is not None and attack is None:
        raise RangeError("--strength is given without --attack; allowed: both or neither")
