"""A server that counts photons and guesses the digit of the client's image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import GuessingAdversary
from shotveil.models.adversaries.guessing import KnownData, digits, unaimed
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class CountingClassifier:
    """An honest server that counts the photons of the client's noise, and knows many digits."""

    def link(self, declared: Link) -> Link:
        return declared

    def data(self, modes: int, rng: np.random.Generator) -> KnownData:
        return digits(modes)

    def aim(self, data: KnownData) -> Real:
        return unaimed(data)


COUNTING_CLASSIFIER = GuessingAdversary(
    name="counting-classifier",
    says="guesses the digit of the client's image from the photons that return",
    strength=None,
    covered_by="holevo",
    make=lambda _: CountingClassifier(),
)
