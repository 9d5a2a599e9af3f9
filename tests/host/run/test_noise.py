"""Outputs at F² against the link, and what F² may be."""

import numpy as np
import pytest

from shotveil.host.run.inference import infer
from shotveil.host.run.noise import noisy_outputs
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link


def test_it_is_distributed_as_readings_through_a_link(small_network):
    image = np.random.default_rng(1).random((1, 784)).astype(np.float32)
    images = np.repeat(image, 4000, axis=0)
    link = Link(1.3, 2.0, transmittance_out=0.7)
    far = infer(small_network, images, link, np.random.default_rng(2), verify=False).outputs
    values = small_network.plan.begin(images)
    near = noisy_outputs(small_network, values, link.f2, np.random.default_rng(3))
    error = far.std(axis=0) / np.sqrt(4000)
    assert (np.abs(far.mean(axis=0) - near.mean(axis=0)) < 6 * error).all()
    np.testing.assert_allclose(near.std(axis=0), far.std(axis=0), rtol=0.08)


def test_each_layer_may_have_its_own(small_network):
    images = np.random.default_rng(1).random((50, 784)).astype(np.float32)
    values = small_network.plan.begin(images)
    rng = np.random.default_rng(4)
    clean = small_network.forward(images)
    np.testing.assert_allclose(
        noisy_outputs(small_network, values, np.inf, rng), clean, rtol=1e-5, atol=1e-4
    )
    first = noisy_outputs(small_network, values, [1.0, np.inf], rng)
    last = noisy_outputs(small_network, values, [np.inf, 1.0], rng)
    assert np.abs(first - clean).max() > 1 and np.abs(last - clean).max() > 1
    for bad, message in ((-1.0, "F² = -1"), ([1.0], "1 values of F² given; allowed: 2")):
        with pytest.raises(RangeError, match=message):
            noisy_outputs(small_network, values, bad, rng)
