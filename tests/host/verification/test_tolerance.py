"""What a verdict tolerates because of its own calibration."""

import numpy as np
import pytest

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.estimation import Calibration
from shotveil.host.verification.tolerance import tolerated
from shotveil.models.common.checks import RangeError


def test_a_calibration_of_few_symbols_tolerates_more():
    declared = ChannelEstimate(0.96, 0.02)
    known = {
        count: tolerated(declared, Calibration(1.03, 0.03, count, count, (1, 1), 2, 0.9), 1e-6)
        for count in (10_000, 1_000_000)
    }
    for count, channel in known.items():
        # Five standard errors: of 2·10⁻⁶ an honest receiver would be beyond either.
        error = 4.8916 * np.sqrt(2 / count)
        assert channel.excess_noise == pytest.approx(0.02 + error * 1.03 / 0.45, rel=1e-3)
        assert channel.transmittance == pytest.approx(0.96 * (1 - error * np.hypot(1.03, 0.03)))


@pytest.mark.parametrize("probability", [0, 1, 1.5])
def test_what_is_no_probability_is_refused(probability):
    calibration = Calibration(1.03, 0.03, 1000, 1000, (1, 1), 2, 0.9)
    with pytest.raises(RangeError, match=f"false_alarm_probability = {probability} is outside"):
        tolerated(ChannelEstimate(0.96, 0.02), calibration, probability)
