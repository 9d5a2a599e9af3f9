"""The backend `parties`: the same distribution as `optics`, with what each party holds apart."""

import numpy as np
import pytest

from shotveil.host.run.backends import InferenceTask, backend_named
from shotveil.host.run.inference import infer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain

LINK = Link(gain=1.3, photons=6.0)


def planned():
    """Patches for the first layer, tanh and a fold behind it, and a bias in the second."""
    rng = np.random.default_rng(1)
    layers = (
        Layer(rng.normal(size=(6, 5)), patches=4),
        Layer(rng.normal(size=(3, 25)), bias=True),
    )
    between = [
        [Operation("reshape", {"shape": [4, 5]})],
        [Operation("tanh"), Operation("reshape", {"shape": [-1]})],
        [],
    ]
    return Network("planned", layers, {}, chain([x.shape for x in layers], between, (20,)))


def test_it_reads_what_optics_reads():
    network = planned()
    image = np.random.default_rng(2).normal(size=(1, 20))
    images = np.repeat(image, 1500, axis=0)
    result = backend_named("parties")(InferenceTask(network, images, LINK, 1))
    near, far = result.inference.outputs, infer(
        network, images, LINK, np.random.default_rng(3), verify=False
    ).outputs  # fmt: skip
    error = far.std(axis=0) * np.sqrt(2 / 1500)
    assert (np.abs(near.mean(axis=0) - far.mean(axis=0)) < 5 * error).all()
    np.testing.assert_allclose(near.std(axis=0), far.std(axis=0), rtol=0.1)


def test_much_light_gives_the_networks_outputs():
    network = planned()
    images = np.random.default_rng(2).normal(size=(700, 20))
    bright = Link(gain=2.0, photons=1e9)
    done = []
    task = InferenceTask(network, images, bright, 1, progress=done.append)
    outputs = backend_named("parties")(task).inference.outputs
    assert sum(done) == 700 and max(done) <= 256
    np.testing.assert_allclose(outputs, network.forward(images), atol=2e-2)


def test_images_of_another_size_are_refused():
    with pytest.raises(RangeError, match=r"do not fit; allowed: \(n, 20\)"):
        backend_named("parties")(InferenceTask(planned(), np.ones((2, 19)), LINK, 1))
