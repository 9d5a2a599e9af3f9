"""`shotveil lab digitiser-report`: the lines of each part, in text and as lists."""

import json

import pytest

REPORT = "shotveil.sim.figures.digitiser_report.report"
PARTS = {"first": ["a", "b"], "second": ["c"]}


def test_the_report_by_part(lab, monkeypatch):
    asked = []
    monkeypatch.setattr(REPORT, lambda *given: asked.append(given) or PARTS)
    assert lab("digitiser-report") == (0, "a\nb\n\nc\n", "")
    code, out, err = lab("digitiser-report", "--json")
    assert (code, json.loads(out), err) == (0, PARTS, "")
    assert lab("digitiser-report", "--sessions", 1, "--vacuum", 2)[0] == 0
    assert asked == [(None, None), (None, None), (1, 2)]


@pytest.mark.parametrize("name", ["sessions", "vacuum"])
def test_less_than_one_is_refused(lab, monkeypatch, name):
    monkeypatch.setattr(REPORT, lambda *given: PARTS)
    code, out, err = lab("digitiser-report", f"--{name}", 0)
    assert (code, out) == (2, "") and f"{name} = 0 is outside [1, ∞)" in err
    assert lab("digitiser-report", f"--{name}", 1)[0] == 0


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.figures.digitiser_report", "lab", "digitiser-report")
