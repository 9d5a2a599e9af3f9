"""The bound `holevo_spectrum`: what it passes on, and where it stands between the others."""

import numpy as np
import pytest

from shotveil.host.leakage.catalogue import SPECTRUM_BOUNDS, WEIGHT_BOUNDS
from shotveil.host.leakage.declared import network_leakage, with_spectra
from shotveil.host.leakage.spectrum import spectrum_leakage, spectrum_of
from shotveil.host.leakage.weight_bounds.holevo_spectrum import holevo_spectrum
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network


def test_it_counts_inferences_as_modulation_and_weights_by_two():
    spectrum = spectrum_of(np.random.default_rng(1).normal(size=(9, 8)))
    assert holevo_spectrum(spectrum, 7, 2.0, 0.9, 0.01) == (
        spectrum_leakage(spectrum, 14.0, 0.9, 0.01) / 2
    )
    assert holevo_spectrum(spectrum, 0, 2.0, 0.9, 0.01) == 0
    for wrong in ((1.5, 2, 0.9, 0.1), (1, -2, 0.9, 0.1), (1, 2, 1.1, 0.1), (1, 2, 0.9, -0.1)):
        with pytest.raises(RangeError):
            holevo_spectrum(spectrum, *wrong)


def test_it_is_shown_beside_the_others_and_in_no_budget():
    assert list(SPECTRUM_BOUNDS) == ["holevo_spectrum"]
    assert "holevo_spectrum" not in WEIGHT_BOUNDS
    assert not holevo_spectrum.theorem


def test_a_network_has_it_for_each_layer_and_in_all():
    rng = np.random.default_rng(3)
    steep = rng.normal(size=(60, 40)) * np.geomspace(1, 0.05, 40)
    network = Network("made up", (Layer(steep), Layer(rng.normal(size=(5, 60)))))
    link = Link(gain=1.3, photons=9.0)
    plain = network_leakage(network, link, 10)
    found = with_spectra(plain, network, link)
    for when, k in (("", 1), ("_after", 10)):
        totals = []
        for layer, own, shown in zip(network.layers, plain.layers, found.layers, strict=True):
            bits = getattr(shown, f"weight_bounds_bits{when}")
            assert bits == getattr(own, f"weight_bounds_bits{when}") | {
                "holevo_spectrum": holevo_spectrum(
                    spectrum_of(layer.weights),
                    k,
                    18.0,
                    1.0,
                    link.declared_excess_noise(layer.modes),
                )
            }
            assert bits["holevo_spectrum"] < bits["holevo"]
            totals.append(bits["holevo_spectrum"] * layer.weights.size)
        whole = getattr(found, f"total_weight_bits{when}")["holevo_spectrum"]
        assert whole == pytest.approx(sum(totals))
        mean = getattr(found, f"weight_bounds_bits{when}")["holevo_spectrum"]
        assert mean == pytest.approx(sum(totals) / network.weights)
