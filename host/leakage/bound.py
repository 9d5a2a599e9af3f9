"""What a bound is. Each one is a file of its own, in `data_bounds` or in `weight_bounds`.

All that shows, budgets or keeps a bound takes it from `host.leakage.catalogue`, so that a new file
in one of these rooms is all that a new bound needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import require

Real = NDArray[np.float64]
Kind = TypeVar("Kind", bound="Bound")


@dataclass(frozen=True)
class Bound:
    """name: as in options, keys of JSON and columns of tables. function: its formula.

    label: who or what is bounded, in a few words that go behind the name. theorem: proved for what
    it covers; else an estimate. covers: in a sentence, whom it holds for, and whom not. order: its
    place wherever bounds are listed, the lowest first.
    """

    name: str
    function: Callable[..., Real] = field(repr=False)
    label: str
    theorem: bool
    covers: str
    order: int

    @property
    def described(self) -> str:
        """Name and label for people."""
        return f"{self.name}: {self.label}{', a theorem' if self.theorem else ''}"


class DataBound(Bound):
    """On what leaks of the client's data to the server, in bits per data element (a real number).

    The server sent M rows of coherent light in N complex modes while the client's data, the unit
    vector x̂ of n = 2N real elements, stayed the same. Each row returns displaced by what the server
    knows, with a thermal state of n̄ = g/2 photons in the direction ξ and vacuum in all others. All
    loss is counted as the server's.
    """

    def __call__(self, g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> Real:
        """At the excess noise quantum g = 2(G − 1)/G ≥ 0 (SNU), M = rows ≥ 1 and N = modes ≥ 1.

        Arguments broadcast; for numbers alone the result is a scalar. Raises `RangeError` outside
        these ranges and for rows or modes that are no integers.
        """
        require("excess noise quantum g", g, at_least=0)
        require("rows", rows, at_least=1, integer=True)
        require("modes", modes, at_least=1, integer=True)
        return self.function(*(np.asarray(value, dtype=np.float64) for value in (g, rows, modes)))


class WeightBound(Bound):
    """On what leaks of the server's weights to whoever holds the light that does not come back.

    In bits per real weight, for all inferences with the same weights together.
    """

    def __call__(
        self,
        inferences: ArrayLike,
        modulation_variance: ArrayLike,
        transmittance: ArrayLike,
        excess_noise: ArrayLike,
    ) -> Real:
        """After K = inferences ≥ 0, each with V_A ≥ 0 (SNU), through T in [0, 1] and with ε ≥ 0.

        ε (SNU) is referred to the returned mode. Arguments broadcast; for numbers alone the result
        is a scalar. Raises `RangeError` outside these ranges.
        """
        require("inferences", inferences, at_least=0, integer=True)
        require("modulation_variance", modulation_variance, at_least=0)
        require("transmittance", transmittance, at_least=0, at_most=1)
        require("excess_noise", excess_noise, at_least=0)
        return self.function(inferences, modulation_variance, transmittance, excess_noise)


def data_bound(**what: Any) -> Callable[[Callable[[Real, Real, Real], Real]], DataBound]:
    """Make a function (g, rows, modes) → bits per data element a bound of its name.

    The function gets arrays of float64 in the ranges of `DataBound`. what: label, theorem, covers
    and order of `Bound`.
    """
    return lambda function: DataBound(function.__name__, function, **what)


def weight_bound(**what: Any) -> Callable[[Callable[..., Real]], WeightBound]:
    """Make a function (inferences, modulation variance, T, ε) → bits per real weight a bound.

    what: label, theorem, covers and order of `Bound`.
    """
    return lambda function: WeightBound(function.__name__, function, **what)


def half_log2_1p(y: Real) -> Real:
    """½·log2(1 + y) of y ≥ 0: bits of a Gaussian number whose variance falls by 1 + y."""
    return np.log1p(y) / (2 * np.log(2))
