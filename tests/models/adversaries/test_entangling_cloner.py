"""The entangling cloner: the channel that it leaves is the one that it is asked for."""

import numpy as np
import pytest

from shotveil.models.adversaries.entangling_cloner import ENTANGLING_CLONER, EntanglingCloner
from shotveil.models.common.checks import RangeError
from shotveil.models.link.symbols import vacuum


def test_the_channel_is_the_one_asked_for():
    cloner = EntanglingCloner(0.8, 0.3)
    assert (cloner.transmittance, cloner.excess_noise, cloner.touched) == (0.8, 0.3, 1)
    taken = cloner.pass_on(np.full((20_000, 4), 5.0 + 2j), np.random.default_rng(1))
    assert taken.touched.all() and taken.touched.shape == (20_000,)
    assert taken.returned.mean() == pytest.approx(np.sqrt(0.8) * (5 + 2j), abs=0.02)
    assert taken.returned.real.var() == pytest.approx(1.3, rel=0.03)
    assert taken.returned.imag.var() == pytest.approx(1.3, rel=0.03)


def test_its_second_record_takes_away_noise_of_the_first():
    """Noise per quadrature of the record: (a − c²/b), see the closed form in test_channels."""
    t, excess = 0.5, 0.3
    sent = vacuum((5000, 10), np.random.default_rng(2), 12.0)
    taken = EntanglingCloner(t, excess).pass_on(sent, np.random.default_rng(3))
    noise = taken.record - np.sqrt((1 - t) / 2) * sent
    w = 1 + excess / (1 - t)
    a, b, c = ((1 - t) + t * w + 1) / 2, (w + 1) / 2, np.sqrt(t * (w**2 - 1)) / 2
    assert noise.real.var() == pytest.approx(a - c**2 / b, rel=0.02)
    assert noise.imag.var() == pytest.approx(a - c**2 / b, rel=0.02)


def test_it_says_what_it_is():
    assert ENTANGLING_CLONER.of() == EntanglingCloner(0.99, 0.01)
    assert ENTANGLING_CLONER.of(0) == EntanglingCloner(0.99, 0)
    assert ENTANGLING_CLONER.covered_by == "holevo" and ENTANGLING_CLONER.sampled is None
    assert ENTANGLING_CLONER.strength.in_loop is None
    with pytest.raises(RangeError, match="excess noise"):
        ENTANGLING_CLONER.of(-1e-9)
    for wrong in (0.0, 1.0):
        with pytest.raises(RangeError, match="transmittance"):
            EntanglingCloner(wrong, 0.1)
    with pytest.raises(RangeError, match="excess noise"):
        EntanglingCloner(0.5, -1e-9)
