"""What an adversary on the fibre does and takes, and how much its record tells.

Each acts on rows of coherent amplitudes (..., N), in SNU^(1/2), and returns what the server then
gets back and what the adversary holds: estimates of the amplitudes with their noise. What it has
learned is the mutual information of the two, at most the Holevo bound of the channel it leaves.
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
    """returned: (..., N) amplitudes at the server's input. record: (..., N) what was measured of
    each mode, 0 where nothing was; touched: (...) the rows that were.
    """

    returned: Complex
    record: Complex
    touched: NDArray[np.bool_]


class Fibre(Protocol):
    """An adversary's fibre."""

    @property
    def transmittance(self) -> float:
        """T that the server will see, on average."""

    @property
    def excess_noise(self) -> float:
        """ε (SNU) that the server will see, on average."""

    @property
    def touched(self) -> float:
        """Fraction of the rows that it acts on, each by itself or all."""

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        """Act on coherent amplitudes `sent` (..., N), means without their vacuum."""


def heterodyne(light: Complex, rng: np.random.Generator) -> Complex:
    """Both quadratures of `light`, each at half its power with vacuum of variance ½ added (SNU)."""
    return (light + vacuum(light.shape, rng)) / math.sqrt(2)


class RecordCorrelation:
    """How far a record tells of what was sent, as the sums over many passages say.

    Both are Gaussian and circular, or both real; what was not touched told nothing.
    """

    def __init__(self) -> None:
        self._sent, self._record, self._cross = 0.0, 0.0, 0j
        self._touched, self._all = 0, 0

    def add(self, sent: Complex | Real, record: Complex | Real, untouched: int = 0) -> None:
        """Take in values of one shape, and how many more there were without a record."""
        a, b = sent.ravel(), record.ravel()
        self._sent += float(np.vdot(a, a).real)
        self._record += float(np.vdot(b, b).real)
        self._cross += complex(np.vdot(a, b))
        self._touched += len(a)
        self._all += len(a) + untouched

    @property
    def variance(self) -> float:
        """Of what was sent, per real number (SNU), as if all of it were complex."""
        return self._sent / (2 * self._touched) if self._touched else 0.0

    @property
    def bits(self) -> float:
        """−½·log2(1 − ρ²) per real number that was sent, touched or not; ρ from the samples."""
        if not self._sent or not self._record:
            return 0.0
        rho2 = abs(self._cross) ** 2 / (self._sent * self._record)
        share = self._touched / self._all
        return -math.log2(1 - min(float(rho2), 1 - 1e-15)) / 2 * share


def mutual_information(sent: Complex, record: Complex, touched: NDArray[np.bool_]) -> float:
    """Bits per real weight that Gaussian `record` tells of `sent`, both quadratures alike.

    −½·log2(1 − ρ²) on the rows that were touched, nothing on the others; ρ is estimated from the
    samples. Exact for Gaussian weights and noise.
    """
    found = RecordCorrelation()
    found.add(sent[touched], record[touched], sent[~touched].size)
    return found.bits
