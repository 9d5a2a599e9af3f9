"""Every adversary against its honest counterpart: within its bound, and caught where it can be."""

import json
import math

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import (
    HonestLayer,
    data_bound,
    held_per_mode,
    interference,
    interference_bound,
    run_attack,
    spectrum_of,
    weight_bound,
)
from shotveil.host.commands.cli import main
from shotveil.host.leakage.catalogue import WEIGHT_BOUNDS
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.parties.client_checks import MOST_GAIN
from shotveil.models.adversaries.adversary import (
    Adversary,
    ComponentAdversary,
    adversaries,
    adversary,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.labs import REALISTIC
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum
from shotveil.models.networks.network import load_network

# gain 1.3, 6 photons: the link of the floors.
SETTING = HonestLayer(Link(1.3, 6.0), sessions=100)
LOOKERS = {"homodyne-server", "counting-server", "counting-classifier", "chosen-rows"}
UNNOTICED = LOOKERS | {"one-hot-data", "eigenbasis-amplification"}
LATE = {"over-amplification", "phase-sensitive-client"}
# A bench: all imperfections that photons can be counted through.
BENCH = REALISTIC.channel(phase_error=0.0)
LINKS = {
    "strong": Link(1.3, 6.0),
    "weak": Link(1.000873, 391.2),
    "bench": Link.through(BENCH, 1.02, photons=20.0),
}


@pytest.mark.parametrize("name", sorted(set(adversaries(Adversary)) - UNNOTICED - LATE))
def test_it_is_caught_in_every_session(name):
    outcome = run_attack(name, None, SETTING, 1)
    assert outcome.detected == 1
    assert outcome.images_most <= 300


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", adversaries(Adversary))
def test_no_attack_beats_the_figure_that_covers_it(name, link):
    """Whatever file is added to the room is held here, at its usual strength.

    What it reads, and what the best measurement of what it holds would tell, are within the bound
    at what it does, if it has one. If they exceed what the settings declare, which is what reports
    print, it is noticed in every session.
    """
    setting = HonestLayer(LINKS[link], sessions=2, images=300)
    outcome = run_attack(name, None, setting, 2)
    most = max(outcome.learned_bits, outcome.held_bits or 0.0)
    assert outcome.learned_bits >= 0 and outcome.declared_bits > 0
    if outcome.held_bits is not None:
        assert outcome.learned_bits <= outcome.held_bits
    if outcome.bound:
        assert most <= outcome.bound_bits
    if most > outcome.declared_bits or not outcome.bound:
        # Squeezing tells nothing in light as weak as this, and is noticed only in more of it.
        assert outcome.detected == 1 or most < 1e-3 * outcome.declared_bits


@pytest.mark.parametrize("network", ["mnist", "mnist-paper"])
def test_what_clients_hold_of_the_weights_of_a_network(network):
    spectrum = spectrum_of(load_network(network).layers[0])
    for link in (Link(1.000873, 391.2), Link(1.3, 4.5)):
        setting = HonestLayer(link, len(spectrum), sessions=2, images=2000, spectrum=spectrum)
        outcome = run_attack("eigenbasis-amplification", None, setting, 3)
        assert outcome.learned_bits < outcome.held_bits < outcome.declared_bits
        outcome = run_attack("amplified-components", 16, setting, 3)
        assert outcome.learned_bits < outcome.declared_bits
        assert outcome.held_bits < outcome.bound_bits and outcome.detected == 1


@pytest.mark.parametrize("name", adversaries(ComponentAdversary))
@pytest.mark.parametrize("link", LINKS)
def test_clients_are_held_over_many_inferences_too(name, link):
    who, n, link = adversary(name, ComponentAdversary), 392, LINKS[link]
    client = who.of()
    play = client.play(link, link.modulation_variance * client.weights(n))
    noise, slope = (play.noise_x + play.noise_p) / 2, np.sqrt(play.transmittance)
    mean = slope @ play.energies / play.energies.sum()
    seen = noise.sum() + (slope - mean) ** 2 @ play.energies
    for inferences in (10, 1000):
        held = held_per_mode(inferences * play.energies, play.transmittance, noise).sum()
        bound = WEIGHT_BOUNDS[who.covered_by]
        most = bound(inferences, play.energies.mean(), min(1, mean**2), seen / n)
        assert held / (2 * n) <= float(most)


def test_the_eigenbasis_attack_comes_near_its_bound_on_weights_that_suit_it():
    """The bound cannot be lowered: this is what the published mean, 0.026 bit, was exceeded by."""
    outcome = run_attack("eigenbasis-amplification", None, SETTING, 1)
    assert 0.98 * outcome.bound_bits < outcome.held_bits <= outcome.bound_bits
    mean = weight_leakage(13, 1, SETTING.link.declared_excess_noise(392))
    assert outcome.held_bits > 2.8 * mean


def test_amplified_components_hold_twice_what_is_declared_until_it_is_noticed():
    setting = HonestLayer(Link(1.000873, 391.2), sessions=50)
    outcome = run_attack("amplified-components", None, setting, 1)
    assert 1.9 < outcome.held_bits / outcome.declared_bits < 2.2
    assert outcome.held_bits <= outcome.bound_bits
    assert outcome.detected == 1 and outcome.images_most < 100
    assert outcome.by == "amplified components"


def test_what_an_amplified_mode_holds_is_bounded_by_a_mode_without_gain():
    """χ from the symplectic eigenvalues of an amplified channel, in the textbook form."""

    def h(v):
        return (v + 1) / 2 * np.log2((v + 1) / 2) - (v - 1) / 2 * np.log2((v - 1) / 2)

    for energy, gain, noise in ((12.0, 1.1, 0.21), (3.0, 2.0, 2.5), (50.0, 1.01, 0.021)):
        a, b = 1 + energy, gain * energy + 1 + noise
        z = np.sqrt((a + b) ** 2 - 4 * gain * (a**2 - 1))
        chi = h((z + b - a) / 2) + h((z - b + a) / 2) - h(1 + noise)
        found = held_per_mode(*map(np.array, (energy, gain, noise)))
        assert chi <= found + 1e-9


def test_a_phase_sensitive_client_is_noticed_in_one_quadrature():
    outcome = run_attack("phase-sensitive-client", None, SETTING, 1)
    honest = run_attack("over-amplification", 1.3, SETTING, 1)
    assert outcome.learned_bits > 1.1 * honest.learned_bits
    assert outcome.detected == 1 and outcome.by == "one quadrature"


def test_photons_of_one_hot_data_beat_every_estimate():
    """In the demo's light and with 100 rows: `qcrb` allows 0.25 bit of an image."""
    link = Link(1.000873, 391.2)
    setting = HonestLayer(link, rows=94, decoys=6, sessions=1)
    outcome = run_attack("one-hot-data", None, setting, 1)
    estimates = data_leakage(link.noise_quantum, 100, 392)
    assert 784 * float(estimates["qcrb"]) < 0.26 < 0.3 < outcome.learned_bits < outcome.bound_bits
    assert outcome.bound_bits == pytest.approx(0.75, abs=0.01)


def test_a_loss_imbalance_serves_those_who_send_more_or_aim_better():
    link = Link(1.000873, 391.2, loss_imbalance=1 - 10 ** (-0.05 / 20))
    setting = HonestLayer(link, rows=94, decoys=6, sessions=2)
    bits = {
        name: run_attack(name, None, setting, 1).learned_bits
        for name in ("counting-classifier", "chosen-rows", "loud-server")
    }
    assert bits["counting-classifier"] + 0.5 < min(bits["chosen-rows"], bits["loud-server"])


def test_a_server_that_grants_what_a_client_accepts_is_not_refused():
    outcome = run_attack("greedy-server", MOST_GAIN, HonestLayer(Link(1.3, 6.0), sessions=3), 1)
    assert outcome.detected == 0
    outcome = run_attack("greedy-server", 4.0, HonestLayer(Link(1.3, 6.0), sessions=3), 1)
    assert (outcome.detected, outcome.images_most) == (1, 0) and "cap" in outcome.by


def test_a_receiver_that_clips_notices_those_who_saturate_it():
    """Without clipping, the shift is noise; with it, light that is left out counts as lost."""
    for link in (Link(1.3, 6.0), LINKS["bench"]):
        for strength in (1.0, 32.0, 60.0):
            setting = HonestLayer(link, rows=200, decoys=10, sessions=3, images=3)
            outcome = run_attack("receiver-saturation", strength, setting, 1)
            assert outcome.detected == 1 and outcome.images_most == 1


def test_over_amplification_is_caught_within_a_session():
    """Gain 1.5 where 1.3 is granted: 5·10⁻⁴ SNU more in the mean."""
    outcome = run_attack("over-amplification", None, SETTING, 3)
    assert outcome.detected >= 0.999
    assert outcome.images_most < 2000


@pytest.mark.parametrize("name", sorted(LOOKERS))
def test_a_server_that_only_looks_cannot_be_noticed(name):
    assert run_attack(name, None, SETTING, 4).detected == 0


@pytest.mark.parametrize(
    "name, strength",
    [
        ("over-amplification", 1.3),
        ("tap", 0.0),
        ("intercept-resend", 0.0),
        ("squeezing-server", 0),
        ("phase-sensitive-client", 0.0),
        ("shot-noise-drift", 0.0),
        ("loud-server", 1.0),
    ],
)
def test_at_no_strength_nobody_is_accused(name, strength):
    setting = HonestLayer(Link(1.3, 6.0), sessions=200, images=2000)
    assert run_attack(name, strength, setting, 5).detected == 0


def test_the_command_prints_what_was_learned_and_when_it_was_noticed(capsys):
    with pytest.raises(SystemExit) as end:
        main(["attack", "tap", "--sessions", "20", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["learned_bits"] < found["bound_bits"] and found["detected"] == 1
    assert found["declared_bits"] < found["bound_bits"] and found["of"] == "weight"
    with pytest.raises(SystemExit) as end:
        main(["attack", "squeezing-server", "--sessions", "2"])
    assert end.value.code == 0 and "noticed in 100" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["attack", "nonsense"])
    assert end.value.code == 2 and "is none of" in capsys.readouterr().err


def test_settings_are_checked():
    with pytest.raises(RangeError, match="rows = 0"):
        HonestLayer(Link(1.3, 6.0), rows=0)
    with pytest.raises(RangeError, match="photons"):
        HonestLayer(Link(1.3, 0.0))


def test_servers_are_held_against_the_bound_that_budgets_use():
    setting = HonestLayer(Link(1.3, 6.0), sessions=3, images=300)
    limit = data_leakage(Link(1.3, 6.0).noise_quantum, 1568 + 98, 392)["holevo"]
    assert data_bound(Link(1.3, 6.0), 1568 + 98, 392) == limit
    for name in ("homodyne-server", "counting-server"):
        outcome = run_attack(name, None, setting, 6)
        assert outcome.bound == "holevo" and outcome.bound_bits == limit
        assert outcome.by == "nothing: it is within its bound"
    outcome = run_attack("squeezing-server", None, setting, 6)
    assert outcome.bound == "" and math.isnan(outcome.bound_bits)
    assert outcome.declared_bits == limit
    assert outcome.by == "probe check (5 in 256 images)"


def test_a_spectrum_has_an_energy_for_each_mode():
    with pytest.raises(RangeError, match="energies in the spectrum = 3"):
        HonestLayer(Link(1.3, 6.0), modes=4, spectrum=np.ones(3))
    for layer in load_network("mnist-paper").layers:
        spectrum = spectrum_of(layer)
        assert len(spectrum) == layer.modes and (np.diff(spectrum) <= 0).all()
        assert spectrum.sum() == pytest.approx(layer.rows * layer.modes * 2, rel=0.01)


# Learned, bound, detected, images until then: median and most.
RESULTS = {
    "entangling-cloner": (0.04189329993137102, 0.4093613330985581, 1.0, 1.0, 1.0),
    "intercept-resend": (0.07171201272095346, 0.7842915832996369, 1.0, 1.0, 1.0),
    "receiver-saturation": (1.4005667182600505, 2.0708547250381457, 1.0, 1.0, 1.0),
    "tap": (0.041601482313125146, 0.16632087100949866, 1.0, 1.0, 1.0),
    "amplified-components": (0.039748946505384436, 0.1930272928617432, 1.0, 1.0, 1.0),
    "basis-vector": (1.051663479149245, 2.762746806734768, 1.0, 11.5, 15.0),
    "decoy-spotter": (0.0402515535491018, 0.15895824972475395, 1.0, 1.0, 1.0),
    "eigenbasis-amplification": (0.023299065197521025, 0.09434716008147767, 0.0, None, None),
    "over-amplification": (0.001603289236328335, 0.1131426044011197, 1.0, 449.0, 659.0),
    "phase-sensitive-client": (0.001758305641905299, 0.0943471600814777, 1.0, 179.0, 251.0),
    "shot-noise-drift": (0.001809340292249015, 0.28252058178194694, 1.0, 1.0, 1.0),
    "chosen-rows": (2.3029081305858807, 3252.6117501547615, 0.0, None, None),
    "counting-classifier": (2.3029081305858807, 3252.6117501547615, 0.0, None, None),
    "counting-server": (0.23877048956309332, 4.148739477238216, 0.0, None, None),
    "greedy-server": (2.2479033944253626, 13425.430432785197, 1.0, 0.0, 0.0),
    "homodyne-server": (0.0004171963595781522, 4.148739477238216, 0.0, None, None),
    "loud-server": (2.3029081305858807, 3252.6117501547615, 1.0, 256.0, 256.0),
    "one-hot-data": (8.596424144995002, 3252.6117501547615, 0.0, None, None),
    "squeezing-server": (0.03856494177925548, math.nan, 1.0, 256.0, 256.0),
}


def test_results_of_a_seed_stay():
    """Learned, bound, share of the sessions that notice, and images until then."""
    setting = HonestLayer(Link(1.3, 6.0), sessions=10, images=2000)
    assert set(RESULTS) == set(adversaries(Adversary))
    for name, (learned, bound, detected, median, most) in RESULTS.items():
        found = run_attack(name, None, setting, 7)
        assert found.attack == name
        assert (found.learned_bits, found.bound_bits) == pytest.approx(
            (learned, bound), nan_ok=True
        )
        assert (found.detected, found.images_median, found.images_most) == (detected, median, most)


def test_within_a_link_the_bound_is_of_the_row_or_of_the_mode():
    for name in ("over-amplification", "basis-vector"):
        inside = interference(name, None)
        sent = vacuum((50, 16), np.random.default_rng(1), 4.0)
        inside.optics(Link(1.3, 6.0), sent)
        inside.note(sent, sent, sent.real[:, 0])
        variance, channel = inside.variance(), inside.channel()
        expected = weight_bound(variance, *channel)
        if name == "basis-vector":
            expected = 2 * float(weight_leakage(1 + variance, *channel))
        assert interference_bound(inside) == pytest.approx(expected)


DIMMER = '''
"""Somebody who dims the fibre, and looks at what is left over in one quadrature."""

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import FibreAdversary, Strength
from shotveil.models.adversaries.channels import Taken
from shotveil.models.link.symbols import vacuum


@dataclass(frozen=True)
class Dimmer:
    fraction: float
    excess_noise = 0.0
    touched = 1.0

    @property
    def transmittance(self):
        return 1 - self.fraction

    def pass_on(self, sent, rng):
        light, port = sent + vacuum(sent.shape, rng), vacuum(sent.shape, rng)
        kept = math.sqrt(self.fraction) * light - math.sqrt(self.transmittance) * port
        rest = math.sqrt(self.transmittance) * light + math.sqrt(self.fraction) * port
        return Taken(rest, kept.real + 0j, np.ones(sent.shape[:-1], dtype=bool))

    def dim(self, light, noise):
        return light * math.sqrt(self.transmittance)


class Frames(Dimmer):
    def pass_on(self, light, noise):
        return self.dim(light, noise)


DIMMER = FibreAdversary(
    name="dimmer", says="dims the light and measures one quadrature of what it keeps",
    strength=Strength("fraction of the light", usual=0.2, in_loop=0.3, at_least=0, at_most=1),
    covered_by="holevo", make=Dimmer, sampled=Frames,
)
'''
IN_A_SEAT = """
import sys
from pathlib import Path
import numpy as np
from shotveil.host.adversaries.attacks import interference, interference_bound
from shotveil.host.protocol.wire import ProtocolError
from shotveil.sim.loop.attacks import attacks, probe, run_attack
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic
from shotveil.models.networks.network import Network
from tests.host.parties.parties import IMAGES, parties
inside = interference("dimmer", None)
with parties(Path(sys.argv[1]), symbol_level=True, interference=inside) as (_, _, client):
    try:
        client().classify(np.repeat(IMAGES, 4, axis=0), 50)
    except ProtocolError as error:
        print("refused:", error)
assert 0 < inside.learned() < interference_bound(inside)
assert "dimmer" in attacks()
layer, settings = probe(24, 60), realistic(1.3, 2.4)
records = Loop(Network("attacked", (layer,)), settings).records(400)
print("caught:", run_attack("dimmer", layer, settings, records, 4).verdict.reason)
"""


def test_one_file_adds_an_adversary(package_tree, tmp_path):
    """It is run by the command, listed by the help, and plays in a link and in the loop."""
    package_tree.add("models/adversaries/dimmer.py", DIMMER)
    command = "from shotveil.host.commands.cli import main; main()"
    found = json.loads(package_tree.run(command, "attack", "dimmer", "--sessions", "5", "--json"))
    assert found["attack"] == "dimmer" and found["detected"] == 1
    assert 0 < found["learned_bits"] < found["bound_bits"] and found["bound"] == "holevo"
    said = package_tree.run(command, "attack", "dimmer", "--sessions", "5", "--strength", "0.5")
    assert said.startswith("dimmer, fraction of the light 0.5\n")
    refused = package_tree.run(command, "attack", "dimmer", "--strength", "2", status=2)
    assert "strength (fraction of the light) = 2 is outside [0, 1]" in refused
    listed = " ".join(package_tree.run(command, "attack", "--list").split())
    assert "dimmer On the fibre, dims the light and measures one quadrature of" in listed
    refused = package_tree.run(command, "link", "--attack", "nobody", status=2)
    assert "dimmer" in refused
    (tmp_path / "parties").mkdir()
    said = package_tree.run(IN_A_SEAT, str(tmp_path / "parties"))
    assert "refused: " in said and "less transmittance" in said
    assert "caught: rejected" in said
