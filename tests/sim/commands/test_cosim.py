"""`shotveil lab cosim`: what it runs, what it prints, and how it ends."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from shotveil.sim.loop import cosim as work
from shotveil.sim.loop.run import Disagreement

SHOW = "shotveil.host.commands.show.show"


@pytest.fixture
def ran(monkeypatch):
    """Stands for the run: what it is asked for. It tells two steps of its progress."""
    asked = []
    run = SimpleNamespace(summary={"images": 2})

    def cosim(*, progress, **given):
        asked.append(given)
        progress(1, 2)
        progress(1, 2)
        return run, Path("beside.json")

    monkeypatch.setattr(work, "cosim", cosim)
    monkeypatch.setattr(work, "as_dict", lambda given: {**given.summary, "boards": []})
    monkeypatch.setattr(work, "channel_lines", lambda given: [f"layer {given.summary['images']}"])
    monkeypatch.setattr(work, "board_lines", lambda given: ["on boards"])
    monkeypatch.setattr(SHOW, lambda summary: print(f"the summary {summary}"))
    return asked


def test_what_is_run_by_default_and_told(lab, ran):
    code, out, _ = lab("cosim")
    assert code == 0 and out == (
        "the summary {'images': 2}\nlayer 2\non boards\n"
        "report: reports/cosim.html\ncalibration: beside.json\n"
    )
    assert ran == [
        {
            "network": "mnist-paper", "images": 100, "gain": 1.3, "f2": 2.4, "backend": "rtl",
            "processes": None, "compare": 10, "impairments": "realistic", "record_frames": 20_000,
            "samples_per_symbol": 4, "store": 1 << 20, "report": Path("reports/cosim.html"),
            "seed": 1,
        }
    ]  # fmt: skip


def test_options_reach_the_run(lab, ran):
    options = {
        "network": "mnist", "images": 3, "gain": 1.5, "f2": 3.5, "backend": "model",
        "processes": 1, "compare": 0, "impairments": "ideal", "record_frames": 60,
        "samples_per_symbol": 2, "store": 0, "report": Path("some/where.html"), "seed": 9,
    }  # fmt: skip
    words = [w for name, v in options.items() for w in (f"--{name.replace('_', '-')}", v)]
    code, out, _ = lab("cosim", *words, "--json")
    assert code == 0 and ran == [options]
    assert json.loads(out) == {
        "images": 2, "boards": [], "report": "some/where.html", "calibration": "beside.json",
    }  # fmt: skip


@pytest.mark.parametrize("processes", [0, -2])
def test_processes_have_a_range(lab, ran, processes):
    code, out, err = lab("cosim", "--processes", processes)
    assert (code, out, ran) == (2, "", [])
    assert f"processes = {processes} is outside [1, ∞)" in err


def test_what_is_none_is_refused(lab, ran):
    for option, said in (
        (["--backend", "glass"], "backend = 'glass' is none of model, rtl"),
        (["--impairments", "rough"], "impairments = 'rough' is none of ideal, realistic"),
    ):
        code, out, err = lab("cosim", *option)
        assert (code, out) == (2, "") and said in err
    assert not ran


def test_a_difference_is_exit_code_1(lab, monkeypatch, tmp_path):
    def differs(*arguments, **settings):
        raise Disagreement("sums of layer 2 differ")

    monkeypatch.setattr("shotveil.sim.loop.cosim.loop_run", differs)
    arguments = ["--images", "1", "--backend", "model", "--report", tmp_path / "cosim.html"]
    code, out, err = lab("cosim", *arguments)
    assert (code, out) == (1, "") and err.endswith("shotveil: sums of layer 2 differ\n")
    assert not list(tmp_path.iterdir())


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.loop.cosim", "lab", "cosim")
