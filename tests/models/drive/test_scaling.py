"""Scaling against floating point."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import scaling
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers

SPEC = DriveSpec()


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def uniform(rng, q, n, fraction=1.0):
    limit = int(q.highest * fraction)
    return rng.integers(-limit, limit + 1, (2, n))


def test_scaling(rng):
    raw = registers(SPEC, DriveSettings(scale=0.7312, reference=0.48))
    symbols = uniform(rng, SPEC.symbol, 100_000)
    reference = rng.integers(0, 2, 100_000).astype(bool)
    out, fault = scaling.model(SPEC, raw, symbols, reference)
    factor = np.where(reference, raw.reference, raw.scale) * SPEC.scale.lsb
    error = to_float(out, SPEC.scaled) - to_float(symbols, SPEC.symbol) * factor
    # One rounding to nearest: half a unit.
    assert np.abs(error).max() <= SPEC.scaled.lsb / 2
    assert abs(error.mean()) <= 0.01 * SPEC.scaled.lsb
    assert not fault.any()


def test_scaling_saturates_and_says_so():
    raw = registers(SPEC, DriveSettings(scale=1.5))
    symbols = np.array([[30_000, -30_000, 100], [0, 5, 6]])
    out, fault = scaling.model(SPEC, raw, symbols, np.zeros(3, dtype=bool))
    assert fault.tolist() == [True, True, False]
    assert out[0].tolist() == [SPEC.scaled.highest, SPEC.scaled.lowest, 600]
