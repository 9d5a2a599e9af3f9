"""The definition of a bound. Each bound is a file of its own, in `data_bounds` or `weight_bounds`.

All code that shows, budgets or stores bounds takes them from `host.leakage.catalogue`, so a new
bound needs only a new file in one of these packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.spectrum import Spectrum
from shotveil.models.common.checks import require

Real = NDArray[np.float64]
Kind = TypeVar("Kind", bound="Bound")


@dataclass(frozen=True)
class Bound:
    """A bound on a leakage, with what to say about it.

    name: Name in options, keys of JSON and columns of tables.
    function: The formula.
    label: A few words, shown behind the name, that say which attacks the bound covers.
    theorem: Whether the bound is proved for what it covers; otherwise it is an estimate.
    covers: One sentence that says for whom the bound holds, and for whom it does not.
    order: Position in every list of bounds, the lowest first.
    """

    name: str
    function: Callable[..., Any] = field(repr=False)
    label: str
    theorem: bool
    covers: str
    order: int

    @property
    def described(self) -> str:
        """Name and label, as shown to a person."""
        return f"{self.name}: {self.label}{', a theorem' if self.theorem else ''}"


class DataBound(Bound):
    """A bound on what leaks of the client's data to the server, in bits per data element.

    The server sent M rows of coherent light in N complex modes while the client's data, the unit
    vector x̂ of n = 2N real elements, stayed the same. Each row returns with a displacement that the
    server knows, a thermal state of n̄ = g/2 photons in the direction ξ, and vacuum in all other
    directions. A loss imbalance of the client's optics adds coherent light in the direction ξ. All
    lost light counts as received by the server.
    """

    def __call__(
        self, g: ArrayLike, rows: ArrayLike, modes: ArrayLike, coherent: ArrayLike = 0.0
    ) -> Real:
        """Return the bound in bits per data element.

        g: Excess noise quantum g = 2(G − 1)/G ≥ 0, in SNU.
        rows, modes: Integers M ≥ 1 and N ≥ 1.
        coherent: Mean number of photons ≥ 0 of coherent light that a row returns along ξ as well,
            which the client's imperfections cause (`Channel.coherent_photons_at`).

        The arguments are broadcast; for numbers the result is a scalar. Raises `RangeError` for a
        value out of range.
        """
        require("excess noise quantum g", g, at_least=0)
        require("rows", rows, at_least=1, integer=True)
        require("modes", modes, at_least=1, integer=True)
        require("coherent photons", coherent, at_least=0)
        given = g, rows, modes, coherent
        return self.function(*(np.asarray(value, dtype=np.float64) for value in given))


def _require_use(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> None:
    """Raise `RangeError` unless weights can be sent so often, in such light, over this channel."""
    require("inferences", inferences, at_least=0, integer=True)
    require("modulation_variance", modulation_variance, at_least=0)
    require("transmittance", transmittance, at_least=0, at_most=1)
    require("excess_noise", excess_noise, at_least=0)


class WeightBound(Bound):
    """A bound on what leaks of the server's weights to the holder of light that is not returned.

    It is in bits per real weight, for all inferences with the same weights together.
    """

    def __call__(
        self,
        inferences: ArrayLike,
        modulation_variance: ArrayLike,
        transmittance: ArrayLike,
        excess_noise: ArrayLike,
    ) -> Real:
        """Return the bound in bits per real weight.

        inferences: Number of inferences K ≥ 0 with the same weights, an integer.
        modulation_variance: V_A ≥ 0 of one inference, in SNU.
        transmittance: Power transmittance T in [0, 1].
        excess_noise: ε ≥ 0 in SNU, referred to the returned mode.

        The arguments are broadcast; for numbers the result is a scalar. Raises `RangeError` for a
        value out of range.
        """
        _require_use(inferences, modulation_variance, transmittance, excess_noise)
        return self.function(inferences, modulation_variance, transmittance, excess_noise)

    def over_lit(
        self,
        lit_share: float,
        inferences: ArrayLike,
        modulation_variance: ArrayLike,
        transmittance: ArrayLike,
        excess_noise: ArrayLike,
    ) -> Real:
        """Return the bound for rows of which only a share of the modes carries light.

        lit_share: Share of the modes that carry light in any row, in (0, 1]. All light is in them,
            and all noise that the server allows may be, that of the dark modes too. Dark modes tell
            nothing of the weights, so zeros that are added to a row change no total.

        The others are means over all modes, as in a call, and so is the result. Raises `RangeError`
        for a value out of range.
        """
        require("lit share", lit_share, above=0, at_most=1)
        require("modulation_variance", modulation_variance, at_least=0)
        require("excess_noise", excess_noise, at_least=0)
        light = np.asarray(modulation_variance, dtype=np.float64) / lit_share
        noise = np.asarray(excess_noise, dtype=np.float64) / lit_share
        return np.asarray(lit_share * self(inferences, light, transmittance, noise))[()]


class SpectrumBound(Bound):
    """A bound on what leaks of the weights of a layer whose spectrum the client knows.

    It is in bits per real weight, as `WeightBound`, but depends on the weights themselves. It is
    shown where a network is at hand, and no budget counts it.
    """

    def __call__(
        self,
        spectrum: Spectrum,
        inferences: int,
        modulation_variance: float,
        transmittance: float,
        excess_noise: float,
    ) -> float:
        """Return the bound in bits per real weight.

        spectrum: Spectrum of the layer's weights. The others are numbers, as in `WeightBound`.

        Raises `RangeError` for a value out of range.
        """
        _require_use(inferences, modulation_variance, transmittance, excess_noise)
        return float(
            self.function(spectrum, inferences, modulation_variance, transmittance, excess_noise)
        )


def data_bound(**what: Any) -> Callable[[Callable[[Real, Real, Real, Real], Real]], DataBound]:
    """Return a decorator for a function (g, rows, modes, coherent) → bits per value: a `DataBound`.

    The bound has the function's name. The function gets float64 arrays in the ranges of
    `DataBound`. what: The fields label, theorem, covers and order of `Bound`.
    """
    return lambda function: DataBound(function.__name__, function, **what)


def weight_bound(**what: Any) -> Callable[[Callable[..., Real]], WeightBound]:
    """Return a decorator that makes a `WeightBound` of a function (K, V_A, T, ε) → bits per weight.

    The bound has the function's name. what: The fields label, theorem, covers and order of `Bound`.
    """
    return lambda function: WeightBound(function.__name__, function, **what)


def spectrum_bound(**what: Any) -> Callable[[Callable[..., float]], SpectrumBound]:
    """Return a decorator that makes a `SpectrumBound` of (spectrum, K, V_A, T, ε) → bits.

    The bound has the function's name. what: The fields label, theorem, covers and order of `Bound`.
    """
    return lambda function: SpectrumBound(function.__name__, function, **what)


def half_log2_1p(y: Real) -> Real:
    """Return ½·log2(1 + y), y ≥ 0: the bits learnt of a Gaussian whose variance falls by 1 + y."""
    return np.log1p(y) / (2 * np.log(2))
