"""What holds a point where it is: each limit is named where it is reached, and not elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.design.binding import binding, certified_ratio
from shotveil.host.design.certify import LineTime
from shotveil.host.design.operating_point import (
    Budgets,
    data_bits,
    most_light,
    photons_within,
    weight_bits,
)
from shotveil.host.design.plan import Infeasible, OperatingPoint, find
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import load_network

IDEAL = Channel()
F2 = np.geomspace(1e-3, 1e2, 200)
CURVE = AccuracyCurve("mnist", "0", 10_000, F2, Logistic(0.1, 0.98, 0.3, 1.7)(F2))


@pytest.fixture(scope="module")
def network():
    return load_network("mnist")


def test_budgets(network):
    budgets = Budgets(0.01, 1e-4, "qcrb")
    link = most_light(network, IDEAL, budgets)
    assert list(binding(network, link, budgets)) == ["weights"]  # its best gain leaks less data
    tight = replace(budgets, data_bits=float(data_bits(network, link.gain, "qcrb")))
    assert list(binding(network, link, tight)) == ["weights", "data"]
    assert list(binding(network, replace(link, gain=link.gain**0.5), budgets)) == []
    assert list(binding(network, link, replace(tight, weight_bits=0.02))) == ["data"]
    assert binding(network, link, Budgets()) == {}


def test_converters(network):
    channel = Channel(server_detector=Detector(converter_range=30))
    link = Link.through(channel, 1.001, photons=channel.most_photons_at(1.001) * 0.9999)
    assert list(binding(network, link, Budgets())) == ["converters"]
    assert photons_within(network, channel, 1.001, Budgets()) == channel.most_photons_at(1.001)


def test_a_certificate_keeps_the_gain_high(network):
    budgets, time = Budgets(0.03, None), LineTime(0.1)
    free, held = (find(network, CURVE, IDEAL, budgets, 0.5, time=each) for each in (None, time))
    assert isinstance(free, OperatingPoint) and isinstance(held, OperatingPoint)
    assert certified_ratio(network, free.link, time) > 2.2
    assert certified_ratio(network, held.link, time) == pytest.approx(2, rel=1e-6)
    assert held.link.gain > free.link.gain
    assert list(binding(network, held.link, budgets, time)) == ["certificate"]
    assert weight_bits(network, IDEAL, held.link.gain, held.link.photons) <= 0.03


@pytest.mark.parametrize("accuracy", [None, 0.5])
def test_what_cannot_be_certified_in_time_is_told(network, accuracy):
    found = find(network, CURVE, IDEAL, Budgets(0.01, 0.01), accuracy, time=LineTime(1.0))
    assert isinstance(found, Infeasible) and found.binding == "certificate"
    assert found.required > 2 == found.allowed
    assert "in 1 hours: it takes a higher gain, more time or more decoys" in found.reason
