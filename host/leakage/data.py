"""Leakage of the client's data to the server, from the light that returns, under every bound.

The files of `host.leakage.data_bounds` hold the bounds with their formulas and sources;
`host.leakage.bound.DataBound` describes what they have in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.bound import DataBound
from shotveil.host.leakage.catalogue import DATA_BOUNDS


def data_leakage(
    g: ArrayLike, rows: ArrayLike, modes: ArrayLike, coherent: ArrayLike = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Return the leakage in bits per data element under every bound, by name.

    The arguments and errors are those of `DataBound`.
    """
    return {name: bound(g, rows, modes, coherent) for name, bound in DATA_BOUNDS.items()}


def image_bits(
    g: ArrayLike, rows: ArrayLike, modes: ArrayLike, coherent: ArrayLike = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Return the bits that one layer's light tells of its data vector under every bound, by name.

    They are the bits of all n = 2N elements; a last mode that holds only one counts as full. What a
    layer tells of the image behind its data is no more (docs/physics.md, section 7). The arguments
    and errors are those of `DataBound`.
    """
    return {
        name: bits_of_vector(bound, g, rows, modes, coherent) for name, bound in DATA_BOUNDS.items()
    }


def bits_of_vector(
    bound: DataBound,
    g: ArrayLike,
    rows: ArrayLike,
    modes: ArrayLike,
    coherent: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Return n = 2N times the bits per element under one bound, as in `image_bits`."""
    return 2 * np.asarray(modes, dtype=np.float64) * bound(g, rows, modes, coherent)
