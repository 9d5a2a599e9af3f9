"""Certificates that a plan expects: against drawn statistics, and the floor that is promised."""

import numpy as np
import pytest

from shotveil.host.design.certify import LineTime, certified_bits, expected_certificate
from shotveil.host.design.operating_point import weight_bits
from shotveil.host.leakage.certificate import certified_channel
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.labs import LABS
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import homodyne, transmit, vacuum
from shotveil.models.networks.network import load_network


def test_expectation_against_light_that_is_drawn():
    """The limits of many sessions scatter about the expected ones, within a few per cent of 1 σ."""
    channel = Channel(
        transmittance_out=0.9, excess_noise=0.02, phase_error=0.05, loss_imbalance=0.002,
        server_detector=Detector(0.8, 0.1, 0.05, 1e-3),
    )  # fmt: skip
    gain, photons, modes, rows, sessions = 1.5, 5.0, 8, 250, 200
    link = Link.through(channel, gain, photons=photons)
    rng = np.random.default_rng(3)
    xi = np.full(modes, modes**-0.5, np.complex128)
    time = LineTime(rows * modes / 3600, 1.0, 1.0, 1e-3)
    assert time.symbols == rows * modes
    low, high = [], []
    for _ in range(sessions):
        sent = vacuum((rows, modes), rng, 2 * photons)
        y = homodyne(link, transmit(link, sent, xi, rng).returned, np.zeros(rows, bool), rng)
        seen = SymbolStatistics.of(sent.real, y)
        found = certified_channel(seen, channel.server_detector, 1e-3)
        low.append(float(found.transmittance))
        high.append(float(found.excess_noise))
    expected = expected_certificate(channel, gain, photons, modes, time)
    for drawn, stated in ((low, expected.transmittance), (high, expected.excess_noise)):
        assert np.mean(drawn) == pytest.approx(stated, abs=0.15 * np.std(drawn) + 2e-3)


@pytest.mark.parametrize("gain", [1.04, 1.0436, 1.1, 1.3, 2.0])
@pytest.mark.parametrize("f2", [0.6833, 2.4])
@pytest.mark.parametrize("lab", LABS)
def test_an_hour_of_one_row_in_17_certifies_twice_what_is_declared(lab, gain, f2):
    network, channel = load_network("mnist"), LABS[lab].channel()
    photons = channel.photons_at(gain, f2)
    certified = certified_bits(network, channel, gain, photons, LineTime(1.0))
    assert certified <= 2 * weight_bits(network, channel, gain, photons)


def test_near_gain_1_it_takes_far_longer():
    network, ideal = load_network("mnist"), Channel()
    photons = ideal.photons_at(1.000873, 0.6833)
    declared = weight_bits(network, ideal, 1.000873, photons)
    hour, month = (
        float(certified_bits(network, ideal, 1.000873, photons, LineTime(hours)) / declared)
        for hours in (1.0, 720.0)
    )
    assert hour > 5 and month < 2


def test_more_time_and_more_decoys_certify_less_and_arrays_broadcast():
    network, channel = load_network("mnist"), LABS["realistic"].channel()
    gains, photons = np.array([1.1, 1.3])[:, None], np.array([1.0, 4.0, 9.0])
    one = certified_bits(network, channel, gains, photons, LineTime(0.1))
    assert one.shape == (2, 3)
    assert one[1, 2] == certified_bits(network, channel, 1.3, 9.0, LineTime(0.1))
    for longer in (LineTime(1.0), LineTime(0.1, decoy_share=0.5), LineTime(0.1, symbol_rate=1e9)):
        assert (certified_bits(network, channel, gains, photons, longer) < one).all()
    surer = LineTime(0.1, failure_probability=1e-20)
    assert (certified_bits(network, channel, gains, photons, surer) > one).all()


@pytest.mark.parametrize(
    "how, message",
    [
        ({"hours": 0}, "certify hours = 0"),
        ({"hours": 1, "decoy_share": 1.5}, "decoy share = 1.5"),
        ({"hours": 1, "symbol_rate": 0}, "symbol rate = 0"),
        ({"hours": 1e-12}, "verified symbols = 0 is outside"),
    ],
)
def test_refuses(how, message):
    with pytest.raises(RangeError, match=message):
        LineTime(**how)
