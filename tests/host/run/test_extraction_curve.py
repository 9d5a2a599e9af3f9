"""Extraction curves: against the attack itself, and how they are continued."""

import numpy as np
import pytest

from shotveil.host.run.extraction import Extraction, accuracy_of
from shotveil.host.run.extraction_curve import (
    MARGIN,
    MOST_DRAWS,
    clone_of,
    measured,
    shipped_curve,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network


@pytest.mark.parametrize(
    "name, f2, inferences, draws",
    [
        ("mnist", 0.7, 30, 6),
        ("mnist", 0.7, 100, 2),
        ("mnist-paper", 2.4, 30, 12),
        ("mnist-paper", 2.4, 100, 4),
        ("mnist-paper", 2.4, 300, 2),
        ("mnist-lossy", 0.145, 30, 12),
        ("mnist-lossy", 0.145, 300, 4),
    ],
)
def test_the_shipped_curve_is_within_a_point_of_the_attack(name, f2, inferences, draws):
    images, labels = load_mnist(None, "test")
    network = load_network(name)
    attack, judged = Extraction(network, images[:5000]), network.plan.begin(images[5000:])
    drawn = []
    for seed in range(11, 11 + draws):
        clone = attack.clone(f2, inferences, np.random.default_rng(seed))
        drawn.append(accuracy_of(network, clone.products, judged, labels[5000:]))
    curve = shipped_curve(network.digest)
    assert curve.at(inferences, f2) == pytest.approx(np.mean(drawn), abs=0.01)


def test_it_is_measured_until_it_is_known_well_enough(monkeypatch):
    monkeypatch.setattr("shotveil.host.run.extraction_curve.INFERENCES", (1, 20))
    monkeypatch.setattr("shotveil.host.run.extraction_curve.F2", (1e-3, 1e9))
    rng = np.random.default_rng(2)
    network = Network("n", (Layer(rng.normal(size=(3, 8))),))
    images = rng.normal(size=(400, 8)).astype(np.float32)
    labels = network.forward(images).argmax(axis=1)
    drawn, done, clone = [], [], Extraction.clone

    def counted(attack, f2, inferences, rng):
        drawn.append((inferences, f2))
        return clone(attack, f2, inferences, rng)

    monkeypatch.setattr(Extraction, "clone", counted)
    curve = measured(network, images, labels, draws=3, progress=lambda *seen: done.append(seen))
    assert curve.accuracy[0, 0] < 0.7 and curve.accuracy[1, 1] == curve.original == 1.0
    assert drawn.count((20, 1e9)) == 3 and drawn.count((1, 1e-3)) == MOST_DRAWS
    assert done == [(1, 4)] * 4 and curve.images == 200
    with pytest.raises(RangeError, match="draws = 1"):
        measured(network, images, labels, draws=1)


def test_it_rises_and_is_continued_by_the_product():
    curve = shipped_curve(load_network("mnist").digest)
    assert curve.at(2000, 0.5) == pytest.approx(curve.at(1000, 1.0))
    assert curve.at(40, 1 / 32) == pytest.approx(curve.at(20, 1 / 16))
    needed = curve.inferences_for(0.9, 0.7)
    assert curve.at(needed, 0.7) >= 0.9 > curve.at(needed - 1, 0.7)
    assert curve.inferences_for(1.1, 0.7) is None
    rising = [curve.at(k, 0.7) for k in range(1, 200)]
    assert rising == sorted(rising)


def test_what_is_said():
    assert clone_of("unknown", 3, [1.0]) is None
    network = load_network("mnist")
    curve, clone = shipped_curve(network.digest), clone_of(network.digest, 30, [1.0])
    assert clone.accuracy == curve.at(30, 1.0) and clone.original == curve.original
    assert curve.at(clone.as_good_after, 1.0) >= curve.original - MARGIN
    assert curve.at(clone.as_good_after - 1, 1.0) < curve.original - MARGIN
    assert str(clone) == (
        f"a clone of {clone.accuracy:.1%} is possible after 30 inferences (original "
        f"{curve.original:.1%}), one within 1 point of it after {clone.as_good_after}"
    )
    assert "after 1 inference (" in str(clone_of(network.digest, 1, [1.0]))
    uneven = clone_of(network.digest, 30, [2.0, 1.0])
    assert uneven.accuracy == clone.accuracy and "a clone of at least 9" in str(uneven)
