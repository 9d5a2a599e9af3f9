"""All data bounds together, against 60 digits."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.data_bounds.crb_prx import crb_prx
from shotveil.host.leakage.data_bounds.crb_v1 import crb_v1
from shotveil.host.leakage.data_bounds.holevo import holevo
from shotveil.host.leakage.data_bounds.qcrb import qcrb
from shotveil.models.common.checks import RangeError


def slow_bounds(g, rows, modes, coherent=0):
    """The four formulas as printed, in 60 digits."""
    with mp.workdps(60):
        g, rows, modes, c = mp.mpf(g), mp.mpf(rows), mp.mpf(modes), mp.mpf(coherent)

        def t(n):
            return (n + 1) * mp.log(n + 1, 2) - n * mp.log(n, 2) if n else mp.mpf(0)

        x2 = 1 / modes
        sigma2 = 1 + g * x2
        return {
            "crb_v1": mp.log(1 + 2 * modes * x2 * (2 * g**2 * x2 / sigma2**4 + 4 * c / sigma2), 2)
            / 2,
            "crb_prx": mp.log(1 + rows / modes * (g**2 / (1 + g) + 2 * c), 2) / 2,
            "qcrb": mp.log(1 + (2 * g + 4 * c) * rows / (2 * modes), 2) / 2,
            "holevo": rows / (2 * modes) * (modes * t((g / 2 + c) / modes) - t(g / 2)),
        }


@pytest.mark.parametrize("g", [0.0, 1e-12, 1e-6, 6 / 13, 1.9])
@pytest.mark.parametrize("rows", [1, 794, 10**6])
@pytest.mark.parametrize("modes", [1, 5, 392, 10**5])
@pytest.mark.parametrize("coherent", [0.0, 1e-9, 0.3, 500.0])
def test_against_sixty_digits(g, rows, modes, coherent):
    fast = data_leakage(g, rows, modes, coherent)
    slow = slow_bounds(g, rows, modes, coherent)
    assert list(fast) == ["holevo", "crb_v1", "crb_prx", "qcrb"]
    # Little coherent light in a single mode is a difference of two entropies.
    rounding = 1e-14 * rows / modes if coherent else 0
    for name, bits in slow.items():
        assert fast[name] == pytest.approx(float(bits), rel=1e-11, abs=rounding), name


def test_values_at_the_published_setting():
    """G = 1.3, N = 392, M = 784 + 10: the printed formulas to 6 digits."""
    fast = data_leakage(6 / 13, 794, 392)
    expected = {"crb_v1": 0.00155891, "crb_prx": 0.186596, "qcrb": 0.476111, "holevo": 1.97725}
    for name, bits in expected.items():
        assert fast[name] == pytest.approx(bits, rel=5e-6), name


@pytest.mark.parametrize("bound", [crb_v1, crb_prx, qcrb, holevo])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((-0.1, 794, 392), "excess noise quantum g = -0.1"),
        ((0.1, 0, 392), "rows = 0"),
        ((0.1, 794, 0), "modes = 0"),
        ((0.1, 794, 1.5), "modes = 1.5"),
        ((float("nan"), 794, 2), "excess noise quantum g = nan"),
    ],
)
def test_refuses(bound, arguments, message):
    with pytest.raises(RangeError, match=message):
        bound(*arguments)


bounds = st.sampled_from([crb_prx, qcrb, holevo])
settings_of_a_layer = st.floats(0, 1.99), st.integers(1, 10**6), st.integers(1, 10**5)


@settings(max_examples=150)
@given(bounds, *settings_of_a_layer, st.integers(1, 1000), st.floats(0, 1))
def test_more_rows_and_more_gain_never_tell_less(bound, g, rows, modes, more, less):
    one = bound(g, rows, modes)
    assert 0 <= one < np.inf
    together, apart = bound(g, rows + more, modes), bound(g, more, modes)
    assert one * (1 - 1e-12) <= together <= (one + apart) * (1 + 1e-12), "subadditive in rows"
    assert bound(g * less, rows, modes) <= one * (1 + 1e-12)


@settings(max_examples=100)
@given(*settings_of_a_layer)
def test_no_measurement_tells_more_than_any_measurement(g, rows, modes):
    """Homodyning is one measurement; and no measurement of one row tells more than its theorem."""
    assert crb_prx(g, rows, modes) <= qcrb(g, rows, modes) * (1 + 1e-12)
    assert holevo(g, rows, modes) == pytest.approx(rows * holevo(g, 1, modes), rel=1e-12)
    assert crb_v1(g, rows, modes) >= 0


@pytest.mark.parametrize("bound", [crb_v1, crb_prx, qcrb, holevo])
def test_the_ends_of_the_ranges(bound):
    assert bound(0.0, 1, 1) == 0
    assert bound(0.0, 1, 7) == 0
    for arguments, name in (((0.1, 1.5, 2), "rows"), ((0.1, -1, 2), "rows"), ((0.1, 1, 0.5), "mo")):
        with pytest.raises(RangeError, match=name):
            bound(*arguments)
