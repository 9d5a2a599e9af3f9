"""The client's check that the server's light is no brighter than it declares.

What a client's imperfect optics return along its data grows with the light that was sent, so the
bounds on the data suppose the photon number that the server declares. The client's checks (see
`host.verification.probe_check`) measure every slot in a secret random direction, drawn anew for
each layer of each batch. In a random direction a row shows as many photons as it has per mode, on
average. The mean square of a layer's checks is therefore known from the declared photon number, up
to the chance of the direction.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np

from shotveil.host.verification.evidence import log_mean
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import require
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import Real

# The least of these leaves 5 % of brightness unnoticed, such as decoys drawn brighter by chance.
_TILTS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.49])


class BrightnessCheck:
    """Collects the mean squares of a session's checks and tests them. Threads may share it.

    channel: The way out, as the server declares it, and the client's own detector.
    gains, photons: The client's gain and the declared photons per mode, for each layer.
    false_alarm_probability: Probability in (0, 1) that light as declared is refused, however often
        the test is read.

    The readings of a layer are a Gaussian vector, if its direction is replaced by a Gaussian one,
    which only widens them. Their mean square is then a quadratic form; of all forms with one mean,
    a single χ² of one degree of freedom fluctuates most. It is what rows that are all alike show.
    Raises `RangeError` for a probability out of range.
    """

    def __init__(
        self,
        channel: Channel,
        gains: Sequence[float],
        photons: Sequence[float],
        false_alarm_probability: float = FALSE_ALARM_PROBABILITY,
    ) -> None:
        require("false alarm probability", false_alarm_probability, above=0, below=1)
        self._expected = [
            channel.signal_at(gain) ** 2 * 2 * number + channel.inference_variance_at(gain)
            for gain, number in zip(gains, photons, strict=True)
        ]
        self._limit = -math.log(false_alarm_probability)
        self._lock = threading.Lock()
        self.total, self.layers = 0.0, 0

    @property
    def ratio(self) -> float:
        """Mean square of the checks so far against what is declared; NaN before any."""
        return self.total / self.layers if self.layers else math.nan

    @property
    def evidence(self) -> float:
        """ln E against "the light has at most the declared photons"."""
        logarithms = _TILTS * self.total + self.layers / 2 * np.log1p(-2 * _TILTS)
        return float(log_mean(logarithms))

    def add(self, squares: Real | float, count: int, layer: int) -> str:
        """Add all checks of a layer in one batch; return what is wrong, else "".

        squares: The sum of the squares of the readings. count: How many there are.
        """
        with self._lock:
            self.total += float(squares) / count / self._expected[layer]
            self.layers += 1
            if self.evidence < self._limit:
                return ""
            return f"it is {self.ratio:.3g} times as bright in the checks as its photon number says"
