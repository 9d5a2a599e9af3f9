"""A client that looks for decoys finds them where slots are not mixed, and only there."""

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import HonestLayer, run_attack, weight_bound
from shotveil.host.adversaries.spotting import Spotted, spot
from shotveil.models.adversaries.decoy_spotter import DECOY_SPOTTER
from shotveil.models.link.optics import Link

LINK = Link(1.3, 6.0)


def spotted(mixed, seed, strongest=196.0):
    client, rng = DECOY_SPOTTER.of(), np.random.default_rng(seed)
    return spot(client, LINK, 256, 392, 16, rng, strongest=strongest, mixed=mixed)


@pytest.mark.parametrize("seed", range(3))
def test_of_64_repetitions_it_recognises_no_decoys(seed):
    """Whatever it spares, it meets decoys as often as weights."""
    found = spotted(True, seed)
    assert abs(found.auc - 0.5) < 0.05
    assert found.of_weights == pytest.approx(256 / 272, abs=0.01)
    assert found.of_decoys == pytest.approx(found.of_weights, abs=0.01)


def test_without_the_mixing_it_knows_and_what_decoys_show_is_too_good():
    found = spotted(False, 1)
    assert found.auc > 0.9 and found.of_decoys < 0.75 < found.of_weights
    # A certificate from decoys alone would be exceeded; hence the worse of decoys and weights.
    tapped, variance = 0.99, LINK.modulation_variance
    held = found.of_weights * weight_bound(variance, tapped, 0.0)
    shown = [
        weight_bound(variance, found.transmittance(share, tapped), 0.0)
        for share in (found.of_decoys, found.of_weights)
    ]
    assert shown[0] < held <= shown[1]
    assert spotted(False, 1, strongest=1.0).auc < 0.6, "weights without structure look like decoys"


def test_transmittance_is_that_of_the_mean_amplitude():
    assert Spotted(0.5, 0.5, 0.5).transmittance(1.0, 0.64) == pytest.approx(0.64)
    assert Spotted(0.5, 0.5, 0.5).transmittance(0.5, 0.64) == pytest.approx(0.81)
    assert Spotted(0.5, 0.5, 0.5).transmittance(0.0, 0.64) == 1


def test_the_attack_says_what_it_recognised():
    outcome = run_attack("decoy-spotter", None, HonestLayer(LINK, sessions=20), 1)
    assert outcome.recognised < 0.55 and outcome.detected == 1
    assert outcome.learned_bits < outcome.held_bits <= outcome.bound_bits
    assert run_attack("tap", None, HonestLayer(LINK, sessions=2), 1).recognised is None
    few = HonestLayer(LINK, rows=10, decoys=1, sessions=2)
    assert 0.4 < run_attack("decoy-spotter", 0.5, few, 1).recognised < 0.6
