"""Small networks and images that several tests share, made from a seed."""

import numpy as np
import pytest

from shotveil.models.networks.network import Layer, Network


@pytest.fixture
def small_network():
    """A random 784-24-10 network with a bias in its first layer: an odd width, padded."""
    rng = np.random.default_rng(99)
    return Network(
        "small",
        (Layer(rng.normal(size=(24, 785)), bias=True), Layer(rng.normal(size=(10, 24)))),
    )
