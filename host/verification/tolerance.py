"""What a calibration's own error allows: the channel that a verdict may compare with."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import require


def tolerated(
    declared: ChannelEstimate, calibration: Calibration, false_alarm_probability: float
) -> ChannelEstimate:
    """Return the channel `declared`, made worse by the possible error of the shot-noise unit.

    Half of `false_alarm_probability` goes to T̂, whose relative error is that of the unit, and half
    to ε̂, whose error is that of the vacuum (see `host.verification.estimation`). Both errors are
    normal, since records hold thousands of symbols.
    """
    require("false_alarm_probability", false_alarm_probability, above=0, below=1)
    far = float(-ndtri(false_alarm_probability / 2))
    receiver, shot = calibration.receiver, calibration.shot_error
    beyond = receiver.efficiency * declared.excess_noise
    excess_error = np.hypot(calibration.vacuum_error, shot * beyond) / receiver.efficiency
    return ChannelEstimate(
        declared.transmittance * max(1e-9, 1 - far * shot),
        declared.excess_noise + far * float(excess_error),
    )
