"""Inputs and labels from NumPy files: `.npy` with inputs, `.npz` with `x` and perhaps `y`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError


def load_samples(path: str | Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return inputs (n, …) and, where the file has them, labels (n, …).

    Raises `RangeError` for a file that cannot be read or holds no numbers, and for labels that do
    not belong to the inputs.
    """
    path = Path(path)
    if not path.is_file():
        raise RangeError(f"samples {path} are not found; allowed: an .npy or .npz file")
    try:
        found = np.load(path, allow_pickle=False)
        arrays = {"x": found} if isinstance(found, np.ndarray) else dict(found.items())
    except Exception:  # damaged bytes make zipfile and NumPy raise many unrelated types
        raise RangeError(f"samples {path} cannot be read; allowed: an .npy or .npz file") from None
    if "x" not in arrays:
        raise RangeError(f"samples {path} hold {', '.join(arrays) or 'nothing'}; allowed: x and y")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub" or x.ndim < 2 or not len(x):
        raise RangeError(
            f"samples {path} hold {x.dtype} of shape {x.shape}; allowed: numbers (n, …), n ≥ 1"
        )
    if y is not None and len(np.atleast_1d(y)) != len(x):
        raise RangeError(f"samples {path} have {np.size(y)} labels for {len(x)} inputs")
    return x, y
