"""The preamble's correlation against the textbook's, and the threshold that keeps vacuum out."""

import numpy as np
import pytest

from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.correlator import Correlation
from shotveil.models.digitiser.spec import DigitiserSpec

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)
BRISK = [DigitiserSpec(quadratures=n, samples_per_symbol=2) for n in (2, 1)]


@pytest.mark.parametrize("spec", [SPEC, ONE, *BRISK])
def test_correlation_is_the_textbook_one(spec):
    rng = np.random.default_rng(3)
    samples = rng.integers(-8192, 8192, (spec.quadratures, 400))
    b, length = correlator.boxcar(spec, samples), spec.samples_per_symbol
    plain = [np.convolve(line, np.ones(length))[:400] / (4 * length) for line in samples]
    # Half a unit, or one where the largest sum is cut to the format.
    assert np.abs(b - np.array(plain)).max() <= 1
    found = correlator.model(spec, samples, 1)
    code = spec.code[0] + 1j * spec.code[1]
    y = b[0] + 1j * b[1] if spec.quadratures == 2 else b[0].astype(complex)
    for n in (63, 200, 399):
        window = y[n - 15 * length : n + 1 : length]
        if spec.quadratures == 2:
            power, bound = abs(np.vdot(code, window)) ** 2, 32 * np.sum(abs(window) ** 2)
        else:
            same, other = correlator.diagonals(spec)
            signed = code.real * window.real
            power = signed[same].sum() ** 2 + 3 * signed[other].sum() ** 2
            bound = 12 * np.sum(window.real**2)
        assert found.power[n] == pytest.approx(power)
        assert found.hit[n] == (power > bound / 2)
        assert power <= bound


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_false_rate_of_the_threshold(spec):
    """Powers in vacuum are exponentially distributed; at 10⁻³ the count is Poisson's."""
    rng = np.random.default_rng(4)
    n = 1_000_000
    samples = np.rint(rng.normal(0, 256, (spec.quadratures, n))).astype(np.int64)
    found = correlator.model(spec, samples, 1)
    above = np.count_nonzero(found.power >= correlator.threshold(spec, 256, 1e-3))
    # Neighbouring samples share their boxcars: about 4 of them count as one.
    assert abs(above - 1e-3 * n) < 4 * np.sqrt(4 * 1e-3 * n)


def slowly(spec, samples, minimum):
    """The definition, sample by sample, in plain integers."""
    quadratures, n = samples.shape
    line = np.concatenate([np.zeros((quadratures, 63), int), samples], axis=1)
    power, hit = [], []
    for at in range(n):
        windows = line[:, at : at + 64].reshape(quadratures, 16, 4).sum(axis=2)
        # Python rounds half to even as well.
        box = [[min(round(int(v) / 16), 2047) for v in row] for row in windows]
        energy = sum(v * v for row in box for v in row)
        code = [complex(a, c) for a, c in spec.code.T.tolist()]
        if quadratures == 2:
            found = sum(c.conjugate() * complex(x, p) for c, x, p in zip(code, *box, strict=True))
            p, half = int(found.real) ** 2 + int(found.imag) ** 2, 16
        else:
            signed = [int(c.real) * x for c, x in zip(code, box[0], strict=True)]
            same = sum(s for c, s in zip(code, signed, strict=True) if c.real == c.imag)
            other = sum(s for c, s in zip(code, signed, strict=True) if c.real != c.imag)
            p, half = same**2 + 3 * other**2, 6
        power.append(p)
        hit.append(p > half * energy and p >= minimum)
    return power, hit


@pytest.mark.parametrize("chunk", [100, 1 << 15])
@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_each_sample_is_that_of_the_definition(spec, chunk, monkeypatch):
    monkeypatch.setattr(correlator, "CHUNK", chunk)
    rng = np.random.default_rng(9)
    preamble = np.repeat(spec.code[: spec.quadratures], 4, axis=1) * 3000
    noise = rng.integers(-900, 900, (spec.quadratures, 350))
    noise[:, 5:9] = -8192  # the largest sums
    noise[:, 12:17] = 8191
    noise[:, 200:264] += preamble
    found = correlator.model(spec, noise, 1 << 22)
    power, hit = slowly(spec, noise, 1 << 22)
    assert found.power.tolist() == power
    assert found.hit.tolist() == hit
    assert 0 < sum(hit) < 10
    # The least power that counts counts, and one less does not.
    n = int(np.argmax(found.hit))
    least = power[n]
    assert correlator.model(spec, noise, least).hit[n]
    assert not correlator.model(spec, noise, least + 1).hit[n]
    # Where nothing is, there is no hit, even without a minimum.
    assert not correlator.model(spec, 0 * noise, 0).hit.any()


def test_the_largest_sum_is_cut_to_the_format():
    ends = np.array([[8191] * 4, [-8192] * 4])
    assert correlator.boxcar(SPEC, ends)[:, 3].tolist() == [2047, -2048]
    ten = DigitiserSpec(adc_bits=10)
    assert correlator.boxcar(ten, np.array([[511] * 4]))[0, 3] == 127


@pytest.mark.parametrize("spec, mean", [(SPEC, 64), (ONE, 24)])
def test_threshold_by_its_formula(spec, mean):
    """At 1e-15 it is 34.54 means; a box of 4 samples has variance 4σ²/16², and 1/12 by rounding."""
    assert correlator.threshold(spec, 0) == int(np.ceil(34.538776 * mean / 12))
    assert correlator.threshold(spec, 16, 1e-3) == int(np.ceil(6.907755279 * mean * (4 + 1 / 12)))


def test_values_cannot_be_changed_once_they_are_checked():
    assert Correlation.__dataclass_params__.frozen
