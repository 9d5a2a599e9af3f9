"""Drift of the shot-noise unit: noise that hides in a smaller unit."""

import numpy as np
import pytest

from shotveil.models.adversaries.shot_noise_drift import SHOT_NOISE_DRIFT, DriftingClient
from shotveil.models.link.optics import Link

LINK = Link(1.3, 6.0)


def test_the_record_is_as_noisy_as_declared_though_the_light_is_noisier():
    play = DriftingClient(0.01).play(LINK, np.full(50, 12.0))
    assert play.unit == 0.99
    assert play.unit * (1 + play.noise_x.mean()) == pytest.approx(
        1 + LINK.declared_excess_noise(50)
    )


def test_more_drift_tells_more():
    bits = [DriftingClient(d).play(LINK, np.full(50, 12.0)).read_bits for d in (0, 0.01, 0.03)]
    assert bits == sorted(bits) and bits[0] < bits[2]
    # At no drift it is an honest client.
    assert bits[0] == pytest.approx(np.log2(1 + 12 / LINK.inference_noise) / 2)
    assert SHOT_NOISE_DRIFT.covered_by == "holevo"
