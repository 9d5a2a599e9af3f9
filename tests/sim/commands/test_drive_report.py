"""`shotveil lab drive-report`: the lines of each part, in text and as lists."""

import json

REPORT = "shotveil.sim.figures.drive_report.report"
PARTS = {"first": ["a", "b"], "second": ["c"]}


def test_the_report_by_part(lab, monkeypatch):
    asked = []
    monkeypatch.setattr(REPORT, lambda *given: asked.append(given) or PARTS)
    assert lab("drive-report") == (0, "a\nb\n\nc\n", "")
    code, out, err = lab("drive-report", "--json")
    assert (code, json.loads(out), err) == (0, PARTS, "")
    assert asked == [(), ()]


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.figures.drive_report", "lab", "drive-report")
