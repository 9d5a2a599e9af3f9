"""Options and arguments with values that nobody means: a result, or one line."""

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


PLACES = (
    "ledger init {}",
    "ledger show {}",
    "ledger backup {} --to b",
    "ledger capacity {} --servers 2",
    "certificate request {} 1",
    "compile {}",
    "features {} --out x",
    "sweep {}",
    "infer --images 1 --gain 1.3 --f2 1 --network {}",
    "device capture model:server --out {}",
    "train --data {}",
)


@pytest.mark.parametrize("path", ["", ".", "/", "no/such/file", "/dev/full"])
def test_a_path_that_nobody_means_is_refused_in_one_line(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in PLACES:
        with pytest.raises(SystemExit) as stop:
            main([path if word == "{}" else word for word in place.split()])
        err = capsys.readouterr().err
        assert stop.value.code == 2 and err.count("\n") == 1, (place, err)
    assert not any(tmp_path.iterdir())
