"""What verification knows of one client's light, in the form in which the ledger keeps it.

A *period* is all light that a client got of one layer under the same declared terms, over any
number of sessions. Its sums say everything that the tests and the certificates need, so evidence
goes on where it stopped, after the end of a session as after a restart of the server. Other terms
(another gain or photon number, another declared loss) begin a period of their own: the tests count
the old ones on, but certificates hold for the light of one period only.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass, field

import numpy as np

from shotveil.host.verification.evidence import HonestNoise
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

_SUMS = 4
_TERMS = 4  # place, slope, white and spike


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
    """

    noise: HonestNoise
    place: int
    weights: SymbolStatistics = field(default_factory=_nothing)
    decoys: SymbolStatistics = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        if not np.shape(self.decoys.count):
            n = self.noise.modes
            self.decoys += SymbolStatistics(np.zeros(n, np.int64), *np.zeros((3, n)))

    def to_bytes(self) -> bytes:
        """Return the period as little-endian float64: its terms, its weights, its decoys."""
        noise = self.noise
        terms = [self.place, noise.slope, noise.white, noise.spike]
        sums = [np.atleast_1d(v) for s in (self.weights, self.decoys) for v in vars(s).values()]
        return np.concatenate([terms, *sums]).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Period:
        """Return the period that `to_bytes` wrote. Raises `RangeError` for other bytes."""
        ahead = _TERMS + _SUMS
        if len(data) % 8 or len(data) // 8 <= ahead or (len(data) // 8 - ahead) % _SUMS:
            raise RangeError(f"a record of evidence has {len(data)} bytes; allowed: whole sums")
        values = np.frombuffer(data, dtype="<f8")
        place, slope, white, spike = map(float, values[:_TERMS])
        count, *weights = map(float, values[_TERMS:ahead])
        each = values[ahead:].reshape(_SUMS, -1)
        return cls(
            HonestNoise(each.shape[1], slope, white, spike),
            int(place),
            SymbolStatistics(int(count), *weights),
            SymbolStatistics(each[0].astype(np.int64), *each[1:]),
        )
