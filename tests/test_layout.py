"""The house: what stands at the top, what each folder may import, and which room imports which."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shotveil.sim.figures import architecture
from tests.conftest import LONGEST

ROOT = Path(__file__).parents[1]
# What code in a folder may import of the package, and of other people's where that is restricted.
OWN = {
    "models": {"models"},
    "gateware": {"gateware", "models"},
    "host": {"host", "models"},
    "sim": {"sim", "gateware", "models", "host"},
}
FOREIGN = {"models": {"numpy", "scipy"}, "gateware": {"numpy", "amaranth", "amaranth_boards"}}
HOUSE = architecture.rooms(ROOT)
MODULES = architecture.modules(ROOT)


@pytest.mark.parametrize("folder", OWN)
def test_a_folder_imports_only_what_it_may(folder):
    """By statement, or by a string that names a module, which importlib could be given."""
    names = [name for name in MODULES if name.split(".")[0] == folder]
    assert len(names) > 30
    for name in names:
        for text in architecture.imported(name, MODULES[name]):
            package, _, rest = text.partition(".")
            if package == "shotveil":
                part = rest.split(".")[0]  # other words name a group of entry points
                if part in architecture.FOLDERS:
                    assert part in OWN[folder], f"{MODULES[name]} imports {text}"
            elif folder in FOREIGN and package not in sys.stdlib_module_names:
                assert package in FOREIGN[folder], f"{MODULES[name]} imports {text}"


BLOCKED = """
import sys
class Nowhere:
    def find_spec(name, path=None, target=None):
        if name.startswith({blocked}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nowhere)
"""


def without(blocked, code):
    """What a program prints where modules of these names cannot be imported by any means."""
    whole = BLOCKED.format(blocked=repr(blocked)) + code
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_host_and_models_work_where_gateware_and_sim_are_not():
    """Whatever way a module is imported by: the main job runs without the two folders."""
    modules = [f"shotveil.{name}" for name in MODULES if name.startswith("models.")]
    without(
        ("shotveil.gateware", "shotveil.sim", "shotveil.host", "amaranth"),
        f"import importlib\nfor name in {modules!r}: importlib.import_module(name)",
    )
    said = without(
        ("shotveil.gateware", "shotveil.sim", "amaranth", "cocotb"),
        "from shotveil.host.commands.cli import main\n"
        "main(['infer', '--gain', '1.3', '--f2', '2.4', '--images', '20', '--json'])",
    )
    assert '"images": 20' in said


def test_no_room_leads_back_to_itself():
    assert architecture.circles(HOUSE) == []


@pytest.mark.parametrize(("folder", "most"), [("host", (16, 57)), ("sim", (8, 13))])
def test_the_house_is_simple(folder, most):
    """Rooms, and arrows between them within the folder."""
    names = {name for name in HOUSE if HOUSE[name].folder == folder}
    arrows = sum(len(HOUSE[name].imports & names) for name in names)
    assert (len(names), arrows) <= most


def test_one_class_has_one_name():
    where = {}
    for path in MODULES.values():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    # The public face has a word of its own for the limits that an owner sets.
    assert where.pop("Budget") == ["host/compile/compiled.py", "host/ledger/accounts.py"]
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def mirror(path):
    inside = path.relative_to(ROOT)
    return ROOT / "tests" / inside.parent / f"test_{inside.name}"


def test_each_module_has_a_test_file_of_its_path():
    lacking = {
        name
        for name, path in MODULES.items()
        if path.name != "__init__.py" and not mirror(path).exists()
    }
    assert lacking == set()


def test_the_tests_that_begin_first_are_there():
    assert [file for file in LONGEST if not (ROOT / file).is_file()] == []


def test_each_room_says_what_it_is_for():
    for room in HOUSE.values():
        assert len(room.says) > 20, room.name


def test_the_picture_and_the_page_show_the_house_as_it_is():
    """`shotveil lab architecture` draws the picture anew."""
    assert (ROOT / "docs/architecture.svg").read_text(encoding="utf-8") == (
        architecture.picture(ROOT)
    )
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert page == architecture.page(page, ROOT)
    assert architecture.MARKER in page
    for path in re.findall(r"`([\w/]+\.py)`", page):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_top_level_holds_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    documents = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "MANIFEST.in"}
    folders = {*architecture.FOLDERS, "tests", "docs"}
    assert top - folders - documents - {"pyproject.toml"} <= {".ci", ".gitignore"}
