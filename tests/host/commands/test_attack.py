"""`shotveil attack`: what is run, what is said of it, and what is refused."""

import json
import math
import re

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import AttackOutcome, HonestLayer
from shotveil.host.commands.adversaries import seated
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.models.adversaries.adversary import SEATS, plain_uses
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link

NOTICED = AttackOutcome(
    "tap", "weight", 0.0123456, 0.02, 0.01, 0.0234567, "holevo", 0.98765, 1234.4, 5678.6, "loss"
)
UNNOTICED = AttackOutcome("x", "image", 0.5, None, 0.25, math.nan, "", 0.0, None, None, "nothing")
REFUSED = AttackOutcome("x", "image", 0.5, None, 0.25, 1.0, "holevo", 1.0, 0.0, 0.0, "its cap")


@pytest.fixture
def runs(monkeypatch):
    """What `run_attack` is given; it answers with what it is told to."""
    found = []

    def dry(*what):
        found.append(what)
        return found.answer

    class Runs(list):
        answer = NOTICED

    found = Runs()
    monkeypatch.setattr("shotveil.host.adversaries.attacks.run_attack", dry)
    return found


def test_all_attacks(shotveil, runs):
    code, out, _ = shotveil("attack --list --json")
    found = json.loads(out)
    assert code == 0
    assert found["tap"]["strength"] == 0.01 and found["tap"]["means"] == "fraction of the light"
    code, out, _ = shotveil("attack tap --list")
    assert code == 0 and out.count("\n    ") == len(seated(SEATS)) + len(plain_uses())
    assert runs == []


def test_the_honest_layer_unless_another_is_asked_for(shotveil, runs):
    assert shotveil("attack tap")[0] == 0
    assert runs == [
        (
            "tap",
            None,
            HonestLayer(Link(1.3, 6.0), 392, 1568, 98, 10_000, 1000, MonitorSettings()),
            1,
        )
    ]


def test_every_option_reaches_the_attack(shotveil, runs):
    code, _, _ = shotveil(
        "attack squeezing-server --strength 0.25 --gain 1.5 --f2 2 --transmittance 0.64 "
        "--excess-noise 0.02 --client-efficiency 0.9 --sessions 11 --images 12 --modes 13 "
        "--rows 14 --decoys 15 --false-alarm-probability 0.001 --seed 16"
    )
    assert code == 0
    ((name, strength, setting, seed),) = runs
    assert (name, strength, seed) == ("squeezing-server", 0.25, 16)
    assert setting.link.f2 == pytest.approx(2) and setting.link.gain == 1.5
    assert setting.link.transmittance_out == setting.link.transmittance_back == 0.8
    assert setting.link.excess_noise == 0.02 and setting.link.client_detector == Detector(0.9)
    assert (setting.sessions, setting.images, setting.modes) == (11, 12, 13)
    assert (setting.rows, setting.decoys) == (14, 15)
    assert setting.monitor == MonitorSettings(false_alarm_probability=0.001)


@pytest.mark.parametrize(
    "options, photons", [("", 6.0), ("--photons 2", 2.0), ("--f2 1", None), ("--gain 1.2", 6.0)]
)
def test_the_light_of_six_photons_is_for_those_who_ask_for_none(shotveil, runs, options, photons):
    assert shotveil(f"attack tap {options}")[0] == 0
    link = runs[0][2].link
    if photons is None:
        assert link.f2 == pytest.approx(1)
    else:
        assert link.photons == photons


def test_what_was_learned_and_noticed(shotveil, runs):
    _, out, _ = shotveil("attack tap")
    assert out.splitlines() == [
        "tap, fraction of the light 0.01",
        "learned of each weight: 0.012346 bits, 0.02 with a quantum memory",
        "allowed: 0.01 bits at what is declared, 0.023457 at what it does (holevo)",
        "noticed in 98.77% of the sessions, after 1,234 images (median), 5,679 at most, by loss",
    ]
    assert shotveil("attack tap --strength 0.3")[1].startswith("tap, fraction of the light 0.3\n")
    found = json.loads(shotveil("attack tap --json")[1])
    assert found["attack"] == "tap" and found["bound_bits"] == 0.0234567
    assert found["detected"] == 0.98765 and found["images_most"] == 5678.6


def test_what_no_bound_covers_and_nobody_notices(shotveil, runs):
    runs.answer = UNNOTICED
    _, out, _ = shotveil("attack homodyne-server")
    assert out.splitlines() == [
        "homodyne-server",
        "learned of each image: 0.5 bits",
        "allowed: 0.25 bits at what is declared, no bound at what it does",
        "noticed in no session, by nothing",
    ]
    found = json.loads(shotveil("attack homodyne-server --json")[1])
    assert found["bound_bits"] is None and found["held_bits"] is None


def test_what_is_refused_before_any_light(shotveil, runs):
    runs.answer = REFUSED
    _, out, _ = shotveil("attack greedy-server")
    assert out.splitlines()[-1] == "refused in 100.00% of the sessions, by its cap"


def test_the_components_of_a_network(shotveil, runs):
    assert shotveil("attack eigenbasis-amplification --network mnist-paper --modes 7")[0] == 0
    setting = runs[0][2]
    assert setting.modes == len(setting.spectrum) == 392
    assert (np.diff(setting.spectrum) <= 0).all() and setting.spectrum.min() >= 0


def test_extraction_clones_a_network(shotveil, runs):
    code, out, _ = shotveil("attack extraction --network mnist-lossy --f2 0.2 --strength 30")
    first, clone, layer, _, network, noticed = out.splitlines()
    assert code == 0 and first == "extraction, number of inferences 30"
    assert re.fullmatch(
        r"clone of mnist-lossy: \d\d.\d% of 5,000 images right at F² = 0.2, the original 98.1%; "
        r"its curve says \d\d.\d%",
        clone,
    )
    assert layer.startswith("learned, layer 1: ") and "bits per weight of " in network
    assert network.startswith("learned, network: ") and network.endswith(" bits in all")
    assert noticed == "noticed in no session: the client keeps to the protocol"
    code, out, _ = shotveil("attack extraction --network mnist-lossy --f2 0.2 --strength 30 --json")
    found = json.loads(out)
    assert f"{found['accuracy']:.1%} of 5,000" in clone and f"{found['curve']:.1%}" in clone
    assert 0 < found["bits"]["learned"] < found["bits"]["bound"] and len(found["layers"]) == 2
    assert runs == []


@pytest.mark.parametrize(
    "options, message",
    [
        ("extraction --strength 0", "number of inferences) = 0 is outside"),
        ("extraction --network fashion-head", "is made for other images than those that are"),
        ("", "neither NAME nor --list is given; allowed: one of them"),
        ("phone", "attack = 'phone' is none of "),
        ("tap --seed -1", "seed = -1 is outside [0, ∞)"),
        ("tap --gain 1", "gain = 1 is outside (1, 1e+06]"),
        ("tap --photons 1 --f2 1", "both of --photons and --f2"),
        ("tap --gain 1e300", "gain = 1e+300 is outside (1, 1e+06]"),
        ("tap --sessions 0", "sessions = 0 is outside"),
        *(
            (f"tap --{size} {10**30}", f"{size} = 1e+30 is outside the integers in [1, ")
            for size in ("sessions", "modes", "rows", "decoys", "images")
        ),
        (f"matching --rows {10**9}", "inferences × rows² × columns = "),
        (f"matching --modes {10**9}", "inferences × rows² × columns = "),
        ("tap --strength 2", "2 is outside"),
        ("tap --false-alarm-probability 0", "= 0 is outside"),
    ],
)
def test_refuses(refused, options, message):
    refused(f"attack {options}", message)


def test_matching_is_played_against_fresh_orders(shotveil):
    code, out, err = shotveil("attack matching --rows 4 --modes 8 --strength 5 --photons 24")
    assert code == 0
    assert "number of inferences 5, each in a fresh order of 4 rows of 16 weights" in out
    assert "not certified" in out and "no budget counts it" in out
    _, out, _ = shotveil("attack matching --rows 4 --modes 8 --strength 5 --photons 24 --json")
    found = json.loads(out)
    assert (found["rows"], found["columns"], found["bound"]) == (4, 16, "holevo")
    assert 0 <= found["recovered"] <= 1
    for line, said in (("--rows 0", "rows = 0 is outside"), ("--modes 0", "modes = 0 is outside")):
        code, _, err = shotveil(f"attack matching {line}")
        assert code == 2 and said in err
