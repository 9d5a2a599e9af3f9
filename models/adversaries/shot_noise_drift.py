"""Drift of the shot-noise unit: a weaker oscillator makes the client's noise look smaller."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ComponentAdversary, Strength
from shotveil.models.adversaries.components import MOST_NOISE, Play, allowed
from shotveil.models.link.amplifier import inference_noise
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class DriftingClient:
    """A client that amplifies more, and dims the server's oscillator by the `drift`.

    The true unit is then 1 − drift times the calibrated one, and the server's record shrinks with
    it. The client adds as much noise as hides in that: the record's variance is as declared.
    (Jouguet, Kunz-Jacques and Diamanti, PRA 87, 062313 (2013), move the unit by the oscillator.)
    """

    drift: float

    def weights(self, modes: int) -> Real:
        return np.ones(modes)

    def play(self, link: Link, energies: Real) -> Play:
        modes = len(energies)
        transmittance, total, unit = allowed(link, modes, self.drift)
        noise = np.zeros(modes)
        noise[0] = total
        # All that an amplifier in one mode can use of it.
        gain = 2 / (2 - min(total, MOST_NOISE))
        signal = energies[0] * link.transmittance_out
        read = math.log2(1 + signal / inference_noise(gain)) / 2 if total else 0.0
        return Play(energies, np.full(modes, transmittance), noise, noise, read, unit)


SHOT_NOISE_DRIFT = ComponentAdversary(
    name="shot-noise-drift",
    says="amplifies more than it is granted, and dims the server's oscillator so as to hide it",
    strength=Strength("drift of the shot-noise unit", usual=0.01, at_least=0, at_most=0.5),
    covered_by="holevo",
    make=DriftingClient,
)
