"""Intercept and resend: what is touched, and what it costs."""

import numpy as np
import pytest

from shotveil.models.adversaries.intercept_resend import (
    INTERCEPT_RESEND,
    Interceptor,
    InterceptResend,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.waveform.noise import Normals


def test_touched_rows_return_with_two_units_more_and_the_others_as_they_went():
    attack = InterceptResend(0.25)
    assert (attack.transmittance, attack.excess_noise, attack.touched) == (1, 0.5, 0.25)
    taken = attack.pass_on(np.full((20_000, 4), 5.0 + 2j), np.random.default_rng(1))
    assert taken.touched.mean() == pytest.approx(0.25, abs=0.015)
    assert (taken.record[~taken.touched] == 0).all()
    for rows, variance in ((taken.touched, 3), (~taken.touched, 1)):
        assert taken.returned[rows].mean() == pytest.approx(5 + 2j, abs=0.05)
        assert taken.returned[rows].imag.var() == pytest.approx(variance, rel=0.03)
    # A heterodyne record, as strong as the light: noise 2.
    record = taken.record[taken.touched]
    assert record.mean() == pytest.approx(5 + 2j, abs=0.05)
    assert record.real.var() == pytest.approx(2, rel=0.03)


def test_it_says_what_it_is():
    assert INTERCEPT_RESEND.of() == InterceptResend(0.05)
    assert INTERCEPT_RESEND.of(1) == InterceptResend(1)
    assert INTERCEPT_RESEND.of(0) == InterceptResend(0)
    assert INTERCEPT_RESEND.covered_by == "holevo" and INTERCEPT_RESEND.strength.in_loop == 0.05
    for wrong in (-0.01, 1.01):
        for make in (InterceptResend, Interceptor, INTERCEPT_RESEND.of):
            with pytest.raises(RangeError, match="fraction"):
                make(wrong)


def test_sample_by_sample_whole_frames_are_touched():
    light = np.full((4000, 16), 3.0 + 1j)
    resent = INTERCEPT_RESEND.sampled(0.25).pass_on(light, Normals(np.random.default_rng(3)))
    touched = np.any(resent != light, axis=1)
    assert touched.mean() == pytest.approx(0.25, abs=0.03)
    assert (resent[touched] != light[touched]).all()
    assert resent[touched].mean() == pytest.approx(3 + 1j, abs=0.05)
    assert resent[touched].imag.var() == pytest.approx(2, rel=0.05)


def test_a_frame_is_touched_alone_as_among_others():
    light = np.zeros((12, 8), complex)
    together = Interceptor(0.5).pass_on(light, Normals(np.random.default_rng(5)))
    same = Normals(np.random.default_rng(5))
    alone = [Interceptor(0.5).pass_on(frame[None], same) for frame in light]
    np.testing.assert_array_equal(together, np.concatenate(alone))
