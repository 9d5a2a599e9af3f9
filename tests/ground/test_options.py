"""Every option that takes a number, with numbers that nobody means: a result, or one line."""

import click
import pytest

from shotveil.host.commands.cli import cli, main
from shotveil.host.commands.room import with_help

COMMANDS = {
    "leakage": "--rows 5 --modes 4 --gain 1.3 --photons 2",
    "attack": "tap --sessions 2 --images 2 --rows 5 --decoys 2 --modes 4 --gain 1.3 --photons 2",
}
VALUES = "nan", "-inf", "-1", "0", "1e-300", "1e300", "9" * 30, "", "1,2"


def options(name):
    with_help(cli)
    command = cli.get_command(click.Context(cli), name)
    return [
        max(each.opts, key=len)
        for each in command.params
        if isinstance(each, click.Option) and not each.is_flag
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_number_that_nobody_means_is_taken_or_refused_in_one_line(name, capsys):
    found = options(name)
    assert "--gain" in found and len(found) > 15
    for option in found:
        for value in VALUES:
            with pytest.raises(SystemExit) as stop:
                main([name, *COMMANDS[name].split(), f"{option}={value}"])
            out, err = capsys.readouterr()
            assert stop.value.code in (0, 2), (option, value, err)
            assert (stop.value.code == 0) == bool(out), (option, value)
            lines = [line for line in err.splitlines() if not line.startswith("shotveil: note:")]
            assert len(lines) == (stop.value.code == 2), (option, value, err)
