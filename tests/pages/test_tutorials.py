"""Every tutorial runs from its first cell to its last."""

import contextlib
import io
import re
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md"))


def test_there_is_one_for_everybody():
    assert {path.stem for path in TUTORIALS} == {"paper", "own_model", "own_data", "block", "lab"}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path, monkeypatch):
    cells = re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    assert len(cells) >= 3
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, cell in enumerate(cells):
            exec(compile(cell, f"{path.name}, cell {number + 1}", "exec"), names)
    assert printed.getvalue()
