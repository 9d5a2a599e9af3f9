"""What tests of commands share: a command line, run in this process."""

import shlex

import pytest

from shotveil.host.commands.cli import main


@pytest.fixture
def shotveil(capsys):
    """Run a command line, return (exit code, standard output, standard error)."""

    def run(command):
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command))
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def refused(shotveil, tmp_path, monkeypatch):
    """Run a command line that has to be refused in one line, before anything is written."""
    monkeypatch.chdir(tmp_path)

    def check(command, message):
        before = set(tmp_path.iterdir())
        code, out, err = shotveil(command)
        assert (code, out) == (2, "") and message in err
        assert err.startswith("shotveil: ") and err.count("\n") == 1
        assert set(tmp_path.iterdir()) == before

    return check


@pytest.fixture
def network_file(tmp_path, small_network):
    """A file that holds the small network."""
    small_network.save(tmp_path / "small.npz")
    return tmp_path / "small.npz"
