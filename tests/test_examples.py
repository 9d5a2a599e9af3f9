"""The worked examples of docs/data.md run, and find what they should."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

import shotveil

PAGE = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    ("number", "name", "least"), [(0, "digits", 77), (1, "cancer", 88), (2, "wine", 88)]
)
def test_an_example(number, name, least, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = EXAMPLES[number]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 12
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/data.md", "exec"), {})
    (found,) = re.findall(rf"{name}: (\d+)% right", printed.getvalue())
    assert int(found) >= least
    assert name != "cancer" or "benign" in printed.getvalue()


def test_there_is_a_test_for_each():
    assert len(EXAMPLES) == 3


def test_too_few_columns_are_told_before_training():
    """A linear classifier of 30 columns at 0.01 bit per weight, which no training can help."""
    x, y = load_breast_cancer(return_X_y=True)
    model = shotveil.ShotveilClassifier(budget=shotveil.Budget(weight_bits=0.01), epochs=5)
    with pytest.warns(
        UserWarning, match="31 columns and 1 rows .* no weights get more than"
    ) as told:
        model.fit(x[:200], y[:200])
    (limit,) = re.findall(r"more than ([\d.]+)%", str(told[0].message))
    assert 50 < float(limit) < 80
    # What it is told is so: the classes count alike, and the inputs are those of training.
    right = [(model.predict(x[:200][y[:200] == k]) == k).mean() for k in (0, 1)]
    assert sum(right) / 2 < float(limit) / 100 + 0.08
