"""One-hot hidden activations: data in a single mode, which a single photon gives away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import GuessingAdversary
from shotveil.models.adversaries.counting_classifier import CountingClassifier
from shotveil.models.adversaries.guessing import KnownData

REPEATED = 16  # times that each vector is among the data; the server knows all but the client's


@dataclass(frozen=True)
class OneHotCounter(CountingClassifier):
    """A counting server whose layer meets data with all their light in one of the N modes.

    A network can be trained to have such hidden activations. Estimates that take the data to be
    Gaussian are exceeded (docs/physics.md, section 7).
    """

    def data(self, modes: int, rng: np.random.Generator) -> KnownData:
        every = np.tile(np.eye(modes, dtype=np.complex128), (REPEATED, 1))
        return KnownData(every, np.arange(REPEATED * modes) % modes)


ONE_HOT = GuessingAdversary(
    name="one-hot-data",
    says="counts photons where the data have all their light in one mode",
    strength=None,
    covered_by="holevo",
    make=lambda _: OneHotCounter(),
)
