"""`shotveil lab layouts`: what it prints, and how it ends."""

import json

from shotveil.sim.figures import layouts


def test_layouts(lab, monkeypatch):
    def run(count, rng, progress):
        assert count == 3
        progress(count)
        return layouts.LayoutsSeen(6, 4, 1000)

    monkeypatch.setattr(layouts, "run", run)
    code, out, _ = lab("layouts", "--count", "3")
    assert code == 0 and "6 layouts, rows of up to 1000 symbols" in out
    code, out, _ = lab("layouts", "--count", "3", "--json")
    assert json.loads(out) == {"accepted": 6, "refused": 4, "longest_row": 1000}

    def lost(count, rng, progress):
        raise AssertionError("FrameLayout(row=7): backlog is 1")

    monkeypatch.setattr(layouts, "run", lost)
    code, _, err = lab("layouts")
    assert code == 1 and "backlog is 1" in err
