"""Plans with light for each layer, against sums over layers and against a search by hand."""

import numpy as np
import pytest

from shotveil.host.design.layer_light import best_light, full_ratios, links_at, most_light_at
from shotveil.host.design.operating_point import Budgets, greatest_gain, most_light
from shotveil.host.design.plan import Infeasible
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import Layer, Network

LOSSY = Channel(transmittance_out=0.95, excess_noise=1e-4)
F2 = np.geomspace(1e-3, 1e2, 200)


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    return Network("made up", (Layer(rng.normal(size=(60, 40))), Layer(rng.normal(size=(4, 60)))))


def measure(ratios):
    """The last layer needs 30 times the light of the first, and more helps no further."""
    need = 30 / min(ratios[-1], 30)
    accuracy = Logistic(0.1, 0.98, 0.3 * need, 1.7)(F2)
    return AccuracyCurve("made up", "0", 10_000, F2, accuracy, ratios)


def bits(network, links, inferences=1):
    leaked = network_leakage(network, links, inferences)
    return leaked.weight_leakage_bits_after, [
        layer.weight_leakage_bits_after for layer in leaked.layers
    ]


def test_the_budget_is_used_up_and_the_ratios_are_kept(network):
    budgets = Budgets(0.05, 0.02, "qcrb", inferences=3)
    links = most_light_at(network, LOSSY, (1.0, 16.0), budgets)
    assert bits(network, links, 3)[0] == pytest.approx(0.05, rel=1e-6)
    assert links[1].f2 / links[0].f2 == pytest.approx(16)
    assert max(link.gain for link in links) <= greatest_gain(network, budgets)
    even = most_light_at(network, LOSSY, (1.0, 1.0), budgets)
    # Gains of their own never cost light.
    assert even[0].f2 >= most_light(network, LOSSY, budgets).f2 * (1 - 1e-6)


def test_every_layer_leaks_least_at_its_gain(network):
    links = links_at(network, LOSSY, (0.5, 20.0), Budgets())
    own = bits(network, links)[1]
    for factor in (0.8, 1.25):
        moved = [link.through(LOSSY, 1 + (link.gain - 1) * factor, f2=link.f2) for link in links]
        assert all(np.greater(bits(network, moved)[1], own))


def test_a_budget_of_each_layer_is_used_up_by_each(network):
    budgets = Budgets(0.05, each_layer=True)
    links = most_light_at(network, LOSSY, full_ratios(network, LOSSY, budgets), budgets)
    assert bits(network, links)[1] == pytest.approx([0.05, 0.05], rel=1e-5)
    # One light for both keeps the budget in the layer that leaks more, and no more than that.
    one = most_light(network, LOSSY, budgets)
    assert max(bits(network, one)[1]) == pytest.approx(0.05, rel=1e-6)
    assert min(bits(network, one)[1]) < 0.049


def test_the_best_ratio_is_found(network):
    point = best_light(network, measure, LOSSY, Budgets(0.03))
    assert point.ratios == (1.0, 16.0) or point.ratios == (1.0, 64.0)
    for ratio in (1.0, 4.0, 16.0, 64.0):
        links = most_light_at(network, LOSSY, (1.0, ratio), Budgets(0.03))
        assert measure((1.0, ratio)).at(links[0].f2) <= point.accuracy
    assert bits(network, point.links(network))[0] <= 0.03
    each = best_light(network, measure, LOSSY, Budgets(0.03, each_layer=True))
    assert max(bits(network, each.links(network))[1]) <= 0.03


def test_the_least_leakage_for_an_accuracy_is_found(network):
    point = best_light(network, measure, LOSSY, Budgets(), 0.9)
    assert point.accuracy >= 0.9 and point.ratios[1] > 1
    even = links_at(network, LOSSY, [measure((1.0, 1.0)).f2_for(point.accuracy)] * 2, Budgets())
    assert bits(network, point.links(network))[0] < bits(network, even)[0]


def test_what_cannot_be_met_is_said(network):
    point = best_light(network, measure, LOSSY, Budgets(1e-4), 0.9)
    assert isinstance(point, Infeasible) and point.binding == "weights"
    assert point.required > 1e-4 and "the weight budget binds" in point.reason
    assert best_light(network, measure, LOSSY, Budgets(), 0.99).binding == "accuracy"
    with pytest.raises(RangeError, match="neither a weight budget nor a least accuracy"):
        best_light(network, measure, LOSSY, Budgets())
    with pytest.raises(RangeError, match="weight budget is missing"):
        most_light_at(network, LOSSY, (1.0, 1.0), Budgets())


def test_a_budget_in_total_bits_is_kept_like_one_per_weight():
    """The tighter budget counts, whichever unit it is in; it was ignored layer by layer once."""
    network = Network("made up", (Layer(np.ones((30, 40))), Layer(np.ones((10, 30)))))
    ratios = (1.0, 4.0)
    per_weight = most_light_at(network, Channel(), ratios, Budgets(0.01))
    total = 0.01 * network.weights
    assert most_light_at(network, Channel(), ratios, Budgets(total_bits=total)) == per_weight
    assert most_light_at(network, Channel(), ratios, Budgets(0.5, total_bits=total)) == per_weight
