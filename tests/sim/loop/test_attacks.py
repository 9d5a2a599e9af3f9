"""Adversaries in the loop are caught by what the server's node sums up, and nobody else is."""

import numpy as np
import pytest

from models.network import Layer
from models.waveform.intruders import FibreTap, Interceptor
from models.waveform.noise import Normals
from sim.loop.attacks import run_attack
from sim.loop.session import Loop, Network
from sim.loop.settings import realistic

SETTINGS = realistic(1.3, 2.4)
# Few modes a row: the amplifier's noise is spread over them.
LAYER = Layer(np.random.default_rng(1).normal(size=(300, 240)).clip(-3, 3))


@pytest.fixture(scope="module")
def records():
    return Loop(Network("attacked", (LAYER,)), SETTINGS).records(1500)


@pytest.mark.parametrize(
    ("attack", "word"), [("tap keeps 3 %", "too low"), ("5 % of rows intercepted", "too high")]
)
def test_who_takes_light_is_caught(records, attack, word):
    found = run_attack(attack, LAYER, SETTINGS, records, batches=8)
    assert not found.verdict.accepted and word in found.verdict.reason


def test_an_honest_client_is_not(records):
    assert run_attack("honest", LAYER, SETTINGS, records, batches=3).verdict.accepted


def test_a_client_that_amplifies_too_much_returns_more_noise(records):
    """How much is seen at common noise: catching it takes more rows than a test has time for."""
    seen = {}
    for name in ("honest", "client amplifies by 30"):
        seen[name] = run_attack(name, LAYER, SETTINGS, records, batches=1).verdict.excess_noise
    more = 2 * (29 / 30 - 0.3 / 1.3) / LAYER.modes * 0.98
    assert seen["client amplifies by 30"] - seen["honest"] == pytest.approx(more, rel=0.15)


def test_intruders_do_to_light_what_they_say():
    light = np.full((400, 64), 3.0 + 1j)
    tapped = FibreTap(0.1).pass_on(light, Normals(np.random.default_rng(2)))
    assert tapped.mean() == pytest.approx(np.sqrt(0.9) * (3 + 1j), abs=0.02)
    assert tapped.real.var() == pytest.approx(0.1, rel=0.05)
    resent = Interceptor(0.25).pass_on(light, Normals(np.random.default_rng(3)))
    touched = np.any(resent != light, axis=1)
    assert touched.mean() == pytest.approx(0.25, abs=0.08)
    assert resent[touched].imag.var() == pytest.approx(2, rel=0.05)
