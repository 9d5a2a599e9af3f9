"""Leakage of the client's data to the server, from the light that returns, under every bound.

The bounds themselves, with their formulas and sources, are the files of `host.leakage.data_bounds`;
what is common to all of them is said at `host.leakage.bound.DataBound`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.catalogue import DATA_BOUNDS


def data_leakage(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Bits per data element under every bound, by name; arguments and errors as `DataBound`."""
    return {name: bound(g, rows, modes) for name, bound in DATA_BOUNDS.items()}
