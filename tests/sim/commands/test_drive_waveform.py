"""`shotveil lab drive-waveform`: where it writes to, and what it says of it."""

import json
from pathlib import Path

WRITE = "shotveil.sim.figures.drive_waveform.write_waveform"


def test_files_are_named_with_what_is_in_them(lab, monkeypatch):
    asked = []

    def write(out):
        asked.append(out)
        return {out / "drive.vcd": "900 clocks", out / "drive.png": "equal to the model"}

    monkeypatch.setattr(WRITE, write)
    code, out, err = lab("drive-waveform", "--out", "some/where")
    assert (code, err) == (0, "")
    assert out == "some/where/drive.vcd: 900 clocks\nsome/where/drive.png: equal to the model\n"
    code, out, err = lab("drive-waveform", "--json")
    assert (code, err) == (0, "")
    files = {"reports/drive.vcd": "900 clocks", "reports/drive.png": "equal to the model"}
    assert json.loads(out) == {"files": files}
    assert asked == [Path("some/where"), Path("reports")]


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.figures.drive_waveform", "lab", "drive-waveform")


def test_a_waveform_and_its_picture(lab, tmp_path):
    code, out, err = lab("drive-waveform", "--out", tmp_path / "new", "--json")
    assert code == 0, err
    files = json.loads(out)["files"]
    assert set(files) == {str(tmp_path / "new" / name) for name in ("drive.vcd", "drive.png")}
    assert files[str(tmp_path / "new" / "drive.png")].endswith("equal to the model")
    assert (tmp_path / "new" / "drive.png").read_bytes()[:4] == b"\x89PNG"
