"""The phase between light and local oscillator: laser phase noise and drift.

Light and local oscillator come from one laser. If their paths are equally long, the laser's phase
noise cancels. Otherwise the phase between them is the change of the laser's phase during the
difference in path time; that phase is a Wiener process of variance 2π·linewidth·time. Fibres add a
slow drift.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.models.waveform.noise import Normals
from shotveil.models.waveform.trigonometry import sine_and_cosine


class PhaseWalk:
    """A streaming source of the phase in rad, sample by sample.

    linewidth: the laser's linewidth (FWHM) times the symbol time.
    unmatched: path difference in symbols, rounded to samples.
    drift: in rad per symbol. start: phase of the first sample, in rad.
    """

    def __init__(
        self,
        linewidth: float,
        unmatched: float,
        drift: float,
        start: float,
        samples_per_symbol: int,
        rng: np.random.Generator,
    ) -> None:
        self._lag = round(unmatched * samples_per_symbol)
        self._step = math.sqrt(2 * math.pi * linewidth / samples_per_symbol)
        self._drift = drift / samples_per_symbol
        self._start = start
        self._normals = Normals(rng)
        self._walk = np.zeros(self._lag + 1)
        self._time = 0
        if self._wanders:  # the laser was on before the first sample
            steps = self._normals.take(self._lag) * self._step
            self._walk[1:] = np.cumsum(steps, dtype=np.float64)

    @property
    def _wanders(self) -> bool:
        return self._lag > 0 and self._step > 0

    def turn(self, field: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """The `field` (n,), turned by the next n phases."""
        n = len(field)
        if not (self._wanders or self._drift):
            return field * complex(math.cos(self._start), math.sin(self._start))
        turn = np.empty(n, np.complex128)
        turn.imag, turn.real = sine_and_cosine(self.take(n))
        return field * turn

    def take(self, n: int) -> NDArray[np.float64]:
        """The next n phases, shape (n,)."""
        time = np.arange(self._time, self._time + n)
        self._time += n
        phase = np.asarray(self._start + self._drift * time, np.float64)
        if self._wanders:
            steps = self._normals.take(n).astype(np.float64) * self._step
            steps[:1] += self._walk[-1]
            walk = np.concatenate([self._walk, np.cumsum(steps)])
            phase += walk[self._lag + 1 :] - walk[1 : n + 1]
            self._walk = walk[n:]
        return phase
