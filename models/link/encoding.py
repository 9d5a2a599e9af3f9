"""How real weights and data become complex modes.

Mode k of a row of weights has X_k = s·w_{2k−1} and P_k = s·w_{2k}. Mode k of the client's direction
is ξ_k = x̂_{2k−1} + i·x̂_{2k}, where x̂ is the data scaled to unit norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import RangeError, require

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def modes_of(columns: int) -> int:
    """Complex modes N that carry a row of `columns` real values: half as many, rounded up."""
    return (columns + 1) // 2


def pair(values: ArrayLike) -> tuple[Real, Real]:
    """Split (..., n) real values into X and P, each (..., N); an odd n is padded with one 0."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-1] % 2:
        array = np.concatenate([array, np.zeros((*array.shape[:-1], 1))], axis=-1)
    return np.ascontiguousarray(array[..., 0::2]), np.ascontiguousarray(array[..., 1::2])


def unpair(modes: NDArray[np.complex128], columns: int) -> Real:
    """The (..., columns) real values that (..., N) complex modes carry: the inverse of `pair`."""
    return np.stack([modes.real, modes.imag], axis=-1).reshape(*modes.shape[:-1], -1)[..., :columns]


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """The rows of a layer as the server sends them: mean quadratures in SNU^(1/2).

    x, p: (rows, N), the means of X and P. scale: s in SNU^(1/2) per unit of the weights, so that
    X_k = s·w_{2k−1}.
    """

    x: Real
    p: Real
    scale: float

    @property
    def rows(self) -> int:
        return self.x.shape[0]

    @property
    def modes(self) -> int:
        return self.x.shape[1]

    @cached_property
    def products(self) -> Real:
        """The inner products x·x, p·p and x·p of each row, shape (3, rows), in SNU.

        They are worked out once, so the rows must not change after that.
        """
        pairs = (self.x, self.x), (self.p, self.p), (self.x, self.p)
        return np.stack([np.einsum("rk,rk->r", a, b) for a, b in pairs])

    def block(self, first: int, stop: int) -> EncodedRows:
        """Return rows [first, stop), at the same scale."""
        found = EncodedRows(self.x[first:stop], self.p[first:stop], self.scale)
        vars(found)["products"] = self.products[:, first:stop]  # as if they were worked out there
        return found


def encode_rows(weights: ArrayLike, modulation_variance: float) -> EncodedRows:
    """Encode (rows, n) real weights so that the mean square of all 2N quadratures is V_A (SNU).

    One scale s serves the whole layer, so that its outputs stay comparable. The mean is over all
    rows and modes, including the padding of odd rows, so μ = V_A/2 is the mean photon number per
    mode. Raises `RangeError` for weights that are not a matrix, not finite or all zero, and for a
    negative `modulation_variance`.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise RangeError(f"weights of shape {matrix.shape} are not a matrix (rows, columns)")
    require("weight", matrix)
    require("modulation variance", modulation_variance, at_least=0)
    x, p = pair(matrix)
    mean_square = (np.vdot(x, x) + np.vdot(p, p)) / (2 * x.size)
    if mean_square == 0:
        raise RangeError("weights are all 0; light needs at least one that is not")
    scale = math.sqrt(modulation_variance / mean_square)
    return EncodedRows(scale * x, scale * p, scale)


def directions(data: ArrayLike) -> tuple[Complex, Real]:
    """Unit vectors ξ (images, N) and norms ‖x‖ (images,) of (images, n) real data x.

    ξ_k = x̂_{2k−1} + i·x̂_{2k}. A vector of zeros has no direction. It gets equal components, so
    that the optics treat it like any other, and its norm of 0 makes the result 0 later. Raises
    `RangeError` unless the data are a finite matrix.
    """
    matrix = np.asarray(data, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise RangeError(f"data of shape {matrix.shape} is not a matrix (images, columns)")
    require("data", matrix)
    norms = np.linalg.norm(matrix, axis=1)
    empty = norms == 0
    unit = matrix / np.where(empty, 1.0, norms)[:, None]
    unit[empty] = 1 / math.sqrt(matrix.shape[1])
    x, p = pair(unit)
    return x + 1j * p, norms
