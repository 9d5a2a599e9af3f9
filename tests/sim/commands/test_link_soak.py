"""`shotveil lab link-soak`: what it sends, what it prints, and how it ends."""

import json
from dataclasses import asdict

import numpy as np

from shotveil.sim.figures.link_soak import soak

SOAK = "shotveil.sim.figures.link_soak.soak"


def test_link_soak(lab):
    code, out, _ = lab("link-soak", "--packets", 300, "--json")
    found = json.loads(out)
    assert code == 0 and found["packets"] >= 300 and found["there"]["corrupt"] >= 0
    code, out, _ = lab("link-soak", "--packets", 300)
    assert code == 0 and f"{found['packets']} packets, of them" in out
    code, _, err = lab("link-soak", "--packets", 0)
    assert code == 2 and "packets = 0 is outside [1, ∞)" in err


def test_what_is_asked_for_and_told(lab, monkeypatch):
    report = soak(40, np.random.default_rng(5), record=True)
    assert report.to_device
    asked = []
    monkeypatch.setattr(SOAK, lambda packets, rng: asked.append((packets, rng)) or report)
    code, out, err = lab("link-soak", "--json")
    expected = json.loads(json.dumps({**asdict(report), "to_device": ""}))
    del expected["to_device"]
    assert (code, json.loads(out), err) == (0, expected, "")
    assert lab("link-soak", "--packets", 1, "--seed", 4) == (0, f"{report}\n", "")
    assert [packets for packets, _ in asked] == [1_000_000, 1]
    for (_, rng), seed in zip(asked, (1, 4), strict=True):
        assert rng.integers(1 << 60) == np.random.default_rng(seed).integers(1 << 60)


def test_a_word_out_of_order_is_exit_code_1(lab, monkeypatch):
    def wrong(*_):
        raise AssertionError("word 7 is not the next one")

    monkeypatch.setattr(SOAK, wrong)
    assert lab("link-soak", "--json") == (1, "", "shotveil: word 7 is not the next one\n")


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.figures.link_soak", "lab", "link-soak")
