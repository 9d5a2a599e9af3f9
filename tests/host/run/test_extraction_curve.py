"""Extraction curves: against the attack itself, and how they are continued."""

import numpy as np
import pytest

from shotveil.host.run.extraction import Extraction, clone_accuracy
from shotveil.host.run.extraction_curve import clone_line, shipped_curve
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network


@pytest.mark.parametrize("name, f2", [("mnist-paper", 2.0), ("mnist-lossy", 0.2)])
def test_the_shipped_curve_is_what_the_attack_reaches(name, f2):
    images, labels = load_mnist(None, "test")
    network = load_network(name)
    attack, curve = Extraction(network, images[:5000]), shipped_curve(network.digest)
    for inferences in (100, 300):
        drawn = [
            clone_accuracy(
                attack, images[5000:], labels[5000:], f2, inferences, np.random.default_rng(seed)
            )
            for seed in (11, 12)
        ]
        assert curve.at(inferences, f2) == pytest.approx(np.mean(drawn), abs=0.02)


def test_it_rises_and_is_continued_by_the_product():
    curve = shipped_curve(load_network("mnist").digest)
    assert curve.at(2000, 0.5) == pytest.approx(curve.at(1000, 1.0))
    needed = curve.inferences_for(0.9, 0.7)
    assert curve.at(needed, 0.7) >= 0.9 > curve.at(needed - 1, 0.7)
    assert curve.inferences_for(1.1, 0.7) is None


def test_what_is_said():
    assert clone_line("unknown", 3, 1.0) is None
    assert "after 1 inference (" in clone_line(load_network("mnist").digest, 1, 1.0)
