"""What a command says where a package that it needs is not installed."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from shotveil.host.extras import import_extra

ROOT = Path(__file__).parents[2]
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
def test_compiled_nodes_name_the_extra_that_they_need(arguments):
    said = bare(*arguments)
    assert said == (
        "shotveil: this needs the package amaranth; "
        "run `pip install 'shotveil[rtl]'`, or `make setup-rtl` in a checkout\n"
    )


def test_what_is_missing_of_our_own_is_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "shotveil.sim.loop.node_device", None)
    with pytest.raises(ModuleNotFoundError, match=r"sim\.loop\.node_device"):
        import_extra("shotveil.sim.loop.node_device", "rtl")


def extras_named_in(folder):
    """The extras that calls of `import_extra` in a folder's sources name."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "import_extra":
                match node.args[1]:
                    case ast.Constant(value=extra):
                        yield extra


def test_the_extras_that_messages_name_exist():
    known = set(metadata.metadata("shotveil").get_all("Provides-Extra"))
    named = {*extras_named_in("host"), *extras_named_in("sim")}
    assert named and named <= known
