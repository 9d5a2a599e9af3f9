"""A run: which images, through which backend, and what its summary says of that."""

import numpy as np
import pytest

from shotveil.host.run import run as module
from shotveil.host.run.backends import InferenceResult
from shotveil.host.run.inference import Inference
from shotveil.host.run.run import run
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network

LINK = Link(1.3, 6.0)


def test_it_classifies_the_first_images(small_network):
    calls = []
    finished = run(
        small_network, LINK, images=20, seed=4, progress=lambda *so_far: calls.append(so_far)
    )
    images, labels = load_mnist(None, "test")
    np.testing.assert_array_equal(finished.images, images[:20])
    np.testing.assert_array_equal(finished.labels, labels[:20])
    assert calls == [(20, 20)] and finished.seed == 4
    right = (finished.inference.predictions == labels[:20]).mean()
    assert finished.summary["accuracy"] == right
    assert finished.summary["backend"] == "optics" and not finished.summary["symbol_level"]
    assert "calibration" not in finished.summary
    assert 0 < finished.summary["seconds"] < 100
    assert run(small_network, LINK, images=1, symbol_level=True).summary["symbol_level"]


def test_a_backend_gets_what_was_asked_for(small_network, monkeypatch):
    tasks = []

    def dark(task):
        tasks.append(task)
        task.progress(2)
        outputs = np.zeros((len(task.images), 10))
        return InferenceResult(Inference(outputs, ()), Link(2.0, 1.0), True, {"unit": 3})

    monkeypatch.setattr(module, "backend_named", {"dark": dark}.__getitem__)
    calls = []
    finished = run(
        small_network,
        LINK,
        images=2,
        seed=9,
        backend="dark",
        impairments="ideal",
        progress=lambda *so_far: calls.append(so_far),
    )
    (task,) = tasks
    assert (task.network, task.link, task.seed) == (small_network, LINK, 9)
    assert task.impairments == "ideal" and not task.symbol_level and calls == [(2, 2)]
    assert finished.link == Link(2.0, 1.0) and finished.summary["gain"] == 2
    assert finished.summary["calibration"] == {"unit": 3} and finished.summary["symbol_level"]
    assert finished.summary["verification"] == {}


def test_refuses(small_network):
    with pytest.raises(RangeError, match="seed = -1"):
        run(small_network, LINK, seed=-1)
    for images in (0, 10_001):
        with pytest.raises(RangeError, match=f"images = {images} is outside \\[1, 10000\\]"):
            run(small_network, LINK, images=images)
    nine = Network("nine", (Layer(np.ones((9, 784))),))
    with pytest.raises(RangeError, match="label = 9 is no class of the network; allowed: 0, 1"):
        run(nine, LINK)
    with pytest.raises(RangeError, match="backend = 'none'"):
        run(small_network, LINK, images=1, backend="none")
