"""The majorant of clients that amplify, against searches over such clients."""

import numpy as np
import pytest
from scipy.optimize import linprog

from shotveil.host.adversaries.attacks import held_per_mode
from shotveil.host.leakage.amplified import amplified_per_mode, lent_slope
from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.models.common.checks import RangeError

# V_A of one inference, T, ε and K: at the demo's point, at realistic links, with loss, for many.
POINTS = [
    (783.0, 1.0, 4.45e-6, 1),
    (783.0, 1.0, 4.45e-6, 100),
    (11.2, 1.0, 1.18e-3, 1),
    (11.2, 0.99, 2.18e-3, 1),
    (11.2, 0.9, 2.18e-3, 1),
    (1.4, 0.977, 1.23e-3, 1),
]


def best_of_a_grid(once, t, e, inferences):
    """The most that modes of kinds on a grid leak, amplified ones among them: a linear program."""
    slope = np.sqrt(t)
    energy = np.concatenate([[0.0], once * np.geomspace(1e-2, 1e5, 29)])
    slopes = np.concatenate(
        [
            [0.0],
            slope * (1 - np.geomspace(1e-4, 0.5, 14)),
            [slope, 1.0],
            1 + np.geomspace(3e-5, 0.5, 24),
        ]
    )
    noise = np.concatenate([[0.0], e * np.geomspace(1e-2, 1e5, 22)])
    a, s, n = (x.ravel() for x in np.meshgrid(energy, slopes, noise, indexing="ij"))
    n = n + 2 * np.maximum(s**2 - 1, 0)  # an amplifier adds this at least
    seen = n + a * (s - slope) ** 2  # what the server takes for noise
    few = seen < 1e5 * e
    a, s, n, seen = a[few], s[few], n[few], seen[few]
    bits = held_per_mode(inferences * a, s**2, n)
    unit = np.sqrt(once * e)
    found = linprog(
        -bits,
        A_eq=np.stack([np.ones_like(a), a / once]),
        b_eq=[1, 1],
        A_ub=np.stack([seen / e, a * (slope - s) / unit]),
        b_ub=[1, 0],
    )
    assert found.success
    return -found.fun


@pytest.mark.parametrize("once, t, e, inferences", POINTS)
def test_no_mixture_of_modes_exceeds_it_and_the_best_comes_near(once, t, e, inferences):
    best = best_of_a_grid(once, t, e, inferences)
    bound = amplified_per_mode(inferences * once, once, t, e)
    assert best <= bound * (1 + 1e-9) <= 1.3 * best


def test_a_client_that_amplifies_does_exceed_the_majorant_without_gain():
    once, t, e, _ = POINTS[0]
    assert best_of_a_grid(once, t, e, 1) > 1.9 * majorant_per_mode(once, t, e)


@pytest.mark.parametrize("t", [1.0, 0.99, 0.5, 0.0])
def test_what_is_lent_is_the_most_over_the_share_of_energy(t):
    share = np.linspace(1e-6, 1 - 1e-6, 200_001)
    residual, a = 0.03, 4.0
    lent = np.sqrt(residual / a * share * (1 - share)) - share * (1 - np.sqrt(t))
    assert lent_slope(a, t, residual) == pytest.approx(lent.max(), rel=1e-6)


def test_it_falls_with_the_light_of_one_inference_and_is_never_below_the_majorant():
    # More light of one inference makes unequal slopes show, so less can be lent.
    once = np.array([0.1, 1.0, 10.0, 1e3, 1e12])
    bits = amplified_per_mode(1e3, once, 0.99, 1e-3)
    assert (np.diff(bits) < 0).all()
    assert bits[-1] == pytest.approx(float(majorant_per_mode(1e3, 0.99, 1e-3)), rel=0.05)
    assert (bits >= majorant_per_mode(1e3, 0.99, 1e-3)).all()


def test_nothing_is_lent_where_nothing_may_be_spent():
    assert lent_slope(1.0, 1.0, 0.0) == 0
    assert amplified_per_mode(0.0, 0.0, 0.5, 0.1) == 0
    bits = amplified_per_mode([3.0, 30.0], 3.0, 0.5, 0.0)
    np.testing.assert_allclose(bits, majorant_per_mode([3.0, 30.0], 0.5, 0.0), rtol=1e-12)


@pytest.mark.parametrize(
    "arguments", [(-1.0, 1.0, 1.0, 0.1), (1.0, -1.0, 1.0, 0.1), (1.0, 1.0, 1.1, 0.1),
                  (1.0, 1.0, -0.1, 0.1), (1.0, 1.0, 1.0, -0.1)]
)  # fmt: skip
def test_bad_input_is_refused(arguments):
    with pytest.raises(RangeError):
        amplified_per_mode(*arguments)
