"""Every adversary against its honest counterpart: within its bound, and caught where it can be."""

import json
import math

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import (
    HonestLayer,
    interference,
    interference_bound,
    run_attack,
)
from shotveil.host.commands.cli import main
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.weights import weight_leakage
from shotveil.models.adversaries.adversary import Adversary, adversaries
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum

# gain 1.3, 6 photons: the link of the floors.
SETTING = HonestLayer(Link(1.3, 6.0), sessions=400)
UNNOTICED = {"homodyne-server", "counting-server"}


@pytest.mark.parametrize(
    "name", sorted(set(adversaries(Adversary)) - UNNOTICED - {"over-amplification"})
)
def test_it_is_caught_in_every_session(name):
    outcome = run_attack(name, None, SETTING, 1)
    assert outcome.detected == 1
    assert outcome.images_most <= 300


@pytest.mark.parametrize("name", sorted(set(adversaries(Adversary)) - {"squeezing-server"}))
@pytest.mark.parametrize("gain, photons", [(1.3, 6.0), (1.00175, 195.0), (3.4, 0.5)])
def test_it_learns_no_more_than_the_bound_that_covers_it(name, gain, photons):
    strength = gain * 1.1 if name == "over-amplification" else None
    setting = HonestLayer(Link(gain, photons), sessions=1, images=1)
    outcome = run_attack(name, strength, setting, 2)
    assert outcome.bound and 0 <= outcome.learned_bits <= outcome.bound_bits


def test_over_amplification_is_caught_within_a_session():
    """Gain 1.5 where 1.3 is granted: 5·10⁻⁴ SNU more in the mean."""
    outcome = run_attack("over-amplification", None, SETTING, 3)
    assert outcome.detected >= 0.999
    assert outcome.images_most < 2000


@pytest.mark.parametrize("name", sorted(UNNOTICED))
def test_a_server_that_only_looks_cannot_be_noticed(name):
    assert run_attack(name, None, SETTING, 4).detected == 0


@pytest.mark.parametrize(
    "name, strength",
    [("over-amplification", 1.3), ("tap", 0.0), ("intercept-resend", 0.0), ("squeezing-server", 0)],
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


def test_a_server_that_looks_is_within_its_own_bound():
    """Each is held against the bound that its file names."""
    setting = HonestLayer(Link(1.3, 6.0), sessions=3, images=300)
    limits = data_leakage(Link(1.3, 6.0).noise_quantum, 1568 + 98, 392)
    for name, bound in (("homodyne-server", "crb_prx"), ("counting-server", "qcrb")):
        outcome = run_attack(name, None, setting, 6)
        assert outcome.bound == bound and outcome.bound_bits == limits[bound]
        assert outcome.by == "nothing: it is within its bound"
    outcome = run_attack("squeezing-server", None, setting, 6)
    assert outcome.bound == "" and math.isnan(outcome.bound_bits)
    assert outcome.by == "probe check (5 in 256 images)"


def test_results_of_a_seed_stay():
    """Learned, bound, share of the sessions that notice, and images until then."""
    setting = HonestLayer(Link(1.3, 6.0), sessions=10, images=2000)
    expected = {
        "over-amplification": (0.001603289236328335, 0.04424643573113872, 1.0, 471.5, 798.0),
        "tap": (0.041601482313125146, 0.16632087100949866, 1.0, 1.0, 1.0),
        "intercept-resend": (0.07171201272095346, 0.776047685355613, 1.0, 1.0, 1.0),
        "entangling-cloner": (0.04189329993137102, 0.2996651826377329, 1.0, 1.0, 1.0),
        "basis-vector": (1.051663479149245, 2.762746806734768, 1.0, 11.5, 15.0),
        "homodyne-server": (0.0004171963595781522, 0.34774447909502354, 0.0, None, None),
        "counting-server": (0.23877048956309332, 0.7831734112769047, 0.0, None, None),
        "squeezing-server": (0.03856494177925548, math.nan, 1.0, 256.0, 256.0),
    }
    assert set(expected) == set(adversaries(Adversary))
    for name, (learned, bound, detected, median, most) in expected.items():
        found = run_attack(name, None, setting, 7)
        assert found.attack == name
        assert (found.learned_bits, found.bound_bits) == pytest.approx(
            (learned, bound), nan_ok=True
        )
        assert (found.detected, found.images_median, found.images_most) == (detected, median, most)


def test_within_a_link_the_bound_is_of_the_row_or_of_the_mode():
    for name, factor in (("over-amplification", 1), ("basis-vector", 2)):
        inside = interference(name, None)
        sent = vacuum((50, 16), np.random.default_rng(1), 4.0)
        inside.optics(Link(1.3, 6.0), sent)
        inside.note(sent, sent, sent.real[:, 0])
        expected = float(weight_leakage(1 + inside.variance(), *inside.channel()))
        assert interference_bound(inside) == pytest.approx(factor * expected)


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
