"""Budgets from extraction curves: what the inferences up to a clone leak, and no more."""

import numpy as np
import pytest

from shotveil.host.design.clone_budget import clone_budget, clone_of_light, inferences_within
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.extraction_curve import MARGIN, clone_of, shipped_curve
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network, load_network

LINK = Link(1.0436, 1.0).with_f2(0.7)


def test_the_budget_ends_where_a_clone_is_as_good():
    network = load_network("mnist")
    found = clone_budget(network, LINK)
    curve = shipped_curve(network.digest)
    assert curve.at(found.inferences, 0.7) >= curve.original - MARGIN
    assert curve.at(found.inferences - 1, 0.7) < curve.original - MARGIN
    leaked = network_leakage(network, LINK, found.inferences).weight_leakage_bits_after
    assert found.bits == leaked and found.original == curve.original
    assert inferences_within(network, LINK, found.bits) == found.inferences
    assert f"what {found.inferences:,} inferences leak" in str(found)
    # More light makes a clone sooner.
    assert clone_budget(network, LINK.with_f2(7.0)).inferences < found.inferences
    other = Network("other", (Layer(np.ones((2, 2))),))
    assert clone_budget(other, LINK) is None


def test_inferences_within_a_budget():
    network = Network("small", (Layer(np.random.default_rng(1).normal(size=(20, 40))),))
    one, seven = (network_leakage(network, LINK, k).weight_leakage_bits_after for k in (1, 7))
    assert inferences_within(network, LINK, 0.9 * one) == 0
    assert inferences_within(network, LINK, one) == 1
    assert inferences_within(network, LINK, seven) == 7
    assert inferences_within(network, LINK, 1e3) == 10**9
    with pytest.raises(RangeError, match="budget = -1"):
        inferences_within(network, LINK, -1)


def test_a_ledger_knows_the_light_well_enough():
    network = load_network("mnist")

    def light(link):
        return [
            (link.modulation_variance, link.declared_excess_noise(layer.modes), layer.modes)
            for layer in network.layers
        ]

    exact, found = (
        clone_of(network.digest, 40, [0.7]),
        clone_of_light(network.digest, 40, light(LINK)),
    )
    assert found.accuracy == pytest.approx(exact.accuracy) and found.hedge == "up to "
    # Loss and technical noise only make the clone worse than what is said.
    lossy = Link(1.0436, LINK.photons, transmittance_out=0.5, excess_noise=0.01)
    assert lossy.f2 < 0.4
    assert clone_of_light(network.digest, 40, light(lossy)).accuracy >= exact.accuracy - 1e-9
    assert clone_of_light("unknown", 40, light(LINK)) is None
