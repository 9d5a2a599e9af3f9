import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.statistics import SymbolStatistics


@pytest.fixture
def symbols():
    rng = np.random.default_rng(11)
    q = rng.normal(0, 3, size=(4, 500))
    return q, 0.8 * q + rng.normal(size=q.shape)


def test_sums_slope_and_residual_against_least_squares(symbols):
    q, y = symbols
    s = SymbolStatistics.of(q, y)
    assert (s.count, s.qq, s.qy, s.yy) == pytest.approx(
        (2000, (q**2).sum(), (q * y).sum(), (y**2).sum())
    )
    slope, residual, *_ = np.linalg.lstsq(q.reshape(-1, 1), y.ravel(), rcond=None)
    assert s.slope == pytest.approx(slope[0], rel=1e-12)
    assert s.residual == pytest.approx(residual[0], rel=1e-12)


def test_adding_and_pooling_equal_one_pass(symbols):
    q, y = symbols
    whole = SymbolStatistics.of(q, y)
    two = SymbolStatistics.of(q[:1], y[:1]) + SymbolStatistics.of(q[1:], y[1:])
    per_row = SymbolStatistics.of(q, y, axis=1)
    assert per_row.qq.shape == (4,) and per_row.slope.shape == (4,)
    for other in (two, per_row.pooled()):
        assert (other.count, other.qq, other.qy, other.yy) == pytest.approx(
            (whole.count, whole.qq, whole.qy, whole.yy), rel=1e-13
        )
    shared_count = SymbolStatistics(500, per_row.qq, per_row.qy, per_row.yy)
    assert shared_count.pooled().count == 2000


def test_integers_stay_exact():
    big = 2**62 + 1
    s = SymbolStatistics(3, big, 5, big) + SymbolStatistics(2, big, -6, big)
    assert (s.count, s.qq, s.qy, s.yy) == (5, 2**63 + 2, -1, 2**63 + 2)


def test_units(symbols):
    q, y = symbols
    converted = SymbolStatistics.of(100 * q, 50 * y).in_units(0.01, 0.02)
    direct = SymbolStatistics.of(q, y)
    assert converted.slope == pytest.approx(direct.slope, rel=1e-12)
    assert converted.residual == pytest.approx(direct.residual, rel=1e-10)


def test_symbols_without_noise_leave_nothing():
    q = np.random.default_rng(3).normal(size=1000)
    s = SymbolStatistics.of(q, 0.3 * q)
    assert s.slope == pytest.approx(0.3, rel=1e-14)
    assert 0 <= s.residual < 1e-12


@pytest.mark.parametrize(
    "sums, message",
    [
        ((-1, 1, 0, 1), "count = -1"),
        ((1.5, 1, 0, 1), "count = 1.5"),
        ((2, -1, 0, 1), "qq = -1"),
        ((2, 1, float("nan"), 1), "qy = nan"),
        ((2, 1, 0, -1), "yy = -1"),
        ((2, 1, 2, 1), "qy = Σqy is outside"),
        ((2, [1, 1], [0, -2], 1), "qy = Σqy is outside"),
    ],
)
def test_refuses_impossible_sums(sums, message):
    with pytest.raises(RangeError, match=message):
        SymbolStatistics(*sums)


def test_refuses_other_mistakes():
    with pytest.raises(RangeError, match=r"y has shape \(2,\); allowed: the shape of q, \(3,\)"):
        SymbolStatistics.of([1, 2, 3], [1, 2])
    with pytest.raises(RangeError, match="qq = 0"):
        _ = SymbolStatistics(2, 0, 0, 1).slope
    with pytest.raises(RangeError, match="q_unit = 0"):
        SymbolStatistics(2, 1, 0, 1).in_units(0, 1)
    with pytest.raises(TypeError):
        _ = SymbolStatistics(2, 1, 0, 1) + 1
