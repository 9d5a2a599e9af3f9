"""Operating points: inside their budgets, and no other setting that was tried is better."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.design.operating_point import (
    Budgets,
    counted_weights,
    data_bits,
    greatest_gain,
    image_bits,
    least_leakage,
    most_light,
    weight_bits,
    within_budgets,
)
from shotveil.host.leakage.declared import network_leakage
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.labs import LABS
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network

IDEAL = Channel()
REAL = Channel(
    transmittance_out=0.8,
    transmittance_back=0.7,
    excess_noise=0.01,
    client_detector=Detector(0.8, 0.1),
    phase_error=0.02,
)


BENCH = replace(LABS["realistic"].channel(), loss_imbalance=0.05)


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    return Network("made up", (Layer(rng.normal(size=(30, 41))), Layer(rng.normal(size=(10, 30)))))


@pytest.mark.parametrize("channel", [IDEAL, REAL, BENCH])
@pytest.mark.parametrize("inferences", [1, 50])
def test_arrays_agree_with_the_link_itself(network, channel, inferences):
    gains, photons = np.array([1.01, 1.5, 4.0]), np.array([0.1, 3.0])
    bits = weight_bits(network, channel, gains[:, None], photons, inferences)
    f2 = channel.f2_at(gains[:, None], photons)
    for i, gain in enumerate(gains):
        for j, mu in enumerate(photons):
            link = Link.through(channel, gain, photons=mu)
            leakage = network_leakage(network, link, inferences)
            assert bits[i, j] == pytest.approx(leakage.weight_leakage_bits_after, rel=1e-12)
            assert f2[i, j] == pytest.approx(link.f2, rel=1e-12)
            assert channel.photons_at(gain, link.f2) == pytest.approx(mu, rel=1e-12)
            for bound, expected in leakage.data_leakage_bits.items():
                found = data_bits(network, gain, bound, channel, mu)
                assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("channel", [IDEAL, REAL])
@pytest.mark.parametrize(
    "budgets",
    [
        Budgets(0.1, 0.01, "qcrb"),
        Budgets(0.5, 0.1, "crb_prx"),
        Budgets(2.0, 0.1, "holevo", inferences=100),
        Budgets(0.3, None),
    ],
)
def test_most_light(network, channel, budgets):
    link = most_light(network, channel, budgets)
    leakage = network_leakage(network, link, budgets.inferences)
    assert leakage.weight_leakage_bits_after <= budgets.weight_bits
    assert leakage.weight_leakage_bits_after == pytest.approx(budgets.weight_bits, rel=1e-6)
    if budgets.data_bits is not None:
        assert leakage.data_leakage_bits[budgets.data_bound] <= budgets.data_bits
    assert link == Link.through(channel, link.gain, photons=link.photons)
    # Nothing on a coarse grid of all settings is inside the budgets and has more light.
    gain = 1 + np.geomspace(1e-5, 50, 150)[:, None]
    photons = link.photons * np.geomspace(1e-3, 1e3, 301)
    inside = weight_bits(network, channel, gain, photons, budgets.inferences) <= budgets.weight_bits
    if budgets.data_bits is not None:
        inside &= data_bits(network, gain, budgets.data_bound) <= budgets.data_bits
    assert inside.any() and not inside.all()
    assert channel.f2_at(gain, photons)[inside].max() <= link.f2 * (1 + 1e-6)


@pytest.mark.parametrize("channel", [IDEAL, REAL])
@pytest.mark.parametrize("data", [None, 0.05])
def test_least_weight_leakage(network, channel, data):
    budgets = Budgets(None, data, "qcrb")
    link = least_leakage(network, channel, 0.7, budgets)
    assert link.f2 == pytest.approx(0.7, rel=1e-12)
    most = greatest_gain(network, budgets)
    gain = 1 + np.geomspace(1e-6, most - 1, 2000)
    bits = weight_bits(network, channel, gain, channel.photons_at(gain, 0.7))
    found = network_leakage(network, link).weight_leakage_bits
    assert found <= bits.min() * (1 + 1e-9)
    assert data is None or data_bits(network, link.gain, "qcrb") <= data


def test_least_data_leakage_inside_a_weight_budget(network):
    budgets = Budgets(0.8)
    link = least_leakage(network, REAL, 0.7, budgets)
    assert network_leakage(network, link).weight_leakage_bits <= 0.8
    # A little less gain, which would leak less of the data, leaks too much of the weights.
    gain = 1 + (link.gain - 1) * np.array([0.9999, 0.9, 0.5])
    assert (weight_bits(network, REAL, gain, REAL.photons_at(gain, 0.7)) > 0.8).all()


def test_high_data_budget_leaves_the_gain_free():
    wide = Network("wide", (Layer(np.ones((784, 784))), Layer(np.ones((10, 784)))))
    link = within_budgets(wide, 0.1, 50, "qcrb", IDEAL)
    assert link.gain == pytest.approx(4 / 3, abs=0.15)  # where gD is smallest, docs/physics.md


def test_within_budgets_is_most_light(network):
    assert within_budgets(network, 0.1, 0.01, "crb_v1", REAL) == most_light(
        network, REAL, Budgets(0.1, 0.01, "crb_v1")
    )


def test_refuses(network):
    with pytest.raises(RangeError, match="weight budget = 0 "):
        Budgets(0.0)
    with pytest.raises(RangeError, match="'crb' is none of holevo, crb_v1, crb_prx, qcrb"):
        Budgets(0.1, 0.1, "crb")
    with pytest.raises(RangeError, match="inferences = 0"):
        Budgets(0.1, inferences=0)
    with pytest.raises(RangeError, match="weight budget is missing"):
        most_light(network, IDEAL, Budgets(None, 0.1))
    with pytest.raises(RangeError, match="data budget = 1e-12 bits is below"):
        most_light(network, IDEAL, Budgets(0.1, 1e-12))


@pytest.mark.parametrize("budgets", [Budgets(0.5, 0.05, "holevo"), Budgets(2.0, None)])
def test_imbalance_and_converter_limit_the_light_as_well(network, budgets):
    link = most_light(network, BENCH, budgets)
    leaked = network_leakage(network, link)
    assert leaked.weight_leakage_bits <= budgets.weight_bits
    if budgets.data_bits is not None:
        # Without its coherent part the data budget would be far away.
        assert leaked.data_leakage_bits["holevo"] == pytest.approx(0.05, rel=1e-3)
        assert data_bits(network, link.gain, "holevo") < 0.045
    for detector in (link.client_detector, link.server_detector):
        assert detector.converter_range == 32
    assert link.photons <= BENCH.most_photons_at(link.gain)
    assert least_leakage(network, BENCH, link.f2 / 2, budgets).f2 == pytest.approx(link.f2 / 2)
    with pytest.raises(RangeError, match="is possible at no gain up to"):
        least_leakage(network, BENCH, 1e4, budgets)


def test_budgets_in_total_bits_are_those_of_the_declared_totals(network):
    free = most_light(network, IDEAL, Budgets(0.1))
    declared = network_leakage(network, free)
    assert image_bits(network, free.gain, "holevo") == pytest.approx(declared.image_bits["holevo"])
    more = [layer.rows + -(-layer.rows // 16) for layer in network.layers]
    each = zip(declared.layers, more, strict=True)  # the bound goes with the number of rows
    assert image_bits(network, free.gain, "holevo", 1 / 16) == pytest.approx(
        sum(layer.image_bits["holevo"] * rows / layer.rows for layer, rows in each)
    )
    total, image = 0.3 * declared.total_weight_bits["holevo"], 0.2 * declared.image_bits["holevo"]
    inside = most_light(network, IDEAL, Budgets(0.1, total_bits=total, image_bits=image))
    leaked = network_leakage(network, inside)
    assert leaked.total_weight_bits["holevo"] == pytest.approx(total, rel=0.01)
    assert leaked.total_weight_bits["holevo"] <= total
    assert leaked.image_bits["holevo"] <= image
    assert leaked.image_bits["holevo"] == pytest.approx(image, rel=1e-6)
    assert counted_weights(network) >= network.weights
    for name in ("total", "image"):
        with pytest.raises(RangeError, match=f"{name} budget = -1"):
            Budgets(**{f"{name}_bits": -1})
    with pytest.raises(RangeError, match="image budget = 1e-12 bits is below"):
        most_light(network, IDEAL, Budgets(0.1, image_bits=1e-12))
