"""`shotveil lab attacks`: who plays against what, what it prints, and how it ends."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.models.networks.network import load_network
from shotveil.sim.commands import attacks as command
from shotveil.sim.loop import attacks as work
from shotveil.sim.loop import session
from shotveil.sim.loop.settings import realistic

NAMES = ("honest", "intercept-resend", "tap", "over-amplification")


def test_the_command_says_who_was_caught(lab):
    arguments = ["--modes", "100", "--rows", "300", "--batches", "1", "--record-frames", "2000"]
    for attack, said in (("honest", "accepted"), ("tap", "caught")):
        code, out, _ = lab("attacks", *arguments, "--attack", attack)
        assert code == 0 and f"{attack}: {said} after batch 1" in out
    _, out, _ = lab("attacks", *arguments, "--attack", "honest", "--json")
    assert json.loads(out)["attacks"]["honest"]["accepted"] is True


@pytest.fixture
def played(monkeypatch):
    """Stands for the loop: what it is made of, and what is run; all but `honest` are caught."""
    seen = SimpleNamespace(loops=[], frames=[], runs=[])

    class Loop:
        def __init__(self, network, settings):
            seen.loops.append((network, settings))

        def records(self, frames):
            seen.frames.append(frames)
            return SimpleNamespace(server=SimpleNamespace(shot_error=0.0125))

    def run_attack(name, layer, settings, records, batches, *, backend):
        seen.runs.append((name, layer, settings, records, batches, backend))
        return SimpleNamespace(
            batches=3,
            verdict=SimpleNamespace(
                accepted=np.bool_(name == "honest"), transmittance=0.9, transmittance_error=0.01,
                excess_noise=0.05, excess_noise_error=0.002, reason=f"what {name} did",
            ),
            declared=SimpleNamespace(transmittance=0.96, excess_noise=0.03),
            tolerated=SimpleNamespace(transmittance=0.94, excess_noise=0.04),
        )  # fmt: skip

    monkeypatch.setattr(session, "Loop", Loop)
    monkeypatch.setattr(work, "run_attack", run_attack)
    return seen


def test_all_of_them_against_random_rows_by_default(lab, played):
    code, out, err = lab("attacks")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head == (
        "1000 rows of 24 modes a batch, up to 10 batches, model; shot-noise unit known to 1.25%, "
        "false alarms below 1e-06 in all"
    )
    assert [line for line in lines if not line.startswith(" ")] == [
        "honest: accepted after batch 3, 0 s",
        *(f"{name}: caught after batch 3, 0 s" for name in NAMES[1:]),
    ]
    assert lines[1:3] == [
        "  T̂ = 0.9000 ± 0.0100, declared 0.9600, tolerated 0.9400",
        "  ε̂ = 0.0500 ± 0.0020 SNU, declared 0.0300, tolerated 0.0400",
    ]
    assert [run[0] for run in played.runs] == list(NAMES) == list(command.names())
    ((network, settings),) = played.loops
    assert settings == realistic(1.3, 2.4) and played.frames == [5000]
    expected = work.probe(24, 1000)
    np.testing.assert_array_equal(network.layers[0].weights, expected.weights)
    assert len(network.layers) == 1
    for _, layer, given, records, batches, backend in played.runs:
        assert layer is network.layers[0] and given is settings
        assert records.server.shot_error == 0.0125 and (batches, backend) == (10, "model")


def test_options_say_who_and_against_what(lab, played):
    options = ["--gain", 1.5, "--f2", 3.0, "--batches", 4, "--record-frames", 77]
    code, out, _ = lab("attacks", "--attack", "tap", "--backend", "rtl", "--modes", 9, "--rows", 5,
                       *options)  # fmt: skip
    assert code == 0 and out.startswith("5 rows of 9 modes a batch, up to 4 batches, rtl; ")
    assert lab("attacks", "--network", "mnist-paper", "--attack", "honest", *options)[0] == 0
    first, second = played.runs
    assert (first[0], *first[4:]) == ("tap", 4, "rtl")
    assert first[2] == second[2] == realistic(1.5, 3.0) and played.frames == [77, 77]
    weights = load_network("mnist-paper").layers[0].weights
    np.testing.assert_array_equal(second[1].weights, weights)


def test_one_json_object(lab, played):
    code, out, err = lab("attacks", "--attack", "tap", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert 0 <= found["attacks"]["tap"].pop("seconds") < 1
    assert found == {
        "backend": "model",
        "attacks": {
            "tap": {
                "accepted": False, "batches": 3, "transmittance": 0.9,
                "transmittance_declared": 0.96, "excess_noise": 0.05,
                "excess_noise_declared": 0.03, "reason": "what tap did",
            }
        },
    }  # fmt: skip
    _, out, _ = lab("attacks", "--json")
    found = json.loads(out)["attacks"]
    assert {name: each["accepted"] for name, each in found.items()} == {
        name: name == "honest" for name in NAMES
    }


def test_an_attack_or_a_backend_that_is_none_is_refused(lab, played):
    code, out, err = lab("attacks", "--attack", "cloner")
    assert (code, out) == (2, "") and "attack = 'cloner' is none of honest, intercept-resend" in err
    code, out, err = lab("attacks", "--backend", "glass")
    assert (code, out) == (2, "") and "backend = 'glass' is none of model, rtl" in err
    code, out, err = lab("attacks", "--modes", 7)
    assert (code, out) == (2, "") and "modes = 7 is outside the integers in [8, ∞)" in err
    assert not played.runs


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.loop.attacks", "lab", "attacks")


def test_an_extra_that_is_missing_is_named_for_a_name_too(without):
    without("shotveil.sim.loop.attacks", "lab", "attacks", "--attack", "tap")
