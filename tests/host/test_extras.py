"""What a command says where a package that it needs is not installed."""

import subprocess
import sys

import pytest

from shotveil.host.extras import import_extra

BARE = """
import sys
class Nowhere:
    def find_spec(name, path, target=None):
        if name == "amaranth":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Nowhere)
from shotveil.host.commands import cli
cli.main()
"""


def bare(*arguments):
    """The command as `make setup` leaves it, without Amaranth; what it says as it fails."""
    done = subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    return done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("device", "info", "rtl:server"),
        ("infer", "--backend", "rtl", "--gain", "1.3", "--f2", "2.4"),
    ],
    ids=" ".join,
)
def test_compiled_nodes_name_the_target_that_sets_them_up(arguments):
    said = bare(*arguments)
    assert said == "shotveil: this needs the package amaranth; run `make setup-test-gateware`\n"


def test_what_is_missing_of_our_own_is_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "shotveil.sim.loop.node_device", None)
    with pytest.raises(ModuleNotFoundError, match=r"sim\.loop\.node_device"):
        import_extra("shotveil.sim.loop.node_device", "test-gateware")
