"""Adversaries on the fibre or at the client, who take light that should have returned.

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

from shotveil.models.common.checks import require
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

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        """Act on coherent amplitudes `sent` (..., N), means without their vacuum."""


@dataclass(frozen=True)
class Tap:
    """Keeps a `fraction` of the light, measures both its quadratures, and sends on the rest."""

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    @property
    def transmittance(self) -> float:
        return 1 - self.fraction

    @property
    def excess_noise(self) -> float:
        return 0.0

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        light, port = sent + vacuum(sent.shape, rng), vacuum(sent.shape, rng)
        kept = math.sqrt(self.fraction) * light - math.sqrt(1 - self.fraction) * port
        rest = math.sqrt(1 - self.fraction) * light + math.sqrt(self.fraction) * port
        return Taken(rest, heterodyne(kept, rng), np.ones(sent.shape[:-1], dtype=bool))


@dataclass(frozen=True)
class InterceptResend:
    """Measures both quadratures of a `fraction` of the rows and sends coherent light instead.

    Its heterodyne detector shows α with noise 2 in either quadrature; resent, that is excess noise
    2 on the rows that were touched.
    """

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    @property
    def transmittance(self) -> float:
        return 1.0

    @property
    def excess_noise(self) -> float:
        return 2 * self.fraction

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        light = sent + vacuum(sent.shape, rng)
        touched = rng.random(sent.shape[:-1]) < self.fraction
        record = np.where(touched[..., None], heterodyne(light, rng) * math.sqrt(2), 0)
        resent = record + vacuum(sent.shape, rng)
        return Taken(np.where(touched[..., None], resent, light), record, touched)


@dataclass(frozen=True)
class EntanglingCloner:
    """Mixes one half of entangled light into the fibre, keeps the other half and what came out.

    It leaves exactly a channel (T, ε), the attack that χ is about. transmittance T in (0, 1),
    excess_noise ε ≥ 0 (SNU, at the returned mode). Of the two modes it keeps it measures both
    quadratures, after the best passive combination of them.
    """

    transmittance: float
    excess_noise: float

    def __post_init__(self) -> None:
        require("transmittance", self.transmittance, above=0, below=1)
        require("excess noise", self.excess_noise, at_least=0)

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        t = self.transmittance
        light = sent + vacuum(sent.shape, rng)
        # Two-mode squeezed vacuum of variance w: e1 enters the fibre, e2 stays.
        w = 1 + self.excess_noise / (1 - t)
        mean, spread = math.sqrt((w + 1) / 2), math.sqrt((w - 1) / 2)
        one, other = vacuum(sent.shape, rng), vacuum(sent.shape, rng)
        e1, e2 = mean * one + spread * other.conj(), mean * other + spread * one.conj()
        returned = math.sqrt(t) * light + math.sqrt(1 - t) * e1
        kept = math.sqrt(1 - t) * light - math.sqrt(t) * e1
        # kept carries the signal with e1's noise, which heterodyning e2 tells in part.
        seen, reference = heterodyne(kept, rng), heterodyne(e2, rng)
        gain = math.sqrt(w**2 - 1) * math.sqrt(t) / math.sqrt(2) / ((w + 1) / math.sqrt(2))
        record = seen + gain * reference.conj()
        return Taken(returned, record, np.ones(sent.shape[:-1], dtype=bool))


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
