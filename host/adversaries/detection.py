"""How soon a server's verification notices a client or a fibre, in many simulated sessions.

The sums of a session are drawn from their distributions, and are given to the same tests as in a
real session. A look is taken after every number of images that is a tenth more than the last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.host.verification.assumptions import (
    GroupSums,
    component_groups,
    quadrature_evidence,
    rise_evidence,
)
from shotveil.host.verification.evidence import HonestNoise, excess_evidence, loss_evidence
from shotveil.host.verification.levels import limit_of
from shotveil.models.link.encoding import Real
from shotveil.models.link.statistics import SymbolStatistics

Sums = tuple[SymbolStatistics, SymbolStatistics]
"""The sums over the rows measured in X, and over those measured in P."""


@dataclass(frozen=True, eq=False)
class Record:
    """What the server's receiver records of rows with Gaussian weights.

    x, p: Slope and noise of the rows measured in X and in P.
    extra: Additional variance (SNU) in all modes of a random fraction `touched` of the rows.
    energies, slopes: (N,), energies (SNU) of principal components and the slope of each; None where
        all components have the same slope.
    """

    x: HonestNoise
    p: HonestNoise
    extra: float = 0.0
    touched: float = 0.0
    energies: Real | None = None
    slopes: Real | None = None


@dataclass(frozen=True, eq=False)
class Noticed:
    """The number of images until each session is refused (∞: never), and by which test."""

    images: NDArray[np.float64]
    by: str


def looks(images: int) -> list[int]:
    """Return the numbers of images after which to test: each a tenth more than the last."""
    found = [1]
    while found[-1] < images:
        found.append(min(images, max(found[-1] + 1, math.ceil(found[-1] * 1.1))))
    return found


def judged(
    sums: Iterator[tuple[int, Sums, GroupSums | None]],
    declared: HonestNoise,
    sessions: int,
    false_alarm_probability: float,
) -> Noticed:
    """Return when sessions are refused, from all `sums` after each number of images.

    The sums are arrays (sessions,), and those of groups (sessions, groups).
    """
    limit = limit_of(false_alarm_probability, fine=True)
    found = np.full(sessions, math.inf)
    by: Counter[str] = Counter()
    for images, (x, p), groups in sums:
        for name, evidence in evidence_of(declared, (x, p), groups).items():
            new = (np.broadcast_to(evidence, sessions) >= limit) & ~(found < images)
            by[name] += int(np.sum(new & np.isinf(found)))
            found[new] = images
        if np.isfinite(found).all():
            break
    return Noticed(found, by.most_common(1)[0][0] if by.total() else "no test")


def evidence_of(
    declared: HonestNoise, sums: Sums, groups: GroupSums | None
) -> Mapping[str, NDArray[np.float64]]:
    """Return ln E of each test of verification that such sums allow, by name."""
    x, p = sums
    pooled = [(declared, x + p)]
    found = {
        "excess noise": excess_evidence(pooled),
        "loss": loss_evidence(pooled),
        "one quadrature": quadrature_evidence([(declared, x)], [(declared, p)]),
    }
    if groups is not None:
        found["amplified components"] = rise_evidence(declared, groups)
    return found


def drawn(
    record: Record,
    modulation_variance: float,
    rows: int,
    images: int,
    sessions: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, Sums, GroupSums | None]]:
    """Yield the sums of `sessions` sessions after more and more images of `rows` rows each.

    modulation_variance: V_A of the Gaussian rows, in SNU.
    """
    x, p = (SymbolStatistics(np.zeros(sessions, int), *np.zeros((3, sessions))) for _ in range(2))
    groups: GroupSums | None = None
    done = 0
    for number in looks(images):
        new = (number - done) * rows
        done = number
        half = new // 2
        x += session_sums(rng, record.x, record, modulation_variance, half, sessions)
        p += session_sums(rng, record.p, record, modulation_variance, new - half, sessions)
        if record.energies is not None and record.slopes is not None:
            added = _group_sums(rng, record, new, sessions)
            groups = added if groups is None else groups + added
        yield number, (x, p), groups


def session_sums(
    rng: np.random.Generator,
    noise: HonestNoise,
    record: Record,
    modulation_variance: float,
    rows: int,
    sessions: int,
) -> SymbolStatistics:
    """Draw the sums over `rows` rows in each session from their distributions, arrays (sessions,).

    noise: Slope and noise of the rows; its spike is taken to be orthogonal to q, which is a good
        approximation with hundreds of modes.

    The draws are Σq², the noise along q, and the energy of the noise in all other directions.
    """
    if not rows:
        return SymbolStatistics(np.zeros(sessions, int), *np.zeros((3, sessions)))
    hit = (
        rng.binomial(rows, record.touched, sessions) if record.touched else np.zeros(sessions, int)
    )
    n = noise.modes * rows
    qq = modulation_variance * rng.chisquare(n, sessions)
    energy = np.zeros(sessions)
    for number, white in ((rows - hit, noise.white), (hit, noise.white + record.extra)):
        energy += 2 * white * rng.standard_gamma(number * (noise.modes - 1) / 2)
        energy += 2 * (white + noise.spike) * rng.standard_gamma(number / 2)
    along = np.sqrt(noise.white + record.extra * hit / rows) * rng.standard_normal(sessions)
    cross = along * np.sqrt(qq)
    yy = noise.slope**2 * qq + 2 * noise.slope * cross + energy + along**2
    return SymbolStatistics(np.full(sessions, n), qq, noise.slope * qq + cross, yy)


def _group_sums(rng: np.random.Generator, record: Record, rows: int, sessions: int) -> GroupSums:
    """Draw the sums for each group of components, arrays (sessions, groups)."""
    assert record.energies is not None and record.slopes is not None
    groups = component_groups(len(record.energies))
    kept = max(stop for _, stop in groups)
    energies, slopes = record.energies[:kept], record.slopes[:kept]
    ss = energies * rng.chisquare(rows, (sessions, kept))
    noise = math.sqrt(record.x.white + record.x.spike) * rng.standard_normal(ss.shape)
    # Components are orthogonal, so those of a group add up.
    each = [
        np.stack([part[:, first:stop].sum(axis=1) for first, stop in groups], axis=-1)
        for part in (ss, ss, slopes * ss + noise * np.sqrt(ss))
    ]
    return GroupSums(*each)


def sampled(
    image: Callable[[], Sums], images: int, sessions: int
) -> Iterator[tuple[int, Sums, GroupSums | None]]:
    """Yield the sums after each image of sessions that are simulated symbol by symbol.

    image: Function that simulates one image of all rows and returns its sums, numbers.
    """
    total: Sums | None = None
    for number in range(1, images + 1):
        each = [image() for _ in range(sessions)]
        new = [_stacked([one[quadrature] for one in each]) for quadrature in (0, 1)]
        total = (new[0], new[1]) if total is None else (total[0] + new[0], total[1] + new[1])
        yield number, total, None


def _stacked(each: Sequence[SymbolStatistics]) -> SymbolStatistics:
    """Make arrays, one element each, of statistics that are numbers."""
    columns = zip(*(vars(one).values() for one in each), strict=True)
    return SymbolStatistics(*(np.array(column) for column in columns))
