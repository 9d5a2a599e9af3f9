"""`shotveil lab synth`: what it measures, what it prints, and how it ends."""

import json

import pytest

from shotveil.sim.commands import synth as command
from shotveil.sim.synthesis import figures
from shotveil.sim.synthesis.figures import MeasuredFigures, targets

FIGURES = {"ecp5": {"drive/dac": {"lut": 7}}, "zynq": {}}


@pytest.fixture
def measured(monkeypatch):
    """What is asked for; what is found of it can be set."""
    found = {"regressions": [], "missed": [], "tools": ""}
    asked = []

    def measure_all(names, update, tell):
        asked.append((names, update))
        tell("drive/dac ecp5 7 LUT")
        return MeasuredFigures(figures=FIGURES, **found)

    monkeypatch.setattr(figures, "measure_all", measure_all)
    return found, asked


def test_figures_are_told_as_they_come(lab, measured):
    found, asked = measured
    assert lab("synth") == (0, "drive/dac ecp5 7 LUT\n", "")
    assert lab("synth", "drive/dac", "node server")[0] == 0
    assert asked == [((), False), (("drive/dac", "node server"), False)]
    found["tools"] = "measured with other tools"
    assert lab("synth") == (0, "drive/dac ecp5 7 LUT\nmeasured with other tools\n", "")


def test_an_update_says_what_it_wrote(lab, measured):
    found, asked = measured
    found["tools"] = "measured with other tools"
    wrote = f"wrote {figures.SYNTHESIS_FIGURES} and {figures.PAGE}"
    assert lab("synth", "--update") == (0, f"drive/dac ecp5 7 LUT\n{wrote}\n", "")
    assert asked == [((), True)]


def test_one_json_object(lab, measured):
    found, _ = measured
    code, out, err = lab("synth", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "figures": FIGURES, "worse": [], "below_floor": [], "updated": False,
    }  # fmt: skip
    found |= {"regressions": ["a worse"], "missed": ["b below"]}
    code, out, _ = lab("synth", "--json", "--update")
    assert code == 1
    assert json.loads(out) == {
        "figures": FIGURES, "worse": ["a worse"], "below_floor": ["b below"], "updated": True,
    }  # fmt: skip


def test_what_is_worse_or_below_its_floor_is_exit_code_1(lab, measured):
    found, _ = measured
    found["regressions"] = ["a: 9 LUT, were 7", "b: 8 LUT, were 7"]
    code, out, err = lab("synth")
    assert code == 1 and out == "drive/dac ecp5 7 LUT\n"
    assert err == (
        "shotveil: worse than the committed figures by more than the slack:\n"
        "a: 9 LUT, were 7\nb: 8 LUT, were 7\n"
    )
    found |= {"regressions": [], "missed": ["a: 120 MHz", "b: 121 MHz"]}
    code, _, err = lab("synth")
    assert code == 1 and err == "shotveil: below the floor:\na: 120 MHz\nb: 121 MHz\n"


def test_names_are_those_of_the_targets(lab, measured):
    assert list(command.names()) == list(targets()) and "node server" in command.names()
    code, out, err = lab("synth", "glass")
    assert code == 2 and out == "" and "block = 'glass' is none of drive/framing, " in err
    assert not measured[1]


def test_a_bare_installation_asks_for_the_extra(asks_for_extra):
    asks_for_extra("lab", "synth", "drive/dac")
