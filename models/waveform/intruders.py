"""The interface of adversaries on the fibre that act on light sample by sample.

`models.adversaries` defines them and says what they learn symbol by symbol. Here they act on the
light as it arrives, vacuum included, to show that nodes notice them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.waveform.noise import Normals

Complex = NDArray[np.complex128]


class Intruder(Protocol):
    """An adversary on the fibre."""

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        """The light (F, samples), in √SNU, that it passes on from frames of `light` (F, samples).

        `vacuum` is the source of the noise that it adds.
        """
