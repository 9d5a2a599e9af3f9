"""Extraction against a network: what the clone is held against, and that the bound covers it."""

import numpy as np
import pytest

from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.cloning import extract
from shotveil.host.run.extraction_curve import shipped_curve
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("inferences", [1, 30, 1000, 10**6])
@pytest.mark.parametrize("gain, photons", [(1.000873, 300.0), (1.3, 6.0), (3.0, 50.0)])
@pytest.mark.parametrize("low_rank", [False, True])
def test_readings_hold_no_more_than_the_bound(inferences, gain, photons, low_rank):
    weights = RNG.normal(size=(30, 40))
    if low_rank:  # all energy in the directions that the client asks for
        weights[:, 3:] *= 1e-3
    network = Network("n", (Layer(weights), Layer(RNG.normal(size=(5, 30)))))
    images = RNG.normal(size=(200, 40)) * (weights[0] if low_rank else 1.0)
    outcome = extract(network, Link(gain, photons), inferences, images, np.zeros(200, int), 1)
    assert outcome.inferences == inferences and outcome.curve is None
    for each in (outcome.bits, *outcome.layers):
        assert 0 < each.learned <= each.bound and 0 < each.total_learned <= each.total_bound
    assert outcome.bits.total_learned == pytest.approx(
        sum(layer.total_learned for layer in outcome.layers)
    )


def test_the_clone_of_a_shipped_network_against_its_curve():
    network, (images, labels) = load_network("mnist-lossy"), load_mnist(None, "test")
    link = Link(1.3, 1.0).with_f2(0.2)
    outcome = extract(network, link, None, images, labels, 3)
    curve = shipped_curve(network.digest)
    assert (outcome.inferences, outcome.images, outcome.f2) == (100, 5000, pytest.approx(0.2))
    assert outcome.curve == curve.at(100, link.f2) and outcome.original == curve.original
    assert outcome.accuracy == pytest.approx(outcome.curve, abs=0.03)
    leaked = network_leakage(network, link, 100)
    assert outcome.bits.bound == leaked.weight_leakage_bits_after
    assert outcome.bits.total_bound == leaked.total_weight_bits_after["holevo"]
    assert outcome.bits.learned == outcome.bits.total_learned / network.weights
    with pytest.raises(RangeError, match="number of inferences"):
        extract(network, link, 0.5, images, labels, 3)
    with pytest.raises(RangeError, match="images = 1"):
        extract(network, link, 5, images[:1], labels[:1], 3)
