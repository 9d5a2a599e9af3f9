"""Rooms and plugins: what a file or a package adds, and what is refused."""

import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from shotveil.models.common import registry
from shotveil.models.common.checks import RangeError


@dataclass(frozen=True)
class Thing:
    name: str


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of two files, importable as `room`."""
    folder = tmp_path / "room"
    folder.mkdir()
    monkeypatch.setitem(sys.modules, "things", type(sys)("things"))
    sys.modules["things"].Thing = Thing
    (folder / "__init__.py").write_text("")
    (folder / "second.py").write_text("from things import Thing\nTWO = Thing('two')\nother = 3\n")
    (folder / "first.py").write_text("from things import Thing\nONE = Thing('one')\n")
    (folder / "_shared.py").write_text("from things import Thing\nHIDDEN = Thing('hidden')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name == "room" or name.startswith("room.")]:
        del sys.modules[name]


def test_files_are_named_in_order_and_not_imported(room):
    assert registry.files("room") == ["first", "second"]
    assert not {"room.first", "room.second"} & sys.modules.keys()


def test_each_file_adds_what_it_defines(room):
    assert list(registry.members("room", Thing)) == ["one", "two"]
    (room / "third.py").write_text("from things import Thing\nTHREE = Thing('three')\n")
    importlib.invalidate_caches()
    assert registry.members("room", Thing)["three"] == Thing("three")


def test_what_a_file_imports_from_another_is_one_thing(room):
    (room / "third.py").write_text("from room.first import ONE\n")
    importlib.invalidate_caches()
    assert list(registry.members("room", Thing)) == ["one", "two"]


def test_one_name_for_two_things_is_refused(room):
    body = "from things import Thing\nclass Other(Thing): pass\nAGAIN = Other('one')\n"
    (room / "third.py").write_text(body)
    importlib.invalidate_caches()
    with pytest.raises(RangeError, match=r"'one' is defined twice, again in room\.third"):
        registry.members("room", Thing)


def test_two_packages_may_not_offer_one_name(monkeypatch):
    def offered(*values):
        points = EntryPoints(EntryPoint("a", value, "group") for value in values)
        monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))

    offered("x:one", "x:one")  # one package, seen twice on the path
    assert registry.plugins("group")["a"].value == "x:one"
    offered("x:one", "y:two")
    with pytest.raises(RangeError, match="'a' is offered twice, as x:one and as y:two"):
        registry.plugins("group")
