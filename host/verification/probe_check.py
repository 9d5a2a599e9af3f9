"""The client's check that the server's light is coherent: not squeezed, thermal or changing.

The client's data are safe only if the server sends coherent light. So every part of a batch is sent
a few times more often than there are images. The client measures these extra repetitions but does
not use them for its result. Which repetitions they are is drawn for each part and known to the
client alone; how many there are is public. The client measures them in a secret random direction,
drawn for each layer, and so in a random quadrature of every mode. The server cannot know a check
before it has sent light of it, but one that counts photons may see during a long repetition that
the light returns without a pattern; at a gain close to 1 too few photons return for that.

All checks of a row, or of a decoy, carry the same state. They scatter about their mean with a
variance that coherent light fixes exactly, η·(G−1)·D(G). Squeezed light has less variance in some
quadratures and far more in others, and a random direction with random phases sees the mean of both,
which is larger. Thermal light, or a server that gives different rows one name, also has more. The
check tests only this scatter, so it needs no knowledge of the weights.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.verification.evidence import variance_evidence
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import require
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.encoding import Real

CHECK_RATE = 0.02  # default number of checks of a slot for each image
FEWEST_CHECKS = 2  # a single one has nothing to be compared with


class ProbeCheck:
    """Collects the checks of one session and tests their scatter. Threads may share it.

    gain: The client's own power gain G, for all layers or as a sequence with one for each.
    detector: The client's own detector.
    false_alarm_probability: Probability in (0, 1) that honest light is refused, however often the
        test is read.

    Raises `RangeError` for a probability out of range.
    """

    def __init__(
        self,
        gain: float | Sequence[float],
        detector: Detector,
        false_alarm_probability: float = FALSE_ALARM_PROBABILITY,
    ) -> None:
        require("false alarm probability", false_alarm_probability, above=0, below=1)
        channel = Channel(client_detector=detector)
        gains = gain if isinstance(gain, Sequence) else [gain]
        variances = [channel.inference_variance_at(each) for each in gains]
        # What coherent light has depends on the gain, so the readings of every layer are scaled to
        # what they would be at the first layer's gain.
        self.expected = variances[0]
        self._to_first = [variances[0] / each for each in variances]
        self.squares, self.count = 0.0, 0
        self._limit = -math.log(false_alarm_probability)
        self._lock = threading.Lock()

    @property
    def variance(self) -> float:
        """Variance (SNU) of the readings so far, as at the first gain; NaN before any check."""
        return self.squares / self.count if self.count else math.nan

    def add(self, readings: Real, layer: int = 0) -> str:
        """Add readings of a part of a layer, (checks, slots); return what is wrong, else "".

        The readings of a slot share an unknown mean, so a part adds (checks − 1)·slots degrees of
        freedom. Raises `RangeError` for fewer than 2 checks.
        """
        require("checks of a slot", len(readings), at_least=2)
        with self._lock:
            squares = float(np.sum((readings - readings.mean(axis=0)) ** 2))
            self.squares += squares * (self._to_first[layer] if len(self._to_first) > 1 else 1)
            self.count += (len(readings) - 1) * readings.shape[1]
            if variance_evidence(self.squares, self.count, self.expected) < self._limit:
                return ""
        return (
            f"its quadratures have variance {self.variance:.4g} at the detector where coherent "
            f"light has {self.expected:.4g}"
        )


def checks_for(images: int, rate: float) -> int:
    """Return the number of checks in a batch at `rate` checks for each image.

    It is 0 at rate 0, and at least `FEWEST_CHECKS` otherwise. It depends on nothing secret.
    """
    return max(FEWEST_CHECKS, round(rate * images)) if rate else 0


def draw_places(
    parts: int, repetitions: int, checks: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw which repetitions of each part are checks: shape (parts, checks), ascending, uniform."""
    # Floyd's sampling without replacement, for all parts at once.
    places = np.full((parts, checks), -1, dtype=np.int64)
    for i, last in enumerate(range(repetitions - checks, repetitions)):
        drawn = rng.integers(0, last, parts, endpoint=True)
        taken = (places == drawn[:, None]).any(axis=1)
        places[:, i] = np.where(taken, last, drawn)
    return np.sort(places, axis=1)


def check_mask(places: NDArray[np.int64], repetitions: int) -> NDArray[np.bool_]:
    """Return a mask, shape (repetitions,), that is true at the checks of a part.

    places: The repetitions that are checks, shape (checks,).
    """
    mask = np.zeros(repetitions, dtype=bool)
    mask[places] = True
    return mask


def interleave(apart: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Bring values, shape (repetitions, …), into the order in which they are sent.

    apart: The values with those of the images first and those of the checks last.
    mask: The mask of `check_mask`.
    """
    sent = np.empty_like(apart)
    sent[~mask], sent[mask] = np.split(apart, [int((~mask).sum())])
    return sent


def separate(sent: NDArray[Any], mask: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Undo `interleave`: return the values of the images, (images, …), and of the checks."""
    return sent[~mask], sent[mask]
