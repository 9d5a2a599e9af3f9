import pytest

from shotveil.host.leakage.published import (
    accuracy_argument,
    loss_transmittance,
    weight_leakage_prx,
    weight_leakage_v1,
)
from shotveil.host.leakage.weights import weight_leakage
from shotveil.models.common.checks import RangeError


def test_weights_per_mode_and_per_real_weight():
    assert weight_leakage_v1(13, 1, 0.0011774) == pytest.approx(0.065083, abs=5e-7)
    assert weight_leakage_v1(13, 1, 0.0011774) == 2 * weight_leakage_prx(13, 1, 0.0011774)
    assert weight_leakage_prx(9, 0.5, 0.01) == weight_leakage(9, 0.5, 0.01)


def test_arguments():
    assert accuracy_argument(6, 1.5) == 2
    assert loss_transmittance(0.25) == 0.5


def test_refuses():
    with pytest.raises(RangeError, match="photons = -1"):
        accuracy_argument(-1, 1)
    with pytest.raises(RangeError, match="noise_variance = 0"):
        accuracy_argument(1, 0)
    with pytest.raises(RangeError, match=r"transmittance = 1\.5"):
        loss_transmittance(1.5)


@pytest.mark.parametrize(
    "arguments, bits",
    [
        ((13, 1, 0.0011774), 0.065083),
        ((9, 0.5, 0.01), 2.780946),
        ((3, 0.9, 0.02), 0.560760),
        ((223, 1, 0.00022), 0.187876),
        ((1.2, 0.31, 0), 0.369055),
    ],
)
def test_the_published_figures(arguments, bits):
    assert weight_leakage_v1(*arguments) == pytest.approx(bits, abs=5e-7)
    assert weight_leakage_prx(*arguments) == pytest.approx(bits / 2, abs=3e-7)


def test_the_ends_of_the_ranges():
    assert accuracy_argument(0, 0.5) == 0
    assert accuracy_argument(8, 0.5) == 4
    assert loss_transmittance(0) == 0 and loss_transmittance(1) == 1
    with pytest.raises(RangeError, match=r"transmittance = -0\.1"):
        loss_transmittance(-0.1)
