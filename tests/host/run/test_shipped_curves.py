"""Shipped curves, and calibrations that are bounded and resumed."""

import numpy as np
import pytest

from shotveil.host.run.curves import accuracy_curve
from shotveil.host.run.shipped_curves import (
    PartialCounts,
    data_digest,
    images_within,
    points_within,
    shipped_files,
)
from shotveil.models.networks.network import Layer, Network, shipped_networks
from shotveil.models.networks.plan import LayerShape, chain


def test_every_network_ships_with_both_curves():
    for kind in ("accuracy", "extraction"):
        names = {path.name.removesuffix(f".{kind}.json") for path in shipped_files(kind)}
        assert names == set(shipped_networks())


def test_wide_networks_get_fewer_points():
    small, wide = (
        Network("s", (Layer(np.ones((4, 4))),)),
        Network("w", (Layer(np.ones((4000, 4))),)),
    )
    assert points_within(small, 100) == 512
    assert points_within(wide, 10_000) == 75 and points_within(wide, 10**7) == 32
    # Later layers, patches and many images count as well.
    deep = Network("d", (Layer(np.ones((1000, 4))), Layer(np.ones((1000, 1000)))))
    assert points_within(deep, 10_000) == 41
    often = Network(
        "p",
        (Layer(np.ones((400, 4)), patches=10),),
        {},
        chain([LayerShape(400, 4, False, 10)], None, (10, 4)),
    )
    assert points_within(often, 10_000) == 75
    assert images_within(wide, 32) == 23_437 and images_within(wide, 10**6) == 256


def test_a_digest_is_of_numbers_and_of_names():
    images = np.ones((2, 3), np.float32)
    small = data_digest(images, np.array([1, 2], np.uint8))
    assert small == data_digest(images, np.array([1, 2], np.int64))
    named = data_digest(images, np.array(["a", "b"]))
    assert len({small, named, data_digest(images, np.array(["b", "a"]))}) == 3


def test_an_interrupted_calibration_is_resumed_with_the_same_result(tmp_path):
    rng = np.random.default_rng(1)
    network = Network("wide", (Layer(rng.normal(size=(1 << 15, 6))),))
    images, labels = rng.normal(size=(20, 6)), rng.integers(0, 9, 20)
    key, path, f2 = {"points": 2}, tmp_path / "a.part", [1.0, 9.0]

    def stopped(_):
        raise KeyboardInterrupt

    whole = accuracy_curve(network, images, labels, f2, np.random.default_rng(2))
    counted = PartialCounts(path, key)
    with pytest.raises(KeyboardInterrupt):
        accuracy_curve(
            network, images, labels, f2, np.random.default_rng(2), counted=counted, progress=stopped
        )
    counted.keep()
    again = PartialCounts(path, key)
    assert again
    resumed = accuracy_curve(network, images, labels, f2, np.random.default_rng(2), counted=again)
    assert (resumed == whole).all()
    assert not PartialCounts(path, {"points": 3})
