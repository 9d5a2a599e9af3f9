"""The picture of a plan: every limit that was set is drawn, and the point where there is one."""

import numpy as np
import pytest

from shotveil.host.design.operating_point import Budgets
from shotveil.host.design.plan import OperatingPoint, find
from shotveil.host.figures.plan import picture
from shotveil.host.figures.style import BLACK, VERMILION, rendered, style
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import Layer, Network

IDEAL = Channel()
F2 = np.geomspace(1e-3, 1e2, 200)
CURVE = AccuracyCurve("made up", "0", 10_000, F2, Logistic(0.1, 0.98, 0.3, 1.7)(F2))


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    return Network("made up", (Layer(rng.normal(size=(40, 40))), Layer(rng.normal(size=(10, 40)))))


@pytest.mark.parametrize(
    "budgets, accuracy",
    [(Budgets(0.1, 0.05), None), (Budgets(), 0.9), (Budgets(0.001), 0.9), (Budgets(), 0.99)],
)
def test_picture_of_any_plan(network, budgets, accuracy):
    point = find(network, CURVE, IDEAL, budgets, accuracy)
    with style():
        figure = picture(network, CURVE, IDEAL, budgets, accuracy, point)
        assert rendered(figure, "png").startswith(b"\x89PNG")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    limits = (budgets.weight_bits, budgets.data_bits, accuracy)
    shown = sum(limit is not None for limit in limits) + isinstance(point, OperatingPoint)
    assert len(names) == shown


def test_the_point_is_in_the_middle_of_what_is_shown(network):
    point = find(network, CURVE, IDEAL, Budgets(0.1, 0.05))
    with style():
        axes = picture(network, CURVE, IDEAL, Budgets(0.1, 0.05), None, point).axes[0]
    photons, excess = point.link.photons, point.link.gain - 1
    np.testing.assert_allclose(axes.get_xlim(), [photons / 100, photons * 100], rtol=0.05)
    low, high = axes.get_ylim()
    assert low < excess < high and high <= 1000 * 1.05
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    trade = axes.figure.axes[2]
    np.testing.assert_allclose(trade.lines[-3].get_xydata()[0][1], 0.1, rtol=1e-6)  # the star
    assert [line.get_color() for line in trade.lines[-2:]] == [VERMILION, BLACK]
    assert trade.get_xlabel() == "bits per data element (holevo)"
    assert names[:2] == ["limit: 0.1 bit per weight", "limit: 0.05 bit per data element (holevo)"]
