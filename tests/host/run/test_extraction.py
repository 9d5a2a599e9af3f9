"""Extraction: where the inferences go, and what a clone is like with little and much light."""

import numpy as np
import pytest

from shotveil.host.run.extraction import Axes, Extraction, allocation, clone_accuracy
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network


def test_no_other_allocation_has_a_smaller_error():
    rng = np.random.default_rng(1)
    power, prior = rng.exponential(size=12), rng.exponential(size=12) + 0.1

    def error(shares):
        return (power / (1 / prior + shares / 0.7)).sum()

    best = allocation(power, prior, 0.7, 40)
    assert best.sum() == pytest.approx(40)
    for _ in range(200):
        other = np.maximum(best + rng.normal(0, 1, 12), 0)
        assert error(other * 40 / other.sum()) >= error(best) - 1e-9
    assert np.count_nonzero(allocation(power, prior, 1e-6, 3)) == 3


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
def test_axes_hold_the_second_moments(shape):
    x = np.random.default_rng(2).normal(size=shape) + 1
    axes = Axes.of(x)
    assert np.allclose((axes.vectors * axes.power) @ axes.vectors.T, x.T @ x / len(x), atol=1e-4)


def test_light_makes_the_clone():
    rng = np.random.default_rng(3)
    network = Network(
        "n", (Layer(rng.normal(size=(40, 13)), bias=True), Layer(rng.normal(size=(4, 40))))
    )
    images = np.abs(rng.normal(size=(600, 12)))
    labels = network.forward(images).argmax(axis=1)
    attack = Extraction(network, images[:300])
    assert clone_accuracy(attack, images[300:], labels[300:], 1e9, 100, rng) > 0.98
    assert clone_accuracy(attack, images[300:], labels[300:], 1e-6, 1, rng) < 0.8
    with pytest.raises(RangeError, match="inferences"):
        attack.clone(1.0, 0, rng)
