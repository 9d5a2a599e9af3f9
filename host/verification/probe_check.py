"""The client's own check: is the server's light coherent, or squeezed, thermal or ever different?

The client's data are safe only if the server sends coherent light. So every slot of a batch is sent
a few times more than there are images, and those repetitions, at places that are drawn anew for
each slot and known to the client alone, are measured and not used: in a secret random direction,
drawn anew for each layer, hence in a random quadrature of every mode. They all carry the same
state, so that they scatter about their mean with a variance that coherent light fixes exactly,
η·(G−1)·D(G). Squeezed light has less in some quadratures and far more in others, and a random
direction with random phases sees the mean of both; thermal light, or a server that sends other rows
in the same slot, has more. How many checks there are is no secret; which they are is. What is
tested is the scatter alone, so the check needs to know nothing of the weights.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.verification.evidence import variance_evidence
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import require
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.encoding import Real

CHECK_RATE = 0.02  # checks of a slot for each image, where nobody says otherwise


class ProbeCheck:
    """Collects checks of one session; holds at the false-alarm probability however often it looks.

    rate: checks per image. gain, detector: the client's own. Threads may share it.
    """

    def __init__(
        self,
        gain: float,
        detector: Detector,
        false_alarm_probability: float = FALSE_ALARM_PROBABILITY,
    ) -> None:
        require("false alarm probability", false_alarm_probability, above=0, below=1)
        self.expected = Channel(client_detector=detector).inference_variance_at(gain)
        self.squares, self.count = 0.0, 0
        self._limit = -math.log(false_alarm_probability)
        self._lock = threading.Lock()

    @property
    def variance(self) -> float:
        """Variance (SNU) of the readings so far; not a number before the first check."""
        return self.squares / self.count if self.count else math.nan

    def add(self, readings: Real) -> str:
        """Take in quadratures (checks, slots) of one part; return what is wrong, "" if nothing.

        Readings of one slot share a mean, so (checks − 1)·slots squares are free.
        """
        require("checks of a slot", len(readings), at_least=2)
        with self._lock:
            self.squares += float(np.sum((readings - readings.mean(axis=0)) ** 2))
            self.count += (len(readings) - 1) * readings.shape[1]
            if variance_evidence(self.squares, self.count, self.expected) < self._limit:
                return ""
        return (
            f"its quadratures have variance {self.variance:.4g} at the detector where coherent "
            f"light has {self.expected:.4g}"
        )


def checks_for(images: int, rate: float) -> int:
    """How many checks go with a batch at `rate` checks an image: none at 0, else at least two.

    It depends on nothing secret. One alone could not be compared with another.
    """
    return max(2, round(rate * images)) if rate else 0


def draw_places(
    slots: int, repetitions: int, checks: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which repetitions of each slot are checks: (slots, checks), ascending, all equally likely."""
    # Floyd's sampling without replacement, for all slots at once.
    places = np.full((slots, checks), -1, dtype=np.int64)
    for i, last in enumerate(range(repetitions - checks, repetitions)):
        drawn = rng.integers(0, last, slots, endpoint=True)
        taken = (places == drawn[:, None]).any(axis=1)
        places[:, i] = np.where(taken, last, drawn)
    return np.sort(places, axis=1)


def check_mask(places: NDArray[np.int64], repetitions: int) -> NDArray[np.bool_]:
    """(slots, repetitions), true where a slot is measured and not used."""
    mask = np.zeros((len(places), repetitions), dtype=bool)
    np.put_along_axis(mask, places, True, axis=1)
    return mask


def interleave(apart: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Images first and checks last, (repetitions, slots), to the order in which they are sent."""
    if not mask.any():
        return apart
    checks = int(mask[0].sum())
    sent = np.empty(mask.shape, dtype=apart.dtype)
    sent[~mask] = apart[:-checks].T.ravel()
    sent[mask] = apart[-checks:].T.ravel()
    return sent.T


def separate(sent: NDArray[Any], mask: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The reverse of `interleave`: readings (images, slots) and (checks, slots)."""
    by_slot, slots = sent.T, len(mask)
    return by_slot[~mask].reshape(slots, -1).T, by_slot[mask].reshape(slots, -1).T
