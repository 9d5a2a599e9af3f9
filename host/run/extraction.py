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
layer are what the layers cloned so far make of the public images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.layers import with_constant
from shotveil.models.networks.network import Layer, Network

PUBLIC = 1024  # number of images that the axes of a layer are taken from
_LEAST = 1e-12  # variances below this share of the largest are rounding errors

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
    def of(cls, data: NDArray[np.floating]) -> Axes:
        """Return the axes of data of shape (n, columns). Raises `RangeError` if all are 0."""
        x = np.asarray(data, dtype=np.float64)
        small = min(x.shape)
        # Of n·columns numbers, the smaller of the two Gram matrices has the same eigenvalues.
        gram = x.T @ x if x.shape[1] == small else x @ x.T
        power, vectors = np.linalg.eigh(gram / len(x))
        keep = power > _LEAST * power[-1]
        if not power[-1] > 0:
            raise RangeError("public data are all 0; allowed: at least one other than 0")
        power, vectors = power[keep][::-1], vectors[:, keep][:, ::-1]
        if x.shape[1] != small:
            vectors = x.T @ vectors / np.sqrt(power * len(x))
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


def cloned_layer(
    weights: NDArray[np.floating], axes: Axes, f2: float, inferences: int, rng: np.random.Generator
) -> Single:
    """Return a client's estimate of `weights`, shape (rows, columns), after K inferences.

    axes: Axes of public data of that layer. f2: F² > 0 of a reading.
    """
    true = weights @ axes.vectors
    noise = float(np.square(weights, dtype=np.float64).mean()) / f2
    prior = np.square(true, dtype=np.float64).mean(axis=0)
    prior = np.maximum(prior, _LEAST * prior.max())
    shares = allocation(axes.power, prior, noise, inferences)
    on = shares > 0
    error = noise / shares[on]
    readings = true[:, on] + np.sqrt(error) * rng.standard_normal((len(true), on.sum()))
    readings *= prior[on] / (prior[on] + error)
    return np.asarray(readings @ axes.vectors[:, on].T, dtype=np.float32)


class Extraction:
    """The attack on one network, with what it can prepare before it asks anything.

    public: Public images without labels, shape (n, inputs). The first `PUBLIC` are used.
    """

    def __init__(self, network: Network, public: NDArray[np.floating]) -> None:
        self._network = network
        self._public = np.asarray(public[:PUBLIC], dtype=np.float32)
        first = network.layers[0]
        self._axes = Axes.of(first.inputs_of(self._public))

    def clone(self, f2: float, inferences: int, rng: np.random.Generator) -> Network:
        """Return the clone after K `inferences` ≥ 1 at F² > 0. Raises `RangeError`."""
        require("F²", f2, above=0)
        require("inferences", inferences, at_least=1, integer=True)
        x, axes, layers = self._public, self._axes, []
        for number, layer in enumerate(self._network.layers):
            if number:
                # Outputs that are all 0 tell nothing of the data; all values alike is then a guess.
                axes = Axes.of(with_constant(x if x.any() else x + 1, layer.bias))
            made = cloned_layer(layer.weights, axes, f2, inferences, rng)
            layers.append(Layer(made, layer.bias))
            x = np.maximum(layers[-1].inputs_of(x) @ made.T, 0)
        return Network(f"clone of {self._network.name}", tuple(layers))


def clone_accuracy(
    attack: Extraction,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    f2: float,
    inferences: int,
    rng: np.random.Generator,
) -> float:
    """Return the fraction of `images` that a clone classifies as labelled."""
    clone = attack.clone(f2, inferences, rng)
    return float((clone.forward(images).argmax(axis=1) == labels).mean())
