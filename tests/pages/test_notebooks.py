"""Tutorials as notebooks: the cells that the tests of the pages run, and the text between them."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
SPEC = importlib.util.spec_from_file_location("notebooks", DOCS / "notebooks.py")
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_the_page(path):
    page = path.read_text(encoding="utf-8")
    made = json.loads(notebooks.notebook(page))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    cells = made["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    assert code == [c.strip() for c in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
    assert cells[0]["cell_type"] == "markdown" and cells[0]["source"].startswith("# ")
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all("```python" not in cell["source"] for cell in cells)
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")


def test_links_to_pages_become_text_and_others_stay():
    page = "# T\n\nSee [this](../x.md#y) and [that](https://a.b/c).\n```python\na[1](2)\n```\n"
    text, code = json.loads(notebooks.notebook(page))["cells"]
    assert text["source"] == "# T\n\nSee this and [that](https://a.b/c)."
    assert code["source"] == "a[1](2)"


def test_a_page_offers_its_notebook_below_the_title():
    page = notebooks.with_download("# Title\n\nText.\n", "x.ipynb")
    assert re.fullmatch(r'# Title\n\n<a href="x.ipynb" download>.*</a>\n\nText.\n', page)
