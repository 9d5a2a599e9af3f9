"""The five folders, and what each may import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"models", "gateware", "host", "sim", "tests"}
# Own packages that code in a folder may import, and other people's where they are restricted.
OWN = {
    "models": {"models"},
    "gateware": {"gateware", "models"},
    "host": {"host", "models"},
    "sim": {"sim", "gateware", "models", "host"},
}
FOREIGN = {"models": {"numpy", "scipy"}, "gateware": {"numpy", "amaranth"}}


def imports(path):
    """Top-level names of all packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("folder", OWN)
def test_a_folder_imports_only_what_it_may(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for name in set(imports(path)) - set(sys.stdlib_module_names):
            if name in FOLDERS:
                assert name in OWN[folder], f"{path} imports {name}"
            elif folder in FOREIGN:
                assert name in FOREIGN[folder], f"{path} imports {name}"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_top_level_holds_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    documents = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile"}
    assert top - FOLDERS - documents - {"docs", "pyproject.toml"} <= {".ci", ".gitignore"}
