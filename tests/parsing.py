"""Commands of documents, parsed and not run."""

import click

from shotveil.host.commands.cli import cli


def parse(words):
    """Parse the words behind `shotveil`; return the context of the command that they name.

    The context of a group is returned as it is. Raises what click raises for options.
    """
    command, rest = cli, list(words)
    with click.Context(cli) as context:
        while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
            context = click.Context(command, parent=context)
            command = command.get_command(context, rest.pop(0))
            assert command is not None, words
        if isinstance(command, click.Group):
            return context
        return command.make_context(command.name, rest, parent=context)
