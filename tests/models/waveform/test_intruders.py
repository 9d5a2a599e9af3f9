"""Whoever sits on the fibre, sample by sample, keeps to what the optics expect."""

import numpy as np
import pytest

from shotveil.models.adversaries.adversary import FibreAdversary, adversaries
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
