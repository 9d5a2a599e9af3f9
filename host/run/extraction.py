"""Extraction: a clone of a network from what any client reads in K inferences.

A reading is W·x̂ plus noise of variance rms(W)²/F², for unit vectors x̂ that the client chooses, in
every layer anew, since it computes the activations itself. K unit vectors can measure any
orthonormal axes v_i, i ≤ r ≤ K, with any precisions K_i/σ² of Σ K_i = K: by the theorem of Schur
and Horn there are K unit vectors whose sum of x̂·x̂ᵀ is Σ K_i·v_i·v_iᵀ. So the attack draws the
projections W·v_i with noise of variance σ²/K_i, which is all that such readings hold.

The axes are the principal axes of public data without labels, of variance λ_i. The weights along
them have the variance τ_i, and the client estimates them by ridge regression. The mean square error
of its outputs, Σ λ_i/(1/τ_i + K_i/σ²), is least at K_i/σ² = max(0, c·√λ_i − 1/τ_i), with c such
that Σ K_i = K. The attacker is taken to know all τ_i, which favours it. The public data for a later
layer are what the layers cloned so far make of the public images. A layer that meets P patches of
an image reads P vectors in each inference, so K·P takes the place of K.

Readings of Gaussian weights with these variances hold ½·log2(1 + τ_i·K_i/σ²) bits of each row and
axis, and readings of any other weights hold no more (docs/physics.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import brentq

from shotveil.host.run.curves import right_answers
from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.layers import with_constant
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.plan import Products, Values

PUBLIC = 1024  # number of images that the axes of a layer are taken from
_LEAST = 1e-7  # variances below this share of the largest are rounding errors
_SPARE = 32  # axes of a later layer that are looked at beyond twice the vectors that are read

Real = NDArray[np.float64]
Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of data: `vectors`, shape (columns, r), of mean squares `power`, shape (r,).

    The mean is not subtracted, because a layer multiplies it as well.
    """

    power: Real
    vectors: Single

    @classmethod
    def of(cls, data: NDArray[np.floating], most: int | None = None) -> Axes:
        """Return the axes of data of shape (n, columns), the `most` powerful ones or all of them.

        Raises `RangeError` if all data are 0.
        """
        x = np.asarray(data, dtype=np.float32)
        small = min(x.shape)
        # Of n·columns numbers, the smaller of the two Gram matrices has the same eigenvalues.
        gram = np.asarray(x.T @ x if x.shape[1] == small else x @ x.T, dtype=np.float64)
        last = None if most is None or most >= small else (small - most, small - 1)
        power, vectors = eigh(gram / len(x), subset_by_index=last)
        keep = power > _LEAST * power[-1]
        if not power[-1] > 0:
            raise RangeError("public data are all 0; allowed: at least one other than 0")
        power, vectors = power[keep][::-1], vectors[:, keep][:, ::-1]
        if x.shape[1] != small:
            vectors = x.T @ (vectors / np.sqrt(power * len(x))).astype(np.float32)
        return cls(power, vectors.astype(np.float32))


def allocation(power: Real, prior: Real, noise: float, inferences: int) -> Real:
    """Return K_i, shape (r,), the share of K inferences that each axis gets; their sum is K.

    power, prior: λ_i and τ_i, shape (r,), > 0. noise: σ² > 0 of one reading. At most K are not 0.
    """
    weight, inverse = np.sqrt(power), 1 / prior
    chosen = np.arange(len(power))

    def total(log_level: float) -> float:
        return float(np.maximum(np.exp(log_level) * weight - inverse, 0)[chosen].sum() * noise)

    def level() -> float:
        least = float(np.log((inverse / weight)[chosen].min()))
        most = least + 1
        while total(most) < inferences:
            most += 4
        return float(brentq(lambda x: total(x) - inferences, least, most, xtol=1e-12))

    shares = np.maximum(np.exp(level()) * weight - inverse, 0)
    if np.count_nonzero(shares) > inferences:  # K unit vectors span no more than K axes
        chosen = np.argsort(-shares, kind="stable")[:inferences]
        shares = np.maximum(np.exp(level()) * weight - inverse, 0)
        shares[np.setdiff1d(np.arange(len(power)), chosen)] = 0
    return np.asarray(shares * noise)


@dataclass(frozen=True, eq=False)
class ClonedLayer:
    """A client's estimate of a layer's weights, as readings of some axes, and what they hold.

    readings, vectors: Estimates of W·v, shape (rows, r), of the axes v, shape (columns, r).
    bits: What the readings hold of all weights of the layer together, at most.
    """

    readings: Single
    vectors: Single
    bits: float

    @property
    def weights(self) -> Single:
        """The estimated weights, shape (rows, columns)."""
        return np.asarray(self.readings @ self.vectors.T)

    def products(self, x: NDArray[np.floating]) -> Single:
        """Return the products (n, rows) with inputs (n, columns), in the cheaper order."""
        (rows, axes), columns = self.readings.shape, len(self.vectors)
        if (rows + columns) * axes < rows * columns:
            return np.asarray((x @ self.vectors) @ self.readings.T)
        return np.asarray(x @ self.weights.T)


def cloned_layer(
    weights: NDArray[np.floating], axes: Axes, f2: float, vectors: int, rng: np.random.Generator
) -> ClonedLayer:
    """Clone a layer of `weights`, shape (rows, columns), from readings of unit vectors.

    axes: Axes of public data of that layer. f2: F² > 0 of a reading. vectors: Number of vectors.
    """
    true = weights @ axes.vectors
    noise = float(np.square(weights, dtype=np.float64).mean()) / f2
    prior = np.square(true, dtype=np.float64).mean(axis=0)
    prior = np.maximum(prior, _LEAST * prior.max())
    shares = allocation(axes.power, prior, noise, vectors)
    on = shares > 0
    prior, error = prior[on], noise / shares[on]
    readings = true[:, on] + np.sqrt(error) * rng.standard_normal((len(true), on.sum()))
    readings *= prior / (prior + error)
    bits = float(len(true) * np.log2(1 + prior / error).sum() / 2)
    return ClonedLayer(readings.astype(np.float32), axes.vectors[:, on], bits)


@dataclass(frozen=True, eq=False)
class Clone:
    """A clone of a network: estimates of its layers, in the plan of its client."""

    original: Network
    layers: tuple[ClonedLayer, ...]

    @property
    def network(self) -> Network:
        """The clone as a network of its own."""
        own = tuple(
            Layer(cloned.weights, layer.bias, layer.patches)
            for cloned, layer in zip(self.layers, self.original.layers, strict=True)
        )
        return Network(f"clone of {self.original.name}", own, {}, self.original.plan)

    def products(self, number: int, x: NDArray[np.floating]) -> Single:
        """Return the noiseless products (n, rows) of a layer with its inputs (n, inputs)."""
        return self.layers[number].products(self.original.layers[number].inputs_of(x))


class Extraction:
    """The attack on one network, with what it can prepare before it asks anything.

    public: Public images without labels, shape (n, inputs). The first `PUBLIC` are used.
    """

    def __init__(self, network: Network, public: NDArray[np.floating]) -> None:
        self.network = network
        self._public = network.plan.begin(np.asarray(public[:PUBLIC], dtype=np.float32))
        first = network.layers[0]
        self._axes = Axes.of(first.inputs_of(network.plan.taken(self._public)))

    def clone(self, f2: float, inferences: int, rng: np.random.Generator) -> Clone:
        """Return the clone after K `inferences` ≥ 1 at F² > 0. Raises `RangeError`."""
        require("F²", f2, above=0)
        require("inferences", inferences, at_least=1, integer=True)
        layers: list[ClonedLayer] = []

        def products(number: int, x: NDArray[Any]) -> NDArray[Any]:
            layer, axes = self.network.layers[number], self._axes
            vectors = inferences * layer.patches
            if number:
                # Outputs that are all 0 tell nothing of the data; all values alike is then a guess.
                data = with_constant(x if x.any() else x + 1, layer.bias)
                axes = Axes.of(data, 2 * vectors + _SPARE)
            layers.append(cloned_layer(layer.weights, axes, f2, vectors, rng))
            return layers[-1].products(layer.inputs_of(x))

        self.network.plan.finish(self._public, products)
        return Clone(self.network, tuple(layers))


def accuracy_of(
    network: Network, products: Products, values: Values, labels: NDArray[Any]
) -> float:
    """Return the fraction of images that are classified as labelled, without noise.

    network: The original, whose client's plan is followed. products: Those of the original or of
    its clone. values: What the plan begins with for the images. labels: See `right_answers`.
    """
    outputs = network.plan.finish(values, products)
    return float(right_answers(network, outputs, labels).mean())
