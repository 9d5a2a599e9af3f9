"""The Holevo bound against printed values, 60 digits, thewalrus, and attacks written out."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thewalrus.decompositions import symplectic_eigenvals

from shotveil.host.leakage.weights import (
    entropy,
    holevo_per_mode,
    thermal_entropy,
    weight_leakage,
    weight_leakage_after,
    weight_leakage_limit,
)
from shotveil.models.common.checks import RangeError

CHECKPOINTS = [  # V, T, ε, χ as printed, half a unit of its last digit
    (13, 1, 0.0011774, 0.065083, 5e-7),
    (9, 0.5, 0.01, 2.780946, 5e-7),
    (3, 0.9, 0.02, 0.560760, 5e-7),
    (223, 1, 0.00022, 0.187876, 5e-7),
    (1.2, 0.31, 0.0, 0.369055, 5e-7),
    (13, 1, 0.00118, 0.065204064, 5e-10),
    (9, 0.5, 0.005, 2.769590703, 5e-10),
    (5, 0.8, 0.002, 1.221098739, 5e-10),
    (3, 0.3, 0.003, 1.664398146, 5e-10),
]


@pytest.mark.parametrize("variance, transmittance, excess, bits, half_digit", CHECKPOINTS)
def test_printed_values(variance, transmittance, excess, bits, half_digit):
    assert abs(holevo_per_mode(variance, transmittance, excess) - bits) <= half_digit


def slow_entropy(v):
    """h(v) as it stands in the textbook."""
    n = (v - 1) / 2
    return mp.mpf(0) if n <= 0 else (n + 1) * mp.log(n + 1, 2) - n * mp.log(n, 2)


def slow_holevo(modulation, transmittance, excess):
    """χ as it stands in the textbook, in 60 digits so that its cancellations do not matter."""
    with mp.workdps(60):
        t, e = mp.mpf(transmittance), mp.mpf(excess)
        a = mp.mpf(modulation) + 1
        b = t * (a - 1) + 1 + e
        c2 = t * (a * a - 1)
        z = mp.sqrt((a + b) ** 2 - 4 * c2)
        nu1, nu2, nu3 = (z + b - a) / 2, (z - b + a) / 2, b - c2 / (a + 1)
        # 60 digits leave ν of a pure mode at 1 − 1e-50; no physical ν in the test is that near 1.
        nu1, nu2, nu3 = (mp.mpf(1) if abs(v - 1) < mp.mpf("1e-40") else v for v in (nu1, nu2, nu3))
        return slow_entropy(nu1) + slow_entropy(nu2) - slow_entropy(nu3)


MODULATIONS = [0.0, 1e-9, 1e-6, 1e-3, 0.2, 1.0, 12.0, 222.0, 1e4, 1e6, 1e8]
TRANSMITTANCES = [0.0, 1e-6, 0.3, 0.5, 0.99, 1 - 1e-6, 1 - 1e-12, 1.0]
EXCESSES = [0.0, 1e-12, 1e-9, 1e-6, 0.0011774, 0.02, 0.5, 3.0]


def test_against_sixty_digits():
    grid = np.meshgrid(MODULATIONS, TRANSMITTANCES, EXCESSES, indexing="ij")
    fast = 2 * weight_leakage_after(1, *grid)
    slow = np.vectorize(lambda *p: float(slow_holevo(*p)))(*grid)
    assert fast.shape == (11, 8, 8)
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=0)


def test_from_the_variance_against_sixty_digits():
    grid = np.meshgrid([1.0, 1 + 1e-6, 1.2, 13.0, 1e6], [0.5, 1.0], EXCESSES, indexing="ij")
    slow = np.vectorize(lambda v, t, e: float(slow_holevo(mp.mpf(v) - 1, t, e)))(*grid)
    np.testing.assert_allclose(holevo_per_mode(*grid), slow, rtol=1e-12, atol=0)
    np.testing.assert_allclose(weight_leakage(*grid), slow / 2, rtol=1e-12, atol=0)


def test_entropy_close_to_vacuum_and_far_from_it():
    for n in (0.0, 1e-300, 1e-15, 5e-13, 1e-6, 0.2, 3.0, 1e9, 1e15):
        with mp.workdps(60):
            exact = float(slow_entropy(1 + 2 * mp.mpf(n))) if n > 1e-20 else None
            if n == 1e-300:  # 1 + 2n needs more than 60 digits; n + n·ln(1/n) to rounding
                exact = float(mp.mpf(n) * (1 - mp.log(mp.mpf(n))) / mp.log(2))
        assert thermal_entropy(n) == pytest.approx(exact or 0.0, rel=1e-14, abs=0)
    v = 1 + 1e-12
    with mp.workdps(60):
        exact = float(slow_entropy(mp.mpf(v)))
    assert entropy(v) == pytest.approx(exact, rel=1e-14)
    assert entropy(1) == 0
    assert entropy(3) == pytest.approx(2, rel=1e-15)  # one photon: 2·log2 2


def entropy_of(covariance):
    """Entropy of a Gaussian state in bits, order xxpp, by thewalrus' symplectic eigenvalues."""
    n = (np.abs(symplectic_eigenvals(covariance)) - 1) / 2
    n = n[n > 1e-12]
    return float(np.sum((n + 1) * np.log2(n + 1) - n * np.log2(n)))


@pytest.mark.parametrize("variance, transmittance, excess, bits, _", CHECKPOINTS)
def test_against_thewalrus(variance, transmittance, excess, bits, _):
    """The state shared by server and returned light is pure with the client's, so the same entropy;
    heterodyning the server's half prepares coherent states, leaving the conditional state."""
    a, b = variance, transmittance * (variance - 1) + 1 + excess
    c = np.sqrt(transmittance * (variance**2 - 1))
    x, p = np.array([[a, c], [c, b]]), np.array([[a, -c], [-c, b]])
    joint = np.block([[x, np.zeros((2, 2))], [np.zeros((2, 2)), p]])
    conditional = (b - c**2 / (a + 1)) * np.eye(2)
    chi = entropy_of(joint) - entropy_of(conditional)
    assert holevo_per_mode(variance, transmittance, excess) == pytest.approx(chi, abs=1e-9)


def cloner_light(modulation, transmittance, excess, copies):
    """What an entangling cloner keeps of `copies` equal coherent states with Gaussian modulation.

    The cloner mixes the light on a beam splitter T with half of a two-mode squeezed vacuum of
    variance W = 1 + ε/(1−T); it keeps the other output and the other half. Order xxpp.
    """
    w = 1 + excess / (1 - transmittance)
    s = np.sqrt(w * w - 1)
    signal = modulation * np.ones((copies, copies)) + np.eye(copies)
    one = np.eye(copies)
    quadratures = []
    for sign in (1, -1):
        kept = (1 - transmittance) * signal + transmittance * w * one
        cross = sign * np.sqrt(transmittance) * s * one
        quadratures.append(np.block([[kept, cross], [cross, w * one]]))
    zero = np.zeros_like(quadratures[0])
    return np.block([[quadratures[0], zero], [zero, quadratures[1]]])


@pytest.mark.parametrize("copies", [1, 2, 3, 4])
@pytest.mark.parametrize("transmittance, excess", [(0.5, 0.01), (0.9, 0.02), (0.3, 0.0)])
def test_k_inferences_are_one_of_k_times_the_variance(copies, transmittance, excess):
    """The attack written out: S(kept light) − S(kept light | weights), over all copies at once."""
    modulation = 8.0
    chi = entropy_of(cloner_light(modulation, transmittance, excess, copies)) - entropy_of(
        cloner_light(0.0, transmittance, excess, copies)
    )
    bound = 2 * weight_leakage_after(copies, modulation, transmittance, excess)
    assert bound == pytest.approx(chi, rel=1e-9)


def test_growth_with_inferences():
    per_mode = 2 * weight_leakage_after([1, 10, 100, 1000], 12, 1, 0.00118)
    np.testing.assert_allclose(per_mode, [0.065, 0.43, 1.92, 4.77], rtol=0.01)
    assert weight_leakage_after(0, 12, 0.5, 0.1) == 0


channels = {
    "modulation": st.floats(1e-6, 1e6),
    "transmittance": st.floats(0, 1),
    "excess": st.floats(0, 3),
}


@settings(max_examples=200)
@given(**channels, step=st.floats(1e-3, 1))
def test_less_light_back_or_more_noise_never_leaks_less(modulation, transmittance, excess, step):
    """What makes (T_min, ε_max) the worst corner of a confidence region."""
    leak = weight_leakage_after(1, modulation, transmittance, excess)
    slack = leak * (1 + 1e-12)
    assert leak >= 0
    assert slack >= weight_leakage_after(1, modulation, transmittance, excess * (1 - step))
    lower = transmittance * (1 - step)
    assert weight_leakage_after(1, modulation, lower, excess) * (1 + 1e-12) >= leak
    assert weight_leakage_after(2, modulation, transmittance, excess) <= 2 * slack


def test_limit_of_small_gain():
    f2, modes, gain = np.array([0.01, 0.67, 2.4, 30.0])[:, None], np.array([4, 392]), 1 + 1e-7
    noise = (2 * gain**2 - 3 * gain + 2) / (gain * (gain - 1))
    leak = weight_leakage_after(1, f2 * noise, 1, 2 * (gain - 1) / gain / modes)
    np.testing.assert_allclose(leak, weight_leakage_limit(f2, modes), rtol=2e-5)
    assert weight_leakage_limit(0, 10) == 0
    with mp.workdps(60):
        exact = float(slow_entropy(mp.sqrt(1 + 2 * mp.mpf(1e-9) / 392)))
    assert weight_leakage_limit(1e-9, 392) == pytest.approx(exact, rel=1e-13)


def test_broadcasting_and_scalars():
    shape = holevo_per_mode(np.full((4, 1, 1), 13), np.full((3, 1), 0.9), np.zeros(2)).shape
    assert shape == (4, 3, 2)
    assert isinstance(weight_leakage(13, 0.9, 0.01), float)
    assert isinstance(weight_leakage_after(3, 12, 0.9, 0.01), float)
    assert isinstance(weight_leakage_limit(3, 12), float)
    assert isinstance(entropy(2), float)


@pytest.mark.parametrize(
    "call, arguments, message",
    [
        (holevo_per_mode, (0.9, 1, 0), "variance = 0.9"),
        (holevo_per_mode, (2, 1.1, 0), "transmittance = 1.1"),
        (holevo_per_mode, (2, -0.1, 0), "transmittance = -0.1"),
        (holevo_per_mode, (2, 1, [0.1, -0.01]), "excess_noise = -0.01"),
        (weight_leakage_after, (1.5, 1, 1, 0), "inferences = 1.5"),
        (weight_leakage_after, (-1, 1, 1, 0), "inferences = -1"),
        (weight_leakage_after, (1, -1, 1, 0), "modulation_variance = -1"),
        (weight_leakage_limit, (-1, 392), "f2 = -1"),
        (weight_leakage_limit, (1, 0), "modes = 0"),
        (entropy, (0.99,), "variance = 0.99"),
        (thermal_entropy, (-1,), "photons = -1"),
    ],
)
def test_refuses_the_unphysical(call, arguments, message):
    with pytest.raises(RangeError, match=message):
        call(*arguments)


@settings(max_examples=200)
@given(**channels, copies=st.integers(2, 10**6), step=st.floats(1e-3, 1))
def test_more_light_and_more_copies_leak_more_but_ever_less_each(
    modulation, transmittance, excess, copies, step
):
    """Monotone in V and in K, and χ_K ≤ K·χ: one more look at the same weights tells less."""
    one = weight_leakage_after(1, modulation, transmittance, excess)
    assert weight_leakage_after(1, modulation * (1 + step), transmittance, excess) >= one * (
        1 - 1e-12
    )
    many = weight_leakage_after(copies, modulation, transmittance, excess)
    assert one * (1 - 1e-12) <= many <= copies * one * (1 + 1e-12)
    more = weight_leakage_after(copies + 1, modulation, transmittance, excess)
    assert more >= many * (1 - 1e-12)
    assert more / (copies + 1) <= many / copies * (1 + 1e-12)
    # However the copies are split into two lots, the lots together leak no less.
    part = copies // 2
    lots = [
        weight_leakage_after(k, modulation, transmittance, excess) for k in (part, copies - part)
    ]
    assert many <= sum(lots) * (1 + 1e-12)


@settings(max_examples=200)
@given(**channels, further=st.floats(0, 1), noise=st.floats(0, 3))
def test_a_channel_after_the_channel_never_leaks_less(
    modulation, transmittance, excess, further, noise
):
    """Data processing: what also passes a lossy, noisy channel on its way leaves more behind."""
    one = weight_leakage_after(1, modulation, transmittance, excess)
    chained = transmittance * further, further * excess + noise
    assert weight_leakage_after(1, modulation, *chained) >= one * (1 - 1e-12) - 1e-15


@settings(max_examples=100)
@given(**channels)
def test_no_more_leaks_than_all_light_holds(modulation, transmittance, excess):
    """χ is at most what is known of the weights when nothing comes back, plus the noise's own."""
    one = weight_leakage_after(1, modulation, transmittance, excess)
    held = weight_leakage_after(1, modulation, 0.0, excess)
    assert one <= held * (1 + 1e-12)
    # Nothing comes back, nothing is added: all of the ensemble's entropy, h(V)/2 a real weight.
    lost = weight_leakage_after(1, modulation, 0.0, 0.0)
    assert lost == pytest.approx(float(thermal_entropy(modulation / 2)) / 2, rel=1e-12)
    # All comes back as it was: nothing is known.
    assert weight_leakage_after(1, modulation, 1.0, 0.0) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    "call, allowed",
    [
        (holevo_per_mode, [(1, 0, 0), (1, 1, 0)]),
        (weight_leakage_after, [(0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 1, 0.1)]),
        (weight_leakage_limit, [(0, 1), (0, 5)]),
        (entropy, [(1,)]),
        (thermal_entropy, [(0,)]),
    ],
)
def test_takes_the_ends_of_the_ranges(call, allowed):
    for arguments in allowed:
        assert call(*arguments) == 0


@pytest.mark.parametrize("modes", [1.5, 0.5, -1])
def test_modes_are_counted(modes):
    with pytest.raises(RangeError, match="modes = "):
        weight_leakage_limit(1.0, modes)


def test_far_below_and_far_above_what_can_be_seen():
    """1e-300 photons and 1e300: no warning, nothing negative, nothing infinite."""
    for photons in (0.0, 1e-310, 1e-300, 1e-299, 1e300):
        bits = float(thermal_entropy(photons))
        assert np.isfinite(bits) and bits >= 0
    ratio = float(thermal_entropy(2e-300) / thermal_entropy(1e-300))
    assert ratio == pytest.approx(2, rel=0.01)
