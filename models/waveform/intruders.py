"""Adversaries between server and client, sample by sample: what they do to frames of light.

Who they are, and what they learn symbol by symbol, is in `models.adversaries`; here they act on
light as it arrives, vacuum included, so that nodes can be seen to notice them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.waveform.noise import Normals

Complex = NDArray[np.complex128]


class Intruder(Protocol):
    """Somebody on the fibre."""

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        """What becomes of frames of light (F, samples); `vacuum` is noise to draw from."""
