"""A tap: what it leaves, what it has, symbol by symbol and sample by sample."""

import numpy as np
import pytest

from shotveil.models.adversaries.tap import TAP, FibreTap, Tap
from shotveil.models.common.checks import RangeError
from shotveil.models.link.symbols import vacuum
from shotveil.models.waveform.noise import Normals


def test_it_keeps_its_fraction_and_adds_nothing():
    tap = Tap(0.3)
    assert (tap.transmittance, tap.excess_noise, tap.touched) == (0.7, 0, 1)
    sent = np.full((20_000, 4), 5.0 + 2j)
    taken = tap.pass_on(sent, np.random.default_rng(1))
    assert taken.touched.all() and taken.touched.shape == (20_000,)
    assert taken.returned.mean() == pytest.approx(np.sqrt(0.7) * (5 + 2j), abs=0.02)
    # What stays is divided once more, for both quadratures.
    assert taken.record.mean() == pytest.approx(np.sqrt(0.15) * (5 + 2j), abs=0.02)
    for noise in (taken.returned, taken.record):
        assert noise.real.var() == pytest.approx(1, rel=0.03)
        assert noise.imag.var() == pytest.approx(1, rel=0.03)


def test_light_that_is_kept_and_that_goes_on_share_no_noise():
    taken = Tap(0.5).pass_on(np.zeros((50_000, 2), complex), np.random.default_rng(2))
    assert abs(np.mean(taken.returned * taken.record.conj())) < 0.02


def test_it_says_what_it_is():
    assert TAP.of() == Tap(0.01) and TAP.of(1) == Tap(1) and TAP.of(0) == Tap(0)
    assert TAP.covered_by == "holevo" and TAP.strength.in_loop == 0.03
    for wrong in (-0.01, 1.01):
        for make in (Tap, FibreTap, TAP.of):
            with pytest.raises(RangeError, match="fraction"):
                make(wrong)


def test_sample_by_sample_it_does_the_same():
    light = np.full((400, 64), 3.0 + 1j)
    tapped = TAP.sampled(0.1).pass_on(light, Normals(np.random.default_rng(2)))
    assert tapped.mean() == pytest.approx(np.sqrt(0.9) * (3 + 1j), abs=0.02)
    assert tapped.real.var() == pytest.approx(0.1, rel=0.05)
    arrived = vacuum((400, 64), np.random.default_rng(3))
    assert FibreTap(0.4).pass_on(arrived, Normals(np.random.default_rng(4))).imag.var() == (
        pytest.approx(1, rel=0.03)
    )
