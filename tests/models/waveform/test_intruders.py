"""Whoever sits on the fibre, sample by sample, keeps to what the optics expect."""

import math

import numpy as np
import pytest

from shotveil.models.adversaries.adversary import FibreAdversary, adversaries
from shotveil.models.adversaries.intercept_resend import Interceptor
from shotveil.models.adversaries.tap import FibreTap
from shotveil.models.common.checks import RangeError
from shotveil.models.waveform.noise import Normals

PLAYING = [who for who in adversaries(FibreAdversary).values() if who.sampled is not None]


@pytest.mark.parametrize("who", PLAYING, ids=lambda who: who.name)
def test_frames_keep_their_shape_and_at_no_strength_their_bits(who):
    light = np.random.default_rng(1).normal(size=(5, 16, 2)) @ [1, 1j]
    rng = Normals(np.random.default_rng(2))
    passed = who.sampled(who.strength.in_loop).pass_on(light, rng)
    assert passed.shape == light.shape and np.iscomplexobj(passed)
    np.testing.assert_array_equal(who.sampled(0.0).pass_on(light, rng), light)


def test_those_that_play_in_the_loop_have_a_strength_there():
    assert [who.name for who in PLAYING] == ["intercept-resend", "tap"]
    for who in adversaries(FibreAdversary).values():
        assert (who.sampled is None) == (who.strength.in_loop is None)


def drawn(seed=1):
    return Normals(np.random.default_rng(seed))


LIGHT = np.random.default_rng(2).normal(size=(400, 300, 2)) @ [3, 3j]


def test_a_tap_keeps_its_share_and_lets_vacuum_in():
    tap = FibreTap(0.36)
    left = tap.pass_on(LIGHT, drawn())
    added = left - math.sqrt(0.64) * LIGHT
    error = 5 * math.sqrt(2 / LIGHT.size)
    for part in (added.real, added.imag):
        assert part.var() == pytest.approx(0.36, rel=error)
    assert abs(np.mean(added.real * LIGHT.real)) < 5 * 0.6 * 3 / math.sqrt(LIGHT.size)
    np.testing.assert_allclose(FibreTap(0.0).pass_on(LIGHT, drawn()), LIGHT)
    gone = FibreTap(1.0).pass_on(LIGHT, drawn())
    assert gone.real.var() == pytest.approx(1, rel=error)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_an_interceptor_adds_two_units_to_the_frames_it_touches(fraction):
    left = Interceptor(fraction).pass_on(LIGHT, drawn())
    touched = (left != LIGHT).any(axis=1)
    # Five standard deviations of a binomial.
    assert abs(touched.mean() - fraction) <= 5 * math.sqrt(fraction * (1 - fraction) / 400)
    added = (left - LIGHT)[touched]
    if fraction:
        for part in (added.real, added.imag):
            assert part.var() == pytest.approx(2, rel=5 * math.sqrt(2 / added.size))
        assert abs(np.mean(added.real * added.imag)) < 10 / math.sqrt(added.size)


def test_a_frame_is_treated_alike_alone_or_among_others():
    for intruder in (FibreTap(0.3), Interceptor(0.5)):
        whole = intruder.pass_on(LIGHT[:6], drawn())
        noise = drawn()
        parts = [intruder.pass_on(LIGHT[k : k + 2], noise) for k in range(0, 6, 2)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("kind", [FibreTap, Interceptor])
def test_a_fraction_is_one(kind):
    for fraction in (-0.01, 1.01):
        with pytest.raises(RangeError, match="fraction"):
            kind(fraction)


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (FibreTap, Interceptor):
        assert kind.__dataclass_params__.frozen
