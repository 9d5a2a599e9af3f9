"""Plans: the better choice when there is one, a plain sentence when there is none."""

import numpy as np
import pytest

from shotveil.host.design.operating_point import Budgets, least_leakage, most_light
from shotveil.host.design.plan import Infeasible, OperatingPoint, find
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.curves import AccuracyCurve, Logistic, accuracy_curve
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

IDEAL = Channel()
LOSSY = Channel(transmittance_out=0.7, transmittance_back=0.7)
F2 = np.geomspace(1e-3, 1e2, 200)
CURVE = AccuracyCurve("made up", "0", 10_000, F2, Logistic(0.1, 0.98, 0.3, 1.7)(F2))


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    return Network("made up", (Layer(rng.normal(size=(40, 40))), Layer(rng.normal(size=(10, 40)))))


def test_most_accurate_inside_budgets(network):
    budgets = Budgets(0.1, 0.05, "qcrb", inferences=3)
    point = find(network, CURVE, IDEAL, budgets)
    leakage = network_leakage(network, point.link, 3)
    assert leakage.weight_leakage_bits_after == pytest.approx(0.1, rel=1e-6)
    assert leakage.data_leakage_bits["qcrb"] <= 0.05
    assert point.accuracy == CURVE.at(point.link.f2)


def test_least_leakage_for_an_accuracy(network):
    point = find(network, CURVE, LOSSY, Budgets(None, 0.05), 0.9)
    # One counting error of 10,000 images, 0.3 points, on top.
    assert point.accuracy == pytest.approx(0.903, abs=1e-9)
    assert point.link.f2 == pytest.approx(CURVE.f2_for(0.903))
    assert point.link == least_leakage(network, LOSSY, point.link.f2, Budgets(None, 0.05))


def test_weight_budget_binds(network):
    least = least_leakage(network, LOSSY, CURVE.f2_for(0.903), Budgets(None, 0.05))
    bits = network_leakage(network, least).weight_leakage_bits
    budgets = Budgets(bits * 0.5, 0.05)
    found = find(network, CURVE, LOSSY, Budgets(0.01), 0.9)
    assert isinstance(found, Infeasible) and found.binding == "weights"
    assert found.required > found.allowed == 0.01
    assert "the weight budget binds" in found.reason and "0.01 allowed" in found.reason
    # Just inside.
    assert isinstance(find(network, CURVE, LOSSY, Budgets(bits * 1.001, 0.05), 0.9), OperatingPoint)
    assert isinstance(find(network, CURVE, LOSSY, budgets, 0.9), Infeasible)


def test_data_budget_binds(network):
    free = least_leakage(network, LOSSY, CURVE.f2_for(0.903), Budgets())
    budget = 1.05 * network_leakage(network, free).weight_leakage_bits
    found = find(network, CURVE, LOSSY, Budgets(budget, 1e-4), 0.9)
    assert isinstance(found, Infeasible) and found.binding == "data"
    assert "the data budget binds" in found.reason and "0.0001 allowed" in found.reason
    # What it says is needed is enough, and little less is not.
    for factor, kind in ((1.001, OperatingPoint), (0.99, Infeasible)):
        budgets = Budgets(budget, found.required * factor)
        assert isinstance(find(network, CURVE, LOSSY, budgets, 0.9), kind)


def test_accuracy_out_of_reach(network):
    found = find(network, CURVE, IDEAL, Budgets(), 0.99)
    assert isinstance(found, Infeasible) and found.binding == "accuracy"
    assert "made up reaches 98.00% at most, 1.00% less" in found.reason


def test_refuses(network):
    with pytest.raises(RangeError, match="neither a weight budget nor a least accuracy"):
        find(network, CURVE, IDEAL, Budgets(None, 0.1))
    with pytest.raises(RangeError, match="min accuracy = 95 "):
        find(network, CURVE, IDEAL, Budgets(), 95)


def test_half_a_bit_over_a_lossy_loop():
    # 3 dB that nobody trusts: 95 % for at most 0.5 bit per weight, data at 0.1 bit (crb_prx).
    network = load_network("mnist-lossy")
    loop = Channel(transmittance_out=10**-0.15, transmittance_back=10**-0.15)
    link = most_light(network, loop, Budgets(0.5, 0.1, "crb_prx"))
    images, labels = load_mnist(None, "test")
    accuracy = accuracy_curve(network, images, labels, link.f2, np.random.default_rng(1))
    assert accuracy >= 0.95
