"""A delay of whole samples, as fibre makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Delay:
    """Gives back what it took `samples` samples ago, at first zeros; along the last axis."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._held: NDArray[Any] | None = None

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """As many samples as are given."""
        if not self._samples:
            return values
        if self._held is None:
            self._held = np.zeros((*values.shape[:-1], self._samples), values.dtype)
        both = np.concatenate([self._held, values], axis=-1)
        self._held = both[..., values.shape[-1] :].copy()
        return both[..., : values.shape[-1]]
