"""The `shotveil` command: finds the commands and turns every refusal into one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from shotveil.models.common.checks import RangeError

# Each is a function of the same name in a module of the same name in host/commands.
COMMANDS = (
    *("demo", "infer", "leakage", "plan", "figures", "sweep", "train"),
    *("serve", "ask", "link", "keys", "ledger", "attack"),
    "device",
)
BAD_INPUT, INTERRUPTED = 2, 130


class Commands(click.Group):
    """Commands that are imported when they are used: none waits for what another one needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"shotveil.host.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="shotveil")
def cli() -> None:
    """Quantum-secure multiparty deep learning: networks evaluated through weak light."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0, 2 for input that is refused, 130 for Ctrl-C."""
    try:
        code = cli.main(arguments, prog_name="shotveil", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        _refuse(error.format_message())
    except (RangeError, ModuleNotFoundError) as error:
        _refuse(str(error))
    except (KeyboardInterrupt, click.Abort):
        print("shotveil: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> None:
    print("shotveil: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(BAD_INPUT)
