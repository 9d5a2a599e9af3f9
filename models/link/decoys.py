"""Decoy rows: light without weights that a client cannot tell from light with weights.

To look like weights, decoys need the second moments of the weights, and so they leak something
about them. That leakage is bounded: decoys are drawn from moments that were rounded to a few
levels. However many are sent, they leak no more bits than it takes to write those levels down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import EncodedRows, Real

LEVELS = 16  # level 0 is dark; the others are half-octave steps of amplitude, up to 4 × the mean
_LOWEST = -11


@dataclass(frozen=True, eq=False)
class RowMoments:
    """Levels of a layer's second moments; decoys depend on the weights only through these.

    columns: (2, N), the level of each quadrature's mean square over the rows, X then P.
    rows: (LEVELS,), the number of rows whose power has each level.
    """

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, rows: EncodedRows) -> RowMoments:
        """The moments of a layer that is about to be sent; they do not depend on its scale."""
        squares = np.stack([rows.x**2, rows.p**2])
        columns = _level(squares.mean(axis=1) / squares.mean())
        powers = _level(squares.sum(axis=(0, 2)) / squares.sum(axis=(0, 2)).mean())
        return cls(columns, np.bincount(powers, minlength=LEVELS))

    @property
    def bits(self) -> float:
        """Bits that it takes to write the levels down: an upper bound of what decoys can leak."""
        number = int(self.rows.sum())
        histogram = math.lgamma(number + LEVELS) - math.lgamma(number + 1) - math.lgamma(LEVELS)
        return self.columns.size * math.log2(LEVELS) + histogram / math.log(2)

    def draw(
        self, modulation_variance: float, scale: float, number: int, rng: np.random.Generator
    ) -> EncodedRows:
        """Draw `number` Gaussian rows with these moments and a mean square of V_A per quadrature.

        The mean square of a quadrature is its column's level times a row level drawn at random.
        Dark columns therefore stay dark, and strong and weak rows are as frequent as among the
        weights. `modulation_variance` is V_A in SNU; `scale` is copied to the result. Raises
        `RangeError` unless `number` is an integer ≥ 1.
        """
        require("number of decoy rows", number, at_least=1, integer=True)
        spread = _relative(self.columns)
        spread *= math.sqrt(modulation_variance / np.mean(spread**2))
        levels = rng.choice(LEVELS, number, p=self.rows / self.rows.sum())
        strength = _relative(np.arange(LEVELS))
        mean = np.sum(self.rows * strength**2) / self.rows.sum()
        factor = (strength / math.sqrt(mean))[levels]
        x, p = rng.standard_normal((2, number, self.columns.shape[1])) * spread[:, None]
        return EncodedRows(x * factor[:, None], p * factor[:, None], scale)


def decoy_rows(rows: EncodedRows, number: int, rng: np.random.Generator) -> EncodedRows:
    """Draw `number` decoys with the moments and the mean photon number of `rows`.

    Raises `RangeError` unless `number` is an integer ≥ 1.
    """
    if rows not in _KNOWN:
        variance = float(np.mean(rows.x**2) + np.mean(rows.p**2)) / 2
        _KNOWN[rows] = RowMoments.of(rows), variance
    moments, variance = _KNOWN[rows]
    return moments.draw(variance, rows.scale, number, rng)


# Of rows that decoys were drawn for, so that it is worked out once for all batches.
_KNOWN: WeakKeyDictionary[EncodedRows, tuple[RowMoments, float]] = WeakKeyDictionary()


def _level(power: Real) -> NDArray[np.int64]:
    """Level nearest to each `power`, relative to the mean; a power below 2^−10.5 is dark."""
    with np.errstate(divide="ignore"):
        steps = np.rint(np.log2(power))  # a half octave of amplitude is an octave of power
    return np.clip(steps - _LOWEST, 0, LEVELS - 1).astype(np.int64)


def _relative(levels: NDArray[np.int64]) -> Real:
    """Amplitude of each level, relative to the mean."""
    return np.where(levels > 0, 2.0 ** ((levels + _LOWEST) / 2), 0.0)
