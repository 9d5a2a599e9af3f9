"""Every adversary against its honest counterpart: within its bound, and caught where it can be."""

import json

import pytest

from shotveil.host.adversaries.attacks import Setting, run_attack
from shotveil.host.commands.cli import main
from shotveil.models.adversaries.adversary import Adversary, adversaries
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link

# gain 1.3, 6 photons: the link of the floors.
SETTING = Setting(Link(1.3, 6.0), sessions=400)
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
    setting = Setting(Link(gain, photons), sessions=1, images=1)
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
    setting = Setting(Link(1.3, 6.0), sessions=200, images=2000)
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
        Setting(Link(1.3, 6.0), rows=0)
    with pytest.raises(RangeError, match="photons"):
        Setting(Link(1.3, 0.0))
