"""Extraction: where the inferences go, and what a clone is like with little and much light."""

import numpy as np
import pytest

from shotveil.host.run.extraction import Axes, Extraction, accuracy_of, allocation
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain


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


def small(rng):
    return Network(
        "n", (Layer(rng.normal(size=(40, 13)), bias=True), Layer(rng.normal(size=(4, 40))))
    )


def test_light_makes_the_clone():
    rng = np.random.default_rng(3)
    network = small(rng)
    images = np.abs(rng.normal(size=(600, 12)))
    labels = network.forward(images).argmax(axis=1)
    attack, judged = Extraction(network, images[:300]), network.plan.begin(images[300:])

    def accuracy(f2, inferences):
        clone = attack.clone(f2, inferences, rng)
        return accuracy_of(network, clone.products, judged, labels[300:])

    assert accuracy(1e9, 100) > 0.98
    assert accuracy(1e-6, 1) < 0.8
    with pytest.raises(RangeError, match="inferences"):
        attack.clone(1.0, 0, rng)


def test_a_clone_is_a_network_and_its_readings_hold_bits():
    rng = np.random.default_rng(5)
    network = small(rng)
    images = np.abs(rng.normal(size=(100, 12)))
    clone = Extraction(network, images).clone(2.0, 5, rng)
    outputs = network.plan.run(images.astype(np.float32), clone.products)
    np.testing.assert_allclose(clone.network.forward(images), outputs, rtol=1e-4, atol=1e-3)
    # Five unit vectors of even data of even weights: half a bit·log2(1 + F²) for each reading.
    even = Network("even", (Layer(rng.normal(size=(3000, 8))),))
    images = np.vstack([np.eye(8)] * 4)
    (layer,) = Extraction(even, images).clone(3.0, 8, rng).layers
    assert layer.bits == pytest.approx(3000 * 8 * np.log2(1 + 3.0) / 2, rel=0.01)
    few, many = (
        Extraction(even, images).clone(3.0, k, rng).layers[0].products(images) for k in (1, 64)
    )
    truth = images @ even.layers[0].weights.T
    assert np.square(many - truth).mean() < 0.1 * np.square(few - truth).mean()


def test_patches_are_readings_and_steps_in_the_clear_are_followed():
    rng = np.random.default_rng(6)
    layer = Layer(rng.normal(size=(500, 6)), patches=4)
    plan = chain([layer.shape], [[], [Operation("relu")]], (4, 6))
    network = Network("patches", (layer,), {}, plan)
    images = rng.normal(size=(50, 24))
    clone = Extraction(network, images).clone(1.0, 3, rng)
    # 12 readings of 6 even axes: two of each.
    assert clone.layers[0].bits == pytest.approx(500 * 6 * np.log2(1 + 2.0) / 2, rel=0.03)
    assert clone.network.layers[0].patches == 4 and clone.network.forward(images).min() >= 0
