"""A delay by whole samples, such as that of fibre."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Delay:
    """A streaming delay along the last axis: each sample comes out `samples` samples later.

    The first samples that come out are zeros.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._held: NDArray[Any] | None = None

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """The delayed values, of the shape of `values`."""
        if not self._samples:
            return values
        if self._held is None:
            self._held = np.zeros((*values.shape[:-1], self._samples), values.dtype)
        both = np.concatenate([self._held, values], axis=-1)
        self._held = both[..., values.shape[-1] :].copy()
        return both[..., : values.shape[-1]]
