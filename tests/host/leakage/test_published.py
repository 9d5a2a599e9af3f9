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
