"""The client's own check: is the server's light coherent, or squeezed, thermal or ever different?

The client's data are safe only if the server sends coherent light. In a check the client turns its
optics into one secret random direction for a whole batch, in which every slot carries the same
state again and again: the readings of a slot scatter about their mean with a variance that
coherent light fixes exactly, η·(G−1)·D(G). Squeezed light has less in some quadratures and far more
in others, and a random direction with random phases sees the mean of both; thermal light, or a
server that sends other rows in the same slot, has more. To the server a check is a batch like any
other. What is tested is the scatter alone, so the check needs to know nothing of the weights.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from host.sequential import variance_evidence
from models.checks import require
from models.encoding import Real
from models.optics import Detector, inference_noise


class ProbeCheck:
    """Collects checks of one session; holds at the false-alarm probability however often it looks.

    gain, detector: the client's own. Threads may share it.
    """

    def __init__(
        self, gain: float, detector: Detector, false_alarm_probability: float = 1e-6
    ) -> None:
        require("false alarm probability", false_alarm_probability, above=0, below=1)
        noise = inference_noise(gain, detector.efficiency, detector.electronic_noise)
        self.expected = detector.efficiency * (gain - 1) * noise
        self.squares, self.count = 0.0, 0
        self._limit = -math.log(false_alarm_probability)
        self._lock = threading.Lock()

    @property
    def variance(self) -> float:
        """Variance (SNU) of the readings so far; not a number before the first check."""
        return self.squares / self.count if self.count else math.nan

    def add(self, readings: Real) -> str:
        """Take in quadratures (images, slots) of one check; return what is wrong, "" if nothing.

        Readings of one slot share a mean, so (images − 1)·slots squares are free.
        """
        require("images in a check", len(readings), at_least=2)
        with self._lock:
            self.squares += float(np.sum((readings - readings.mean(axis=0)) ** 2))
            self.count += (len(readings) - 1) * readings.shape[1]
            if variance_evidence(self.squares, self.count, self.expected) < self._limit:
                return ""
        return (
            f"its quadratures have variance {self.variance:.4g} at the detector where coherent "
            f"light has {self.expected:.4g}"
        )
