"""The `shotveil` command: gathers the commands and turns every refusal into one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from host.commands.demo import demo
from host.commands.infer import infer
from host.commands.leakage import leakage
from host.commands.train import train
from models.checks import RangeError

BAD_INPUT, INTERRUPTED = 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="shotveil")
def cli() -> None:
    """Quantum-secure multiparty deep learning: networks evaluated through weak light."""


for command in (demo, infer, leakage, train):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0, 2 for input that is refused, 130 for Ctrl-C."""
    try:
        code = cli.main(arguments, prog_name="shotveil", standalone_mode=False)
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
