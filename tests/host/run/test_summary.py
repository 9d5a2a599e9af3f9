"""The summary: means over what they are said to be of, and shares of error probabilities."""

from dataclasses import asdict

import numpy as np
import pytest

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.leakage.declared import network_leakage, with_spectra
from shotveil.host.run.counting import wilson
from shotveil.host.run.inference import Inference, infer
from shotveil.host.run.summary import settings_of, summarise, verification_of
from shotveil.host.verification.verdict import verify
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link

LINK = Link(1.4, 5.0, transmittance_back=0.9, server_detector=Detector(0.8, 0.05))


@pytest.fixture
def seen(small_network):
    images = np.random.default_rng(2).random((8, 784))
    return infer(small_network, images, LINK, np.random.default_rng(3))


def test_accuracy_leakage_and_settings(small_network, seen):
    labels = seen.predictions.copy()
    labels[:2] = (labels[:2] + 1) % 10
    summary = summarise(small_network, labels, LINK, seen, 4.0, 11)
    assert summary["accuracy"] == 0.75
    low, high = wilson(0.75, 8)
    assert summary["accuracy_interval"] == [low, high]
    assert summary["accuracy_error"] == pytest.approx((high - low) / 2)
    assert summary["images"] == summary["inferences"] == 8
    assert (summary["seconds"], summary["images_per_second"], summary["seed"]) == (4.0, 2.0, 11)
    leakage = with_spectra(network_leakage(small_network, LINK, 8), small_network, LINK)
    for name in (
        "weight_leakage_bits",
        "weight_leakage_bits_after",
        "weight_bounds_bits",
        "weight_bounds_bits_after",
        "data_leakage_bits",
    ):
        assert summary[name] == getattr(leakage, name)
    assert [layer["rows"] for layer in summary["layers"]] == [24, 10]
    assert summary["f2"] == LINK.f2 and summary["digest"] == small_network.digest
    assert summary["server_detector"] == asdict(Detector(0.8, 0.05))
    assert settings_of(LINK)["transmittance"] == 0.9 and settings_of(LINK)["photons"] == 5


def test_verification_splits_its_probabilities_over_the_layers(small_network, seen):
    found = verification_of(small_network, LINK, seen)
    assert found["false_alarm_probability"] == 1e-6 and found["failure_probability"] == 1e-10
    verdicts = [
        verify(
            statistics,
            declared=ChannelEstimate(0.9, LINK.declared_excess_noise(layer.modes)),
            modulation_variance=10.0,
            receiver=LINK.server_detector,
            failure_probability=0.5e-10,
            false_alarm_probability=0.5e-6,
        )
        for layer, statistics in zip(small_network.layers, seen.statistics, strict=True)
    ]
    symbols, weights = [8 * 24 * 393, 8 * 10 * 12], [24 * 785, 240]
    assert found["symbols"] == sum(symbols) and found["accepted"]
    for name in ("transmittance", "excess_noise", "transmittance_min", "excess_noise_max"):
        mean = np.average([getattr(each, name) for each in verdicts], weights=symbols)
        assert found[name] == pytest.approx(mean, rel=1e-12)
    for sense in ("declared", "estimated", "certified"):
        each = [getattr(verdict.weight_leakage, sense) for verdict in verdicts]
        assert found["weight_leakage_bits"][sense] == pytest.approx(
            np.average(each, weights=weights), rel=1e-12
        )
    declared = [LINK.declared_excess_noise(modes) for modes in (393, 12)]
    assert found["declared_excess_noise"] == pytest.approx(np.average(declared, weights=symbols))
    assert found["declared_transmittance"] == 0.9


def test_one_layer_that_is_refused_is_enough(small_network, seen):
    darker = Link(1.4, 5.0, transmittance_back=1.0, server_detector=Detector(1.0))
    found = verification_of(small_network, darker, seen)
    assert not found["accepted"] and not found["layers"][0]["accepted"]


def test_nothing_verified_is_said_by_nothing(small_network):
    assert verification_of(small_network, LINK, Inference(np.zeros((1, 10)), ())) == {}
