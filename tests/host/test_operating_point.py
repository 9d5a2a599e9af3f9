import numpy as np
import pytest

from host.leakage.declared import network_leakage
from host.operating_point import within_budgets
from models.checks import RangeError
from models.network import Layer, Network
from models.optics import Link

IDEAL = Link(1.3, 0)
NETWORK = Network("wide", (Layer(np.ones((784, 784))), Layer(np.ones((10, 784)))))


@pytest.mark.parametrize(
    "weight, data, bound, channel",
    [
        (0.1, 0.01, "crb_prx", IDEAL),
        (0.01, 0.01, "qcrb", IDEAL),
        (0.5, 0.1, "crb_prx", Link(1.3, 0, transmittance_back=0.9, excess_noise=0.001)),
    ],
)
def test_is_inside_both_budgets_and_no_gain_does_better(weight, data, bound, channel):
    link = within_budgets(NETWORK, weight, data, bound, channel)
    leakage = network_leakage(NETWORK, link)
    assert weight * (1 - 1e-6) < leakage.weight_leakage_bits <= weight
    assert leakage.data_leakage_bits[bound] <= data
    assert link.transmittance == channel.transmittance
    # A search by hand: lower gains, each with the photons that use up the weight budget.
    for gain in 1 + (link.gain - 1) * np.array([0.3, 0.6, 0.9, 0.97]):
        few, many = 1e-9, 1e9
        for _ in range(200):
            photons = np.sqrt(few * many)
            other = Link(
                gain,
                photons,
                transmittance_back=channel.transmittance_back,
                excess_noise=channel.excess_noise,
            )
            over = network_leakage(NETWORK, other).weight_leakage_bits > weight
            few, many = (few, photons) if over else (photons, many)
        assert other.f2 <= link.f2 * (1 + 1e-4)


def test_high_data_budget_leaves_the_gain_free():
    link = within_budgets(NETWORK, 0.1, 50, "qcrb", IDEAL)
    assert link.gain == pytest.approx(4 / 3, abs=0.05)  # where gD is smallest, docs/physics.md


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 0.01, "qcrb"), r"weight budget = 0 is outside"),
        ((0.01, -1, "qcrb"), r"data budget = -1 is outside"),
        ((0.01, 0.01, "none"), r"'none' is none of crb_v1, crb_prx, qcrb, holevo"),
        ((0.01, 1e-12, "qcrb"), r"data budget = 1e-12 bits is below"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(RangeError, match=message):
        within_budgets(NETWORK, *arguments, IDEAL)
