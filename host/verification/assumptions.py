"""Tests of what the bound on the weights supposes beyond the means of T and ε over a row.

`holevo` covers a client that treats X and P alike and returns no component of the weights
amplified (docs/physics.md, section 6). The sums over all weights show neither, because they pool
both quadratures and all components. A receiver that knows the weights can form finer sums from the
same record: those of X and of P apart, and how much of each group of principal components of the
weights came back. Two sequential tests judge them, as `host.verification.evidence` explains.

A client may lose light of one component and amplify another; the slope over all, weighted by
energy, is then as declared. Such an attack needs strong components, one or several, so each of the
strongest is a group of its own, and so are the strongest two, three and so on together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from shotveil.host.verification.evidence import HonestNoise, excess_evidence, loss_evidence
from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.statistics import SymbolStatistics

SINGLE = 16  # components that are groups of their own
TOGETHER = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)  # the strongest that are also one group

_RISES = np.geomspace(1e-6, 1.0, 25)  # relative rises of a slope that the test looks for

Part = tuple[HonestNoise, SymbolStatistics]


@dataclass(frozen=True)
class GroupSums:
    """Sums over rows for each group of components, arrays (..., groups), in SNU.

    Groups overlap.

    Of a row's measured quadrature q and its record y, s is the part of q in the group:
    ss = Σ s², sq = Σ s·q, sy = Σ s·y.
    """

    ss: Real
    sq: Real
    sy: Real

    def __add__(self, other: GroupSums) -> GroupSums:
        return GroupSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class FineSums(SymbolStatistics):
    """The sums over all weights, with those over the rows measured in X and in P, and by groups."""

    x: SymbolStatistics
    p: SymbolStatistics
    groups: GroupSums

    @classmethod
    def of_both(cls, x: SymbolStatistics, p: SymbolStatistics, groups: GroupSums) -> FineSums:
        """The sums over both quadratures, with their parts."""
        both = x + p
        return cls(both.count, both.qq, both.qy, both.yy, x, p, groups)

    def joined(self, other: FineSums) -> FineSums:
        """The sums over the weights of both."""
        return self.of_both(self.x + other.x, self.p + other.p, self.groups + other.groups)


class Components:
    """The principal components of the rows of a layer, in groups, strongest first."""

    def __init__(self, rows: EncodedRows) -> None:
        amplitudes = rows.x + 1j * rows.p
        # a = Σ_k c_k·v_k for the components v_k, which are the right singular vectors.
        _, _, adjoint = np.linalg.svd(amplitudes, full_matrices=False)
        self._groups = component_groups(len(adjoint))
        kept = max(stop for _, stop in self._groups)
        self._vectors: Complex = np.ascontiguousarray(adjoint[:kept].T)
        self._amounts: Complex = amplitudes @ self._vectors.conj()
        # Of each row, in X and in P and for each group, s·s and s·q; shape (2, rows, groups).
        quadratures = np.stack([rows.x, rows.p])
        found = []
        for first, stop in self._groups:
            part = self._amounts[:, first:stop] @ self._vectors[:, first:stop].T
            s = np.stack([part.real, part.imag])
            found.append((np.sum(s * s, axis=2), np.sum(s * quadratures, axis=2)))
        self._ss, self._sq = (np.stack(each, axis=-1) for each in zip(*found, strict=True))

    def sums(self, rows: NDArray[np.integer], often: Real, records: Real) -> GroupSums:
        """Sums over what came back of some `rows`, (n,).

        often: (2, n), how often X and P of each were measured.
        records: (2, n, N), the sum of these records.
        """
        ss = np.einsum("kn,kng->g", often, self._ss[:, rows])
        sq = np.einsum("kn,kng->g", often, self._sq[:, rows])
        along = (records @ self._vectors) * self._amounts[rows]
        by_component = along[0].real.sum(axis=0) + along[1].imag.sum(axis=0)
        reached = np.concatenate([[0.0], np.cumsum(by_component)])
        return GroupSums(
            ss, sq, np.array([reached[stop] - reached[first] for first, stop in self._groups])
        )


def assumption_evidence(
    parts: Sequence[tuple[HonestNoise, FineSums, float]],
) -> dict[str, float]:
    """Return ln E of each test by name; nothing where there are no parts.

    parts: Of each layer its declared noise, its sums, and the share that it has in the evidence on
        components. All shares that there may ever be sum to 1 at most.
    """
    if not parts:
        return {}
    x, p = ([(noise, getattr(sums, q)) for noise, sums, _ in parts] for q in "xp")
    rises = [rise_evidence(noise, sums.groups) + np.log(share) for noise, sums, share in parts]
    return {
        "one quadrature": float(quadrature_evidence(x, p)),
        "amplified components": float(logsumexp(rises)),
    }


def quadrature_evidence(x: Iterable[Part], p: Iterable[Part]) -> NDArray[np.float64]:
    """Return ln E against "X and P each have at most the declared noise and loss".

    x, p: The declared noise and the sums over rows measured in that quadrature, of each part;
        arguments and shape are as in `excess_evidence`.
    """
    tests = []
    for parts in map(list, (x, p)):
        tests += [excess_evidence(parts), loss_evidence(parts)]
    return np.asarray(logsumexp(np.stack(np.broadcast_arrays(*tests)), axis=0) - np.log(len(tests)))


def rise_evidence(noise: HonestNoise, sums: GroupSums) -> NDArray[np.float64]:
    """Return ln E against "no group of components came back with more than the declared slope".

    noise: The declared noise of the layer. sums: Arrays (..., groups); the result is (...).

    Where the slope of every group is t, s·(y − t·q) has mean 0, and a variance of at most s² times
    the whole noise of a mode; where all slopes are lower, its mean is too. A tilt by the rise that
    is looked for makes it a likelihood ratio.
    """
    variance = noise.white + noise.spike
    tilt = noise.slope * _RISES / variance
    beyond = (sums.sy - noise.slope * sums.sq)[..., None]
    logarithms = tilt * beyond - tilt**2 * variance * sums.ss[..., None] / 2
    number = logarithms.shape[-1] * logarithms.shape[-2]
    return np.asarray(logsumexp(logarithms, axis=(-2, -1)) - np.log(number))


def component_groups(components: int) -> list[tuple[int, int]]:
    """Return the groups of 1 or more `components`, each from its first to before its last."""
    alone = [(k, k + 1) for k in range(min(SINGLE, components))]
    return [*alone, *((0, stop) for stop in TOGETHER if stop <= components)]
