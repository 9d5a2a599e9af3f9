"""How tests run commands of the lab."""

import subprocess
import sys

import pytest

from shotveil.host.commands.cli import main

BARE = """
import sys
class Nowhere:
    def find_spec(name, path, target=None):
        if name == "amaranth":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Nowhere)
from shotveil.host.commands.cli import main
main()
"""


@pytest.fixture
def lab(capsys):
    """Run a command of the lab: exit code, standard output, standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["lab", *map(str, arguments)])
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


def _bare(*arguments):
    """The program as it is where Amaranth is not installed."""
    return subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True)


@pytest.fixture
def bare():
    """Run the program in a process of its own, as it is where Amaranth is not installed."""
    return _bare


@pytest.fixture
def asks_for_extra():
    """Check that a command says which extra it needs, in a process without Amaranth."""

    def check(extra, *arguments):
        done = _bare("lab", *arguments)
        assert done.returncode == 2 and done.stdout == ""
        assert "needs the package amaranth" in done.stderr and extra in done.stderr
        assert done.stderr.count("\n") == 1

    return check


@pytest.fixture
def without(lab, monkeypatch):
    """Check that a command says which extra it needs where `module` lacks a package."""

    def check(module, extra, *arguments):
        class Lacking:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == module:
                    raise ModuleNotFoundError("No module named 'gone'", name="gone.part")

        parent, _, name = module.rpartition(".")
        monkeypatch.delitem(sys.modules, module, raising=False)
        if parent in sys.modules:
            monkeypatch.delattr(sys.modules[parent], name, raising=False)
        monkeypatch.setattr(sys, "meta_path", [Lacking, *sys.meta_path])
        assert lab(*arguments) == (
            2,
            "",
            f"shotveil: this needs the package gone.part; run `pip install 'shotveil[{extra}]'`, "
            f"or `make setup-{extra}` in a checkout\n",
        )

    return check


@pytest.fixture
def defaults(lab):
    """The options of a command by name as its help tells them: the whole text of each."""

    def read(command):
        code, out, err = lab(command, "--help")
        assert code == 0 and err == ""
        return " ".join(out.split())

    return read
