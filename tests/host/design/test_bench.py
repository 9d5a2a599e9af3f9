"""The bench compares like with like."""

import numpy as np
import pytest

import shotveil.host.design.bench
from shotveil.host.design.bench import _agreement, ours, published
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network


@pytest.mark.parametrize("bias", [False, True])
def test_both_ways_agree(monkeypatch, bias):
    pytest.importorskip("torch")
    images, labels = load_mnist(None, "test")
    monkeypatch.setattr(
        shotveil.host.design.bench, "_mnist", lambda: (images[:5000], labels[:5000])
    )
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    weights = np.pad(means - means.mean(axis=0), ((0, 0), (0, int(bias))), constant_values=-0.1)
    network = Network("means", (Layer(weights, bias), Layer(np.eye(10))))
    f2 = np.geomspace(0.1, 100, 8)
    accuracies = {
        "published": [published(network, f2, seed) for seed in (1, 2)],
        "fresh": [ours(network, f2, seed, False) for seed in (1, 2)],
        "shared": [ours(network, f2, seed, True) for seed in (1, 2)],
    }
    assert np.ptp(accuracies["published"][0]) > 0.3
    for deviation in _agreement(accuracies, 5000).values():
        assert deviation < 4


def test_a_disagreement_shows():
    f2 = np.linspace(0.2, 0.9, 8)
    accuracies = {"published": [f2, f2], "fresh": [f2, f2], "shared": [f2, f2 + 0.02]}
    agreement = _agreement(accuracies, 10_000)
    assert agreement["largest_deviation_fresh"] == 0
    # A mean of 0.01 more, in errors of √(2·0.9·0.1/10⁴/2).
    assert agreement["largest_deviation_shared"] == pytest.approx(0.01 / 0.003, rel=1e-9)
