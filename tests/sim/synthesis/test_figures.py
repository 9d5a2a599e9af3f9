"""The committed figures: complete, rendered, and compared with a slack that can fail."""

import json
import re
from dataclasses import replace

import pytest

from shotveil.host.commands.cli import main
from shotveil.models.common.checks import RangeError
from shotveil.sim.cases import digitiser, drive
from shotveil.sim.synthesis import figures
from shotveil.sim.synthesis.ecp5 import Figures

COMMITTED = json.loads(figures.SYNTHESIS_FIGURES.read_text())
ROW = {"lut": 1000, "ff": 100, "dsp": 4, "bram": 2, "mhz": [150.0, 160.0, 155.0]}


def compare(**changes):
    return figures.regressions({"ecp5": {"x": ROW}}, {"ecp5": {"x": {**ROW, **changes}}})


def test_every_block_that_is_simulated_is_measured():
    for room, measured in ((drive, figures.DRIVE), (digitiser, figures.DIGITISER)):
        simulated = {name: block.component for name, block in room.BLOCKS.items()}
        assert {figures.block_name(block): block for block in measured} == simulated
    for name, part in digitiser.BLOCKS.items():
        if name != "chain":
            made = figures.targets()[f"digitiser/{name}"].component
            assert made.args == (part.component, max(part.quadratures))


def test_the_file_holds_targets_in_their_order():
    """One that is missing is named on the page, and fails `make synth`."""
    targets = figures.targets()
    for device, known in (("ecp5", targets), ("zynq", [n for n in targets if targets[n].zynq])):
        assert list(COMMITTED[device]) == [name for name in known if name in COMMITTED[device]]
    assert COMMITTED["seeds"] == list(figures.SEEDS)
    assert all(len(row["mhz"]) == len(figures.SEEDS) for row in COMMITTED["ecp5"].values())


def test_the_page_is_made_of_the_file():
    assert figures.PAGE.read_text() == figures.render(COMMITTED)


def test_committed_tops_reach_their_floors():
    for name, target in figures.targets().items():
        if target.floor and name in COMMITTED["ecp5"]:
            assert not figures.below_floor(name, target.floor, COMMITTED["ecp5"][name])


@pytest.mark.parametrize(
    "within",
    [{}, {"lut": 1030}, {"ff": 110}, {"lut": 500, "dsp": 0}, {"mhz": [139.0, 200.0, 200.0]}],
)
def test_within_the_slack(within):
    assert compare(**within) == []


@pytest.mark.parametrize(
    ("worse", "figure"),
    [
        ({"lut": 1031}, "lut"),
        ({"ff": 111}, "ff"),
        ({"dsp": 5}, "dsp"),
        ({"bram": 3}, "bram"),
        ({"mhz": [137.0, 200.0, 200.0]}, "mhz"),
    ],
)
def test_beyond_the_slack(worse, figure):
    (line,) = compare(**worse)
    assert figure in line


def test_a_target_that_is_not_in_the_file():
    (line,) = figures.regressions({}, {"ecp5": {"new": ROW}})
    assert "not in the committed file" in line


def test_floors():
    floor = figures.Floor(every_mhz=150, best_mhz=160, luts=0.5)
    assert figures.below_floor("x", floor, ROW) == []
    slow = figures.below_floor("x", floor, {**ROW, "mhz": [149.0, 159.0, 159.0]})
    assert len(slow) == 2
    assert "50%" in figures.below_floor("x", floor, {**ROW, "lut": 50_000})[0]


def test_an_unknown_block():
    with pytest.raises(RangeError, match="drive/dac"):
        figures.select(["drive/nothing"])


def test_the_command_compares_and_fails(monkeypatch, capsys, tmp_path):
    """With the measuring replaced: equal figures pass, worse ones end with a table."""
    path = tmp_path / "synthesis.json"
    monkeypatch.setattr(figures, "SYNTHESIS_FIGURES", path)
    monkeypatch.setattr(figures, "measure", lambda name, target: {"ecp5": ROW})
    path.write_text(json.dumps({"tools": {}, "ecp5": {"drive/dac": ROW}}))
    with pytest.raises(SystemExit) as end:
        main(["lab", "synth", "drive/dac"])
    assert end.value.code == 0
    path.write_text(json.dumps({"tools": {}, "ecp5": {"drive/dac": {**ROW, "lut": 900}}}))
    with pytest.raises(SystemExit) as end:
        main(["lab", "synth", "drive/dac"])
    said = capsys.readouterr()
    assert end.value.code == 1 and "tools differ" in said.out
    assert re.search(r"drive/dac.*lut.*900 -> 1000", said.err)


def test_a_run_that_was_interrupted_goes_on_with_the_next_seed(monkeypatch, tmp_path):
    """What was placed is kept at once, and is not placed again."""
    monkeypatch.setattr(figures, "cache_folder", lambda name: tmp_path)
    asked = []

    def place(verilog, seeds, target_mhz, effort):
        asked.append(list(seeds))
        assert effort == entry.effort
        for seed in seeds:
            if len(asked) == 1 and seed == 3:
                raise KeyboardInterrupt
            yield Figures(10, 20, 0, 0, 100.04 + seed)

    monkeypatch.setattr(figures.synthesis, "place", place)
    entry = figures.targets()["digitiser/entry"]
    with pytest.raises(KeyboardInterrupt):
        figures.measure("digitiser/entry", entry)
    for _ in range(2):
        row = figures.measure("digitiser/entry", entry)["ecp5"]
        assert row == {"lut": 10, "ff": 20, "dsp": 0, "bram": 0, "mhz": [101.0, 102.0, 103.0]}
    assert asked == [[1, 2, 3], [3]]
    # Other options of the tool give other figures.
    entry = replace(entry, effort=figures.synthesis.MUCH_WIRE)
    figures.measure("digitiser/entry", entry)
    assert asked[2:] == [[1, 2, 3]]


def test_nodes_that_need_much_wire_are_placed_for_that():
    effort = {name: target.effort for name, target in figures.targets().items()}
    much = {name for name in effort if effort[name] == figures.synthesis.MUCH_WIRE}
    assert much == {"node server, 2 samples", "node client, 2 samples"}
