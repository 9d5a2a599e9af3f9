"""`shotveil lab design`: which question it asks, what it prints, and where the plot goes."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from shotveil.sim.commands import design as command
from shotveil.sim.loop import design_answer
from shotveil.sim.loop.design_answer import DesignAnswer


@pytest.mark.parametrize("question", ["samples-per-symbol", "dac-bits"])
def test_every_question_has_its_plot(question, tmp_path, lab):
    arguments = [question, "--rows", "8", "--images", "50", "--out", str(tmp_path)]
    code, out, _ = lab("design", *arguments)
    assert code == 0 and "accuracy" in out
    picture = matplotlib.image.imread(tmp_path / f"loop-design-{question}.png")
    height, width = picture.shape[:2]
    for part in (picture[:, : width // 2], picture[:, width // 2 :]):  # noise, accuracy
        assert height > 400 and len(np.unique(part.reshape(-1, part.shape[2]), axis=0)) > 10


@pytest.fixture
def asked(monkeypatch):
    """Stands for the answer: what is asked, and where its plot is saved."""
    seen = []

    def answered(*given):
        seen.append(given)
        return DesignAnswer(("first line", "second line"), {"values": [1, 2]}, lambda: None)

    monkeypatch.setattr(design_answer, "answered", answered)
    monkeypatch.setattr(DesignAnswer, "save", lambda self, path: seen.append(path))
    return seen


def test_the_answer_in_lines_and_its_plot(lab, asked):
    plot = "reports/loop-design-linewidth.png"
    expected = f"first line\nsecond line\nplot: {plot}\n"
    assert lab("design", "linewidth") == (0, expected, "")
    assert asked == [("linewidth", "mnist-paper", 1.3, 2.4, 64, 2000), Path(plot)]


def test_options_reach_the_question(lab, asked):
    options = ["--network", "mnist", "--gain", 1.5, "--f2", 3.5, "--rows", 7, "--images", 9]
    code, out, err = lab("design", "dac-bits", *options, "--out", "some/where", "--json")
    plot = "some/where/loop-design-dac-bits.png"
    assert (code, err) == (0, "")
    assert json.loads(out) == {"question": "dac-bits", "values": [1, 2], "plot": plot}
    assert asked == [("dac-bits", "mnist", 1.5, 3.5, 7, 9), Path(plot)]


def test_any_other_word_makes_it_name_all_questions(lab, asked):
    names = list(command.names())
    assert names == list(design_answer.questions()) and "loop-delay" in names
    said = f"shotveil: question = 'what' is none of {', '.join(names)}\n"
    assert lab("design", "what") == (2, "", said)
    assert not asked


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.loop.design_answer", "lab", "design", "linewidth")
