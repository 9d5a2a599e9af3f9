"""`shotveil lab digitiser-waveform`: where it writes to, and what it says of it."""

import json
from pathlib import Path

WRITE = "shotveil.sim.figures.digitiser_waveform.write_waveform"


def test_files_are_named_with_what_is_in_them(lab, monkeypatch):
    asked = []

    def write(out):
        asked.append(out)
        return {out / "digitiser.vcd": "900 clocks", out / "digitiser.png": "equal to the model"}

    monkeypatch.setattr(WRITE, write)
    code, out, err = lab("digitiser-waveform", "--out", "some/where")
    assert (code, err) == (0, "")
    assert (
        out
        == "some/where/digitiser.vcd: 900 clocks\nsome/where/digitiser.png: equal to the model\n"
    )
    code, out, err = lab("digitiser-waveform", "--json")
    assert (code, err) == (0, "")
    files = {"reports/digitiser.vcd": "900 clocks", "reports/digitiser.png": "equal to the model"}
    assert json.loads(out) == {"files": files}
    assert asked == [Path("some/where"), Path("reports")]


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.figures.digitiser_waveform", "lab", "digitiser-waveform")
