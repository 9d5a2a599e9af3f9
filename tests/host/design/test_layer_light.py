"""Plans with light for each layer, against sums over layers and against a search by hand."""

import numpy as np
import pytest

from shotveil.host.design.layer_light import (
    best_light,
    brightest,
    full_ratios,
    links_at,
    most_light_at,
)
from shotveil.host.design.operating_point import Budgets, greatest_gain, most_light
from shotveil.host.design.plan import Infeasible
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
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
    assert each.ratios == full_ratios(network, LOSSY, Budgets(0.03, each_layer=True))


def test_the_light_that_scores_best_is_found(network):
    """Without a curve: whatever is scored, in the ratios of the grid, inside the budget."""
    budgets, seen = Budgets(0.03), []

    def score(f2):
        seen.append(f2)
        return -abs(np.log(f2[1] / f2[0] / 20))

    links = brightest(network, LOSSY, budgets, score)
    assert links == most_light_at(network, LOSSY, (1.0, 16.0), budgets) and len(seen) == 6
    assert bits(network, links)[0] <= 0.03
    each = brightest(network, LOSSY, Budgets(0.03, each_layer=True), score)
    assert bits(network, each)[1] == pytest.approx([0.03, 0.03], rel=1e-5)


def test_light_that_is_known_keeps_its_ratios():
    rng = np.random.default_rng(1)
    layers = tuple(Layer(rng.normal(size=shape)) for shape in ((30, 40), (20, 30), (4, 20)))
    deep = Network("deep", layers)
    wanted = np.array([1.0, 4.0, 12.0])

    def score(f2):
        return -float(np.abs(np.log(np.array(f2) / f2[0] / wanted)).sum())

    links = brightest(deep, Channel(), Budgets(0.03), score, behind=(0.5, 1.5))
    ratios = [link.f2 / links[0].f2 for link in links]
    assert ratios == pytest.approx([1, 4, 12])
    free = brightest(deep, Channel(), Budgets(0.03), score)
    assert [link.f2 / free[0].f2 for link in free] == pytest.approx([1, 4, 16])
    same = brightest(deep, Channel(), Budgets(0.03), lambda f2: 1.0, behind=(0.5, 1.5))
    assert [link.f2 / same[0].f2 for link in same] == pytest.approx([1, 1, 3])


def test_light_beyond_the_converters_is_left_out(network):
    """A budget that allows more than the client's converter takes gives what it takes."""
    narrow = Channel(client_detector=Detector(converter_range=32))
    tight, loose = Budgets(0.05), Budgets(3.0)
    for budgets in (tight, loose):
        links = brightest(network, narrow, budgets, lambda f2: f2[1] / f2[0])
        for link in links:
            link.check_range_at(link.gain, link.photons)
        assert bits(network, links)[0] <= budgets.weight_bits
    with pytest.raises(RangeError, match="converter range = 32"):
        most_light_at(network, narrow, (1.0, 256.0), loose)


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


def test_coherent_light_of_an_imbalance_counts_against_the_data_budgets(network):
    """At the greatest gain there was no room for it, and the budget was exceeded once."""
    bent = Channel(loss_imbalance=0.01)
    for budgets in (Budgets(0.05, data_bits=0.02), Budgets(0.05, image_bits=0.8)):
        links = most_light_at(network, bent, (1.0, 4.0), budgets)
        leaked = network_leakage(network, links)
        assert bits(network, links)[0] <= 0.05
        if budgets.image_bits:
            assert leaked.image_bits["holevo"] <= 0.8
        else:
            assert leaked.data_leakage_bits["holevo"] <= 0.02
        straight = most_light_at(network, Channel(), (1.0, 4.0), budgets)
        assert 0 < links[0].f2 < straight[0].f2
    with pytest.raises(RangeError, match="a loss imbalance returns more than the data budget"):
        links_at(network, bent, (1e3, 1e3), Budgets(data_bits=0.02))
