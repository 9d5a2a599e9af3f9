"""Decoy rows: light that carries no weights, and that a client cannot tell from light that does.

To look like weights, decoys need the weights' second moments, and so tell of them. What they can
tell is kept small and known: they are drawn from moments that were rounded to a few levels, and so,
whatever is sent and however often, tell no more than it takes to write those levels down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import EncodedRows, Real

LEVELS = 16  # 0: dark; above it half-octave steps of amplitude, up to 4 times the mean
_LOWEST = -11


@dataclass(frozen=True, eq=False)
class RowMoments:
    """Levels of a layer's second moments, all that decoys know of its weights.

    columns: (2, N) of each quadrature over the rows, X then P. rows: (LEVELS,) how many rows have
    which level of power.
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
        """What the levels take to write down: the most that decoys ever tell of the weights."""
        number = int(self.rows.sum())
        histogram = math.lgamma(number + LEVELS) - math.lgamma(number + 1) - math.lgamma(LEVELS)
        return self.columns.size * math.log2(LEVELS) + histogram / math.log(2)

    def draw(
        self, modulation_variance: float, scale: float, number: int, rng: np.random.Generator
    ) -> EncodedRows:
        """Draw `number` Gaussian rows with these moments and a mean square of V_A a quadrature.

        A quadrature has its level's mean square, times the level of a row picked at random: dark
        columns stay dark, and strong and weak rows are as frequent as among the weights. Raises
        `RangeError` unless number is an integer ≥ 1.
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
    """Draw `number` decoys for `rows`, of their mean photon number; see `RowMoments.draw`."""
    variance = float(np.mean(rows.x**2) + np.mean(rows.p**2)) / 2
    return RowMoments.of(rows).draw(variance, rows.scale, number, rng)


def _level(power: Real) -> NDArray[np.int64]:
    """The level nearest to a `power` relative to the mean; what is 2⁻⁵ of its amplitude is dark."""
    with np.errstate(divide="ignore"):
        steps = np.rint(np.log2(power))  # a half octave of amplitude is an octave of power
    return np.clip(steps - _LOWEST, 0, LEVELS - 1).astype(np.int64)


def _relative(levels: NDArray[np.int64]) -> Real:
    """Amplitudes, relative to the mean, that levels stand for."""
    return np.where(levels > 0, 2.0 ** ((levels + _LOWEST) / 2), 0.0)
