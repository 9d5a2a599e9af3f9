"""The interface of adversaries on the fibre, and how much their records tell.

Each adversary acts on rows of coherent amplitudes (..., N), in SNU^(1/2). It returns the light that
goes on and its own record, which holds noisy estimates of the amplitudes. What it has learned is
the mutual information of amplitudes and record. This is at most the Holevo bound of the channel
that the server sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.symbols import vacuum


@dataclass(frozen=True, eq=False)
class Taken:
    """The result of an adversary on the fibre, in SNU^(1/2).

    returned: (..., N), amplitudes of the light that goes on.
    record: (..., N), the measured value of each mode, 0 where nothing was measured.
    touched: (...), whether each row was measured.
    """

    returned: Complex
    record: Complex
    touched: NDArray[np.bool_]


class Fibre(Protocol):
    """A fibre with an adversary on it."""

    @property
    def transmittance(self) -> float:
        """Mean transmittance T that the server will see."""

    @property
    def excess_noise(self) -> float:
        """Mean excess noise ε (SNU) that the server will see."""

    @property
    def touched(self) -> float:
        """Fraction of the rows that it acts on."""

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        """Act on coherent amplitudes `sent` (..., N), which are means without vacuum noise."""


def heterodyne(light: Complex, rng: np.random.Generator) -> Complex:
    """Heterodyne record of both quadratures of `light`, of the same shape, in SNU^(1/2).

    Each quadrature has half its power plus vacuum of variance ½ (SNU).
    """
    return (light + vacuum(light.shape, rng)) / math.sqrt(2)


class RecordCorrelation:
    """The correlation between a record and what was sent, from sums over many passes.

    Both are Gaussian and circular, or both are real. Values that were not measured tell nothing.
    """

    def __init__(self) -> None:
        self._sent, self._record, self._cross = 0.0, 0.0, 0j
        self._touched, self._all = 0, 0

    def add(self, sent: Complex | Real, record: Complex | Real, untouched: int = 0) -> None:
        """Add values of equal shape, and the number of further values without a record."""
        a, b = sent.ravel(), record.ravel()
        self._sent += float(np.vdot(a, a).real)
        self._record += float(np.vdot(b, b).real)
        self._cross += complex(np.vdot(a, b))
        self._touched += len(a)
        self._all += len(a) + untouched

    @property
    def variance(self) -> float:
        """Variance (SNU) per quadrature of the complex values that were sent."""
        return self._sent / (2 * self._touched) if self._touched else 0.0

    @property
    def bits(self) -> float:
        """Mutual information −½·log2(1 − ρ²) in bits per real number sent, measured or not.

        The correlation ρ is estimated from the samples.
        """
        if not self._sent or not self._record:
            return 0.0
        rho2 = abs(self._cross) ** 2 / (self._sent * self._record)
        share = self._touched / self._all
        return -math.log2(1 - min(float(rho2), 1 - 1e-15)) / 2 * share


def mutual_information(sent: Complex, record: Complex, touched: NDArray[np.bool_]) -> float:
    """Bits per real weight that the Gaussian `record` (..., N) tells about `sent` (..., N).

    The result is −½·log2(1 − ρ²) on the rows `touched` (...) and 0 on the others, with ρ estimated
    from the samples of both quadratures together. It is exact for Gaussian weights and noise.
    """
    found = RecordCorrelation()
    found.add(sent[touched], record[touched], sent[~touched].size)
    return found.bits
