"""Leakage of the client's data to the server, from the light that returns, under every bound.

The files of `host.leakage.data_bounds` hold the bounds with their formulas and sources;
`host.leakage.bound.DataBound` describes what they have in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.catalogue import DATA_BOUNDS


def data_leakage(
    g: ArrayLike, rows: ArrayLike, modes: ArrayLike, coherent: ArrayLike = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Return the leakage in bits per data element under every bound, by name.

    The arguments and errors are those of `DataBound`.
    """
    return {name: bound(g, rows, modes, coherent) for name, bound in DATA_BOUNDS.items()}
