"""`shotveil lab screenshots`: what it takes pictures of, and how it ends."""

import json
from pathlib import Path

from shotveil.sim.figures import screenshots as module
from shotveil.sim.figures.screenshots import Screenshot


def test_pages_that_are_too_wide_are_told(lab, monkeypatch):
    asked = []
    beyond = 0

    def taken(pages, folder):
        asked.append((pages, folder))
        yield Screenshot(folder / "a-390-light.png", 390, "light", beyond)

    monkeypatch.setattr(module, "screenshots", taken)
    code, out, err = lab("screenshots", "a.html", "b.html", "--out", "there")
    assert (code, out, err) == (0, "there/a-390-light.png\n", "")
    assert asked == [((Path("a.html"), Path("b.html")), Path("there"))]
    code, out, _ = lab("screenshots", "a.html", "--json")
    assert json.loads(out) == {"files": {"reports/screenshots/a-390-light.png": 0}}
    beyond = 7
    code, out, err = lab("screenshots", "a.html")
    assert code == 1 and "a-390-light.png is 7 px too wide" in err


def test_pages_have_to_be_named(lab):
    code, _, err = lab("screenshots")
    assert code == 2 and "PAGES" in err
