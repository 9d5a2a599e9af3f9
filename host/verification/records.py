"""What verification knows of one client's light, in the form in which the ledger keeps it.

A *period* is all light that a client got of one layer under the same declared terms, over any
number of sessions. Its sums say everything that the tests and the certificates need, so evidence
goes on where it stopped, after the end of a session as after a restart of the server. Other terms
(another gain or photon number, another declared loss) begin a period of their own: the tests count
the old ones on, but certificates hold for the light of one period only.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple, dataclass, field

import numpy as np
from numpy.typing import NDArray

from shotveil.host.verification.assumptions import FineSums, GroupSums
from shotveil.host.verification.evidence import HonestNoise
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

_SUMS = 4
_TERMS = 5  # place, slope, white, spike and the number of groups of components


def _nothing() -> SymbolStatistics:
    return SymbolStatistics(0, 0.0, 0.0, 0.0)


def period_name(network: str, layer: int, link: Link, modes: int) -> str:
    """Return the name of the period of a layer's light, in which all that was declared takes part.

    network: The network's digest.
    """
    terms = astuple(link.server_detector), link.modulation_variance, *_declared(link, modes)
    digest = hashlib.sha256(repr(terms).encode()).hexdigest()
    return f"{network[:16]}.{layer}.{digest[:16]}"


def _declared(link: Link, modes: int) -> tuple[float, ...]:
    noise = HonestNoise.declared(link, modes)
    channel = link.declared_transmittance_at(modes), link.declared_excess_noise(modes)
    return (*astuple(noise), *map(float, channel))


@dataclass
class Period:
    """The sums of one period.

    noise: The noise of honest light under its terms.
    place: How many periods the client had before, from 1 on; it decides on the period's share in
        the probability of a false alarm.
    weights: Sums over all weight symbols together.
    decoys: Sums over the decoy symbols for each mode, arrays (N,).
    fine: Finer sums over the weight symbols whose light gave such; None if none did.
    """

    noise: HonestNoise
    place: int
    weights: SymbolStatistics = field(default_factory=_nothing)
    decoys: SymbolStatistics = field(default_factory=_nothing)
    fine: FineSums | None = None

    def __post_init__(self) -> None:
        if not np.shape(self.decoys.count):
            n = self.noise.modes
            self.decoys += SymbolStatistics(np.zeros(n, np.int64), *np.zeros((3, n)))

    @property
    def share(self) -> float:
        """The share of the period in the level of tests that look at it alone: 6/(πj)².

        The shares of all places j = 1, 2, … sum to 1.
        """
        return 6 / (math.pi * self.place) ** 2

    @property
    def parts(self) -> list[tuple[HonestNoise, SymbolStatistics]]:
        """The noise with the sums over weights and over decoys, each if there are any."""
        both = self.weights, self.decoys.pooled()
        return [(self.noise, sums) for sums in both if sums.count]

    def add_weights(self, sums: SymbolStatistics) -> None:
        """Add sums over weight symbols, which may be finer ones."""
        self.weights += sums
        if isinstance(sums, FineSums):
            self.fine = sums if self.fine is None else self.fine.joined(sums)

    def to_bytes(self) -> bytes:
        """Return the period as little-endian float64: its terms, its weights, its decoys.

        Between weights and decoys lie the finer sums, if there are any.
        """
        noise, fine, groups = self.noise, self.fine, 0
        parts = [_numbers(self.weights)]
        if fine is not None:
            groups = len(fine.groups.ss)
            parts += [_numbers(fine.x), _numbers(fine.p), *vars(fine.groups).values()]
        terms = [self.place, noise.slope, noise.white, noise.spike, groups]
        return np.concatenate([terms, *parts, _numbers(self.decoys)]).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Period:
        """Return the period that `to_bytes` wrote. Raises `RangeError` for other bytes."""
        values = np.frombuffer(data[: len(data) // 8 * 8], dtype="<f8")
        groups = values[_TERMS - 1] if len(values) >= _TERMS else 0.0
        finer = 2 * _SUMS + 3 * int(groups) if 0 < groups < len(values) else 0
        modes = len(values) - _TERMS - _SUMS - finer
        if len(data) % 8 or modes <= 0 or modes % _SUMS:
            raise RangeError(f"a record of evidence has {len(data)} bytes; allowed: whole sums")
        place, slope, white, spike = map(float, values[: _TERMS - 1])
        weights, x, p, three, decoys = np.split(
            values[_TERMS:],
            [_SUMS, *(_SUMS + n for n in ((_SUMS, 2 * _SUMS, finer) if finer else (0, 0, 0)))],
        )
        each = decoys.reshape(_SUMS, -1)
        fine = None
        if finer:
            fine = FineSums.of_both(_sums(x), _sums(p), GroupSums(*three.reshape(3, -1)))
        return cls(
            HonestNoise(each.shape[1], slope, white, spike),
            int(place),
            _sums(weights),
            SymbolStatistics(each[0].astype(np.int64), *each[1:]),
            fine,
        )


def _numbers(sums: SymbolStatistics) -> NDArray[np.float64]:
    each = (sums.count, sums.qq, sums.qy, sums.yy)
    return np.concatenate([np.atleast_1d(v) for v in each]).astype(np.float64)


def _sums(values: NDArray[np.float64]) -> SymbolStatistics:
    count, *others = map(float, values)
    return SymbolStatistics(int(count), *others)
