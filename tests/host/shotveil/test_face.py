"""The public face: its names, their documentation, and what importing it costs."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest

import shotveil

NAMES = [name for name in shotveil.__all__ if not name.startswith("__")]


def typed():
    """Name → module of what a type checker is shown."""
    (block,) = (
        node
        for node in ast.parse(Path(shotveil.__file__).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_it_is_about_ten_names():
    assert 8 <= len(NAMES) <= 18
    assert sorted(shotveil.__all__) == shotveil.__all__


def test_readers_checkers_and_programs_are_shown_the_same():
    assert typed() == shotveil._HOMES
    assert sorted(shotveil._HOMES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_where_it_is_defined(name):
    found = getattr(shotveil, name)
    assert found.__module__ == shotveil._HOMES[name]
    assert found.__module__.split(".")[1] in ("models", "host")
    assert name in dir(shotveil)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_documented_with_an_example_that_runs(name):
    found = getattr(shotveil, name)
    known = dict(vars(importlib.import_module(found.__module__)))
    (example,) = doctest.DocTestFinder(recurse=False).find(found, name, globs=known)
    said = []
    result = doctest.DocTestRunner().run(example, out=said.append)
    assert result.attempted >= 1 and not result.failed, "".join(said)
    # A refusal is named where there can be one.
    assert "RangeError" in found.__doc__


def test_the_example_at_the_top_runs(monkeypatch):
    images, labels = shotveil.load_mnist()
    monkeypatch.setattr(shotveil, "load_mnist", lambda: (images[:20], labels[:20]))
    (code,) = re.findall(r"\n\n((?:    .*\n|\n)+)", shotveil.__doc__)
    known = {}
    exec(textwrap.dedent(code), known)
    assert known["seen"].predictions.shape == (20,)


def test_importing_it_imports_nothing_large():
    code = "import shotveil, sys; print(sorted({'numpy', 'scipy', 'click'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_its_version_is_the_package_s():
    assert shotveil.__version__ == metadata.version("shotveil")


def test_what_it_does_not_know():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = shotveil.nonsense
