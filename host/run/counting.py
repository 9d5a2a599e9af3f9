"""Errors of counted shares, which hold for few trials and for shares of 0 and 1 as well."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import require


def wilson(share: ArrayLike, trials: int, errors: float = 1.0) -> NDArray[np.float64]:
    """Return the Wilson interval of a share that was counted in `trials` ≥ 1, shape (2, …).

    share: Successes over trials, in [0, 1]. errors: Half the width in standard errors, > 0; at 1
    the interval holds the true share with a probability of 68 %. Source: E. B. Wilson, J. Am. Stat.
    Assoc. 22, 209 (1927).

    >>> wilson(1.0, 2).round(3).tolist()
    [0.667, 1.0]
    """
    require("trials", trials, at_least=1)
    require("share", share, at_least=0, at_most=1)
    p = np.asarray(share, dtype=np.float64)
    z = errors**2 / trials
    middle = (p + z / 2) / (1 + z)
    half = np.sqrt(z * (p * (1 - p) + z / 4)) / (1 + z)
    return np.clip(np.stack([middle - half, middle + half]), 0, 1)
