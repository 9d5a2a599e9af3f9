"""`shotveil bench`: what is measured, what is printed, and how it ends."""

import json

import pytest

from shotveil.host.design.bench import CURVE_POINTS

AGREES = {"largest_deviation_fresh": 1.0, "largest_deviation_shared": 4.0}


@pytest.fixture
def asked(monkeypatch):
    """What `measure` is given; both ways agree, just so."""
    found = []

    def measure(*what):
        found.append(what)
        return dict(AGREES)

    monkeypatch.setattr("shotveil.host.design.bench.measure", measure)
    monkeypatch.setattr("shotveil.host.design.bench.show", lambda result: print("shown", result))
    return found


def test_what_is_measured(shotveil, asked):
    code, out, err = shotveil("bench --json")
    assert (code, json.loads(out), err) == (0, AGREES, "")
    code, out, _ = shotveil("bench --network mnist --points 2 --rounds 1")
    assert (code, out) == (0, f"shown {AGREES}\n")
    assert asked == [("mnist-paper", 32, 5), ("mnist", 2, 1)]


@pytest.mark.parametrize("way", ["fresh", "shared"])
@pytest.mark.parametrize("form", ["--json", ""])
def test_disagreement_is_printed_and_is_the_exit_code(shotveil, asked, monkeypatch, way, form):
    apart = {**AGREES, f"largest_deviation_{way}": 4.1}
    monkeypatch.setattr("shotveil.host.design.bench.measure", lambda *_: apart)
    code, out, err = shotveil(f"bench {form}")
    assert code == 1 and "4.1" in out
    assert err == ("shotveil: the accuracies of both ways differ by more than the counting error\n")


def test_refuses(refused, asked):
    refused("bench --points 1", "points = 1 is outside [2, ∞)")
    refused("bench --rounds 0", "rounds = 0 is outside [1, ∞)")
    assert asked == [] and CURVE_POINTS == 512  # as the table's heading says
