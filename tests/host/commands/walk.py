"""Every command of the program, for tests that look at all of them."""

import click

from shotveil.host.commands.cli import cli


def commands():
    """Path and command of each, groups among them: `()` is the program itself."""
    return list(_below((), cli))


def _below(path, command):
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from _below((*path, name), command.get_command(context, name))


def leaves():
    """Those that do something, and are no groups."""
    return [(path, found) for path, found in commands() if not isinstance(found, click.Group)]


def name(path):
    """As a person writes it."""
    return " ".join(("shotveil", *path))
