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
# The one module of the gateware that a host reads: pure Python, without the HDL tool chain.
REGISTER_MAP = "shotveil.models.node.register_map"
FOREIGN = {"models": {"numpy", "scipy"}, "gateware": {"numpy", "amaranth", "amaranth_boards"}}


def imports(path):
    """Names of all modules that a file imports from, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


@pytest.mark.parametrize("folder", OWN)
def test_a_folder_imports_only_what_it_may(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        modules = set(imports(path)) - ({REGISTER_MAP} if folder == "host" else set())
        for name in {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names):
            if name in FOLDERS:
                assert name in OWN[folder], f"{path} imports {name}"
            elif folder in FOREIGN:
                assert name in FOREIGN[folder], f"{path} imports {name}"


def test_the_register_map_needs_no_hdl():
    code = f"import sys, {REGISTER_MAP}; assert 'amaranth' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_top_level_holds_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    documents = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "MANIFEST.in"}
    assert top - FOLDERS - documents - {"docs", "pyproject.toml"} <= {".ci", ".gitignore"}
