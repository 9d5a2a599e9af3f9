"""What the README says is so."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from shotveil.host.design.results import accuracies
from tests.parsing import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_example_runs_in_ten_lines_and_prints_what_it_should():
    (code,) = blocks("python")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    accuracy, leakage = (float(word) for word in printed.getvalue().split())
    assert 0.95 < accuracy < 1
    assert 0 < leakage < 0.1


@pytest.mark.parametrize(
    "command", re.findall(r"^(?:make \S+ && )?shotveil (.+?)(?:\s+#.*)?$", README, re.MULTILINE)
)
def test_commands_parse(command):
    parse(shlex.split(command))


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z%.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert len(named) >= 4
    assert {name for name in named if not name.startswith("setup-")} <= targets


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_results_are_those_that_make_results_prints():
    # 0.1 points: another processor rounds sums in another order, which may turn an image or two.
    for *cells, accuracy in accuracies():
        begins = "| " + " | ".join(cells) + " | "
        (line,) = (line for line in README.splitlines() if line.startswith(begins))
        stated = float(line.removeprefix(begins).strip(" |%"))
        assert abs(stated - float(accuracy.strip("%"))) <= 0.1
