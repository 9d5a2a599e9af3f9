import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.detector import Detector


def test_an_ideal_detector_adds_nothing():
    ideal = Detector()
    assert ideal.added_noise == 0
    assert ideal.slope(0.25) == 0.5 and ideal.noise_variance(0.5) == 1.5


def test_figures_of_a_real_one():
    detector = Detector(0.8, 0.1)
    assert detector.added_noise == pytest.approx((0.2 + 0.1) / 0.8)
    assert detector.slope([0.2, 0.8]) == pytest.approx([0.4, 0.8])
    assert detector.noise_variance([0.0, 0.5]) == pytest.approx([1.1, 1.5])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 0), r"detector efficiency = 0 is outside \(0, 1\]"),
        ((1.2, 0), r"detector efficiency = 1.2 is outside \(0, 1\]"),
        ((0.9, -0.1), r"electronic noise = -0.1 is outside \[0, ∞\)"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(RangeError, match=message):
        Detector(*arguments)
