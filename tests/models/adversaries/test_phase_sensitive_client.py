"""A phase-sensitive client: the mean of X and P is as declared, each alone is not."""

import math

import numpy as np
import pytest

from shotveil.models.adversaries.phase_sensitive_client import (
    PHASE_SENSITIVE_CLIENT,
    PhaseSensitiveClient,
)
from shotveil.models.link.optics import Link, inference_noise


def test_all_noise_is_in_p_and_pooled_it_is_as_declared():
    link = Link(1.3, 6.0)
    play = PhaseSensitiveClient(1.0).play(link, np.full(50, 12.0))
    assert not play.noise_x.any()
    assert (play.noise_x + play.noise_p).mean() / 2 == pytest.approx(link.declared_excess_noise(50))


def test_it_reads_better_than_an_amplifier_with_as_much_noise():
    for gain in (1.001, 1.3, 2.0):
        play = PhaseSensitiveClient(1.0).play(Link(gain, 6.0), np.full(50, 12.0))
        honest = math.log2(1 + 12 / inference_noise(gain)) / 2
        assert play.read_bits > honest
        # The product of the noise of a reading and what it does to P is Heisenberg's 1.
        noise = 12 / (4**play.read_bits - 1) - 1
        assert noise * play.noise_p.sum() == pytest.approx(1)


def test_without_noise_it_reads_nothing():
    assert PhaseSensitiveClient(0.0).play(Link(1.3, 6.0), np.full(5, 12.0)).read_bits == 0
    assert PHASE_SENSITIVE_CLIENT.covered_by == "holevo"
