"""Chosen rows: rows that resemble the data send more light back along them, at any brightness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import GuessingAdversary
from shotveil.models.adversaries.counting_classifier import CountingClassifier
from shotveil.models.adversaries.guessing import KnownData
from shotveil.models.link.encoding import Real


@dataclass(frozen=True)
class ChosenRows(CountingClassifier):
    """A server whose rows all have the direction in which the data that it knows are brightest.

    Its light has the declared mean photon number, so nobody can notice. A loss imbalance of the
    client's tapped mode returns a part of what lies along the data.
    """

    def aim(self, data: KnownData) -> Real:
        # The row a with the largest mean of |ξ†a|² is the leading eigenvector of Σ ξξ†.
        xi = data.directions
        _, vectors = np.linalg.eigh(xi.T @ xi.conj())
        return np.asarray(np.abs(xi.conj() @ vectors[:, -1]) ** 2)


CHOSEN_ROWS = GuessingAdversary(
    name="chosen-rows",
    says="sends rows that resemble the data, and counts what a loss imbalance returns of them",
    strength=None,
    covered_by="holevo",
    make=lambda _: ChosenRows(),
)
