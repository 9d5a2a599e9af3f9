"""The closed-form curves of all figures against slow references, written down from the paper.

The references work with 60 digits, from the symplectic eigenvalues as printed; none of the
project's bounds enters them.
"""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from shotveil.host.figures import tables
from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.host.leakage.weight_bounds.holevo_amplified import holevo_amplified
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.networks.network import Layer, Network

mpmath.mp.dps = 60
RELATIVE = 1e-9
CURVE_F2 = np.geomspace(1e-3, 1e2, 60)
CURVE = AccuracyCurve("made up", "0", 10_000, CURVE_F2, Logistic(0.1, 0.98, 0.3, 1.7)(CURVE_F2))


def log2(x):
    return mpmath.log(x) / mpmath.log(2)


def entropy(v):
    above, below = (v + 1) / 2, (v - 1) / 2
    return above * log2(above) - (below * log2(below) if below else 0)


def chi(variance, transmittance, excess):
    v, t, e = mpf(variance), mpf(transmittance), mpf(excess)
    a, b, c2 = v, t * (v - 1) + 1 + e, t * (v**2 - 1)
    z = mpmath.sqrt((a + b) ** 2 - 4 * c2)
    return entropy((z + b - a) / 2) + entropy((z - b + a) / 2) - entropy(b - c2 / (a + 1))


def majorant(variance, transmittance, excess):
    """The bound that budgets are held against, bits per weight; its own tests are elsewhere."""
    return majorant_per_mode(float(variance) - 1, float(transmittance), float(excess)) / 2


def amplified(variance, excess):
    """The same at T = 1 of clients that may amplify; its own tests are elsewhere, too."""
    return holevo_amplified(1, float(variance) - 1, 1.0, float(excess))


def quantum(gain):
    return 2 * (mpf(gain) - 1) / mpf(gain)


def noise(gain):
    gain = mpf(gain)
    return (2 * gain**2 - 3 * gain + 2) / (gain * (gain - 1))


def crb_v1(g, rows, modes):
    x2 = 1 / mpf(modes)
    sigma2 = 1 + g * x2
    return log2(1 + 2 * modes * x2 * 2 * g**2 * x2 / sigma2**4) / 2


def crb_prx(g, rows, modes):
    return log2(1 + mpf(rows) / modes * g**2 / (1 + g)) / 2


def qcrb(g, rows, modes):
    return log2(1 + 2 * g * rows / (2 * mpf(modes))) / 2


def holevo(g, rows, modes):
    def thermal(n):
        return entropy(1 + 2 * n)

    n = g / 2
    return mpf(rows) / (2 * modes) * (modes * thermal(n / modes) - thermal(n))


def decibels(loss):
    return mpf(10) ** (-mpf(loss) / 10)


def assert_column(found, reference, *arguments, some=12):
    """`found` against reference(...) of the same row's arguments, at some rows and both ends."""
    assert np.isfinite(found).all()
    for i in np.unique(np.linspace(0, len(found) - 1, some).astype(int)):
        expected = reference(*(mpf(float(values[i])) for values in arguments))
        assert abs(mpf(float(found[i])) - expected) <= RELATIVE * abs(expected)


def test_published_leakage_at_the_paper_s_point():
    # G = 1.3, N = 392, M = 794, V = 13, to six digits.
    at = tables.leakage_against_loss("published", 1.3, 6.0, points=2)
    assert at["weight_leakage_v1_bits"][0] == pytest.approx(0.065083, rel=1e-5)
    assert at["weight_leakage_prx_bits"][0] == pytest.approx(0.065083 / 2, rel=1e-5)
    g = quantum("1.3")
    assert_column(at["weight_leakage_v1_bits"][:1], lambda: chi(13, 1, g / 392))
    assert_column(at["data_leakage_crb_v1_bits"][:1], lambda: crb_v1(g, 794, 392))
    assert_column(at["data_leakage_crb_prx_bits"][:1], lambda: crb_prx(g, 794, 392))


@pytest.mark.parametrize("gain, photons", [(1.3, 6.0), (1.02, 80.0)])
def test_leakage_against_dimension(gain, photons):
    g, v = quantum(gain), 1 + 2 * mpf(photons)
    for convention, rows in (("published", lambda n: n + 10), ("consistent", lambda n: n)):
        table = tables.leakage_against_dimension(convention, gain, photons)
        n = table["dimension"]
        assert (n[0], n[-1]) == (100, 10_000) and (np.diff(n) > 0).all()
        references = {
            "weight_leakage_bits": lambda n: majorant(v, 1, g / (n / 2)),
            "weights_in_all_bits": lambda n: n * n * majorant(v, 1, g / (n / 2)),
            "image_bits": lambda n: n * holevo(g, n, n / 2),
            "weight_leakage_holevo_mean_bits": lambda n: chi(v, 1, g / (n / 2)) / 2,
            "weight_leakage_holevo_amplified_bits": lambda n: amplified(v, g / (n / 2)),
            "weight_leakage_v1_bits": lambda n: chi(v, 1, g / (n / 2)),
            "weight_leakage_prx_bits": lambda n: chi(v, 1, g / (n / 2)) / 2,
        }
        for bound in (crb_v1, crb_prx, qcrb, holevo):
            references[f"data_leakage_{bound.__name__}_bits"] = lambda n, bound=bound, rows=rows: (
                bound(g, rows(n), n / 2)
            )
        assert len(table) == (5 if convention == "published" else 10)
        for name, values in table.items():
            if name != "dimension":
                assert_column(values, references[name], n)


@pytest.mark.parametrize("gain, photons", [(1.3, 6.0), (1.02, 80.0)])
def test_leakage_against_loss(gain, photons):
    g, v, modes = quantum(gain), 1 + 2 * mpf(photons), 392
    table = tables.leakage_against_loss("consistent", gain, photons)
    loss = table["loss_db"]
    assert (loss[0], loss[-1]) == (0, 8)
    assert_column(
        table["weight_leakage_bits"], lambda loss: majorant(v, decibels(loss), g / modes), loss
    )
    assert_column(
        table["weight_leakage_holevo_mean_bits"],
        lambda loss: chi(v, decibels(loss), g / modes) / 2,
        loss,
    )
    assert_column(
        table["weight_leakage_bits_at_fixed_f2"],
        lambda loss: majorant(1 + (v - 1) / mpmath.sqrt(decibels(loss)), decibels(loss), g / modes),
        loss,
    )
    for bound in (crb_v1, crb_prx, qcrb, holevo):
        name = f"data_leakage_{bound.__name__}_bits"
        assert_column(
            np.broadcast_to(table[name], loss.shape), lambda bound=bound: bound(g, 784, modes)
        )
    table = tables.leakage_against_loss("published", gain, photons)
    published = {
        "weight_leakage_v1_bits": lambda loss: chi(v, mpmath.sqrt(decibels(loss)), g / modes),
        "weight_leakage_prx_bits": lambda loss: chi(v, mpmath.sqrt(decibels(loss)), g / modes) / 2,
    }
    for name, reference in published.items():
        assert_column(table[name], reference, loss)


def test_leakage_over_loss_and_noise():
    g = quantum(1.3)
    for convention, power, bound in (
        ("published", mpf(1) / 2, "weight_leakage_bits"),
        ("consistent", mpf(1), "weight_leakage_holevo_mean_bits"),
    ):
        table = tables.leakage_over_loss_and_noise(convention, 1.3, 6.0)
        assert table["technical_noise_snu"].max() == 0.2
        assert_column(
            table[bound],
            lambda loss, noise, power=power: chi(13, decibels(loss) ** power, g / 392 + noise) / 2,
            table["loss_db"],
            table["technical_noise_snu"],
            some=40,
        )
    assert_column(
        table["weight_leakage_bits"],
        lambda loss, noise: majorant(13, decibels(loss), g / 392 + noise),
        table["loss_db"],
        table["technical_noise_snu"],
        some=40,
    )
    assert (table["weight_leakage_bits"] >= table["weight_leakage_holevo_mean_bits"]).all()


def test_accuracy_over_light():
    logistic = CURVE.logistic

    def published(photons, excess_gain):
        argument = mpmath.sqrt(photons / noise(1 + excess_gain))
        ratio = (argument / mpf(logistic.midpoint)) ** mpf(logistic.exponent)
        return mpf(logistic.low) + mpf(logistic.high - logistic.low) * ratio / (1 + ratio)

    def consistent(photons, excess_gain):
        # The curve's points joined by straight lines over ln F².
        f2 = 2 * photons / noise(1 + excess_gain)
        if f2 >= CURVE.f2[-1]:
            return mpf(float(CURVE.accuracy[-1]))
        k = max(0, int(np.searchsorted(CURVE.f2, float(f2))) - 1)
        left, right = mpf(float(CURVE.f2[k])), mpf(float(CURVE.f2[k + 1]))
        share = max(mpf(0), mpmath.log(f2 / left) / mpmath.log(right / left))
        low, high = mpf(float(CURVE.accuracy[k])), mpf(float(CURVE.accuracy[k + 1]))
        return low + share * (high - low)

    for convention, reference in (("published", published), ("consistent", consistent)):
        table = tables.accuracy_over_light(CURVE, convention, points=23)
        assert_column(table["accuracy"], reference, table["photons"], table["excess_gain"], some=60)


@pytest.mark.parametrize("bound", [crb_prx, qcrb])
def test_light_at_leakage_leaks_what_it_says(bound):
    rng = np.random.default_rng(1)
    network = Network(
        "made up", (Layer(rng.normal(size=(30, 40))), Layer(rng.normal(size=(10, 30))))
    )
    table = tables.accuracy_over_leakage(network, CURVE, "consistent", bound.__name__, points=7)
    light = table["gain"], table["photons"]

    def mean_weights(gain, photons):
        def of(modes):
            noise = float(quantum(gain)) / modes
            return majorant_per_mode(2 * float(photons), 1, noise) / 2

        return (1200 * of(20) + 300 * of(15)) / 1500

    # Gain from data, photons from weights: what the light leaks is what the axes say.
    assert_column(table["data_leakage_bits"], lambda gain: bound(quantum(gain), 30, 20), light[0])
    assert_column(table["weight_leakage_bits"], mean_weights, *light)

    table = tables.accuracy_over_leakage(network, CURVE, "published", bound.__name__, points=7)
    light = table["gain"], table["photons"]
    assert_column(
        table["weight_leakage_bits"],
        lambda gain, photons: chi(1 + 2 * photons, 1, quantum(gain) / 20) / 2,
        *light,
    )
    assert_column(table["data_leakage_bits"], lambda gain: bound(quantum(gain), 40, 20), light[0])


def test_accuracy_against_f2():
    table = tables.accuracy_against_f2(CURVE)
    np.testing.assert_array_equal(table["residual"], table["accuracy"] - table["logistic"])
    assert np.abs(table["residual"]).max() < 1e-6  # the curve is a logistic here
    np.testing.assert_allclose(
        table["counting_error"] ** 2 * 10_000, table["accuracy"] * (1 - table["accuracy"])
    )
