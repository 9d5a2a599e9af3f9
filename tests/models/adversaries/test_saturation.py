"""Receiver saturation: rows that are resent, shifted."""

import numpy as np
import pytest

from shotveil.models.adversaries.saturation import RECEIVER_SATURATION, Saturator
from shotveil.models.common.checks import RangeError
from shotveil.models.link.symbols import vacuum


def test_what_goes_on_is_shifted_and_as_noisy_as_it_says():
    rng = np.random.default_rng(1)
    sent = vacuum((2000, 50), rng, 3.0)
    attack = Saturator(0.7)
    taken = attack.pass_on(sent, rng)
    left = taken.returned - sent
    assert np.mean(left) == pytest.approx(0.7 + 0.7j, abs=0.02)
    seen = np.mean(np.abs(left) ** 2) / 2 - 1
    assert seen == pytest.approx(attack.excess_noise, rel=0.02)
    assert taken.touched.all() and attack.touched == attack.transmittance == 1


def test_settings():
    with pytest.raises(RangeError, match="displacement = -1"):
        Saturator(-1)
    assert RECEIVER_SATURATION.of() == Saturator(32) and RECEIVER_SATURATION.sampled is None
