"""Receiver saturation: light shifted to the end of the converter's range shows less noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import FibreAdversary, Strength
from shotveil.models.adversaries.channels import Taken
from shotveil.models.adversaries.intercept_resend import InterceptResend
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex


@dataclass(frozen=True)
class Saturator:
    """An adversary that measures all rows, and resends them shifted by a `displacement` (√SNU).

    Both quadratures of all modes are shifted, so that the server's converter clips the noise of
    what is resent (Qin, Kumar and Alléaume, PRA 94, 012325 (2016)). The server's sums are not
    centred: the shift itself counts as noise. Raises `RangeError` for a negative displacement.
    """

    displacement: float

    def __post_init__(self) -> None:
        require("displacement", self.displacement, at_least=0)

    transmittance = 1.0
    touched = 1.0

    @property
    def excess_noise(self) -> float:
        return InterceptResend(1.0).excess_noise + self.displacement**2

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        taken = InterceptResend(1.0).pass_on(sent, rng)
        shifted = taken.returned + self.displacement * (1 + 1j)
        return Taken(shifted, taken.record, taken.touched)


RECEIVER_SATURATION = FibreAdversary(
    name="receiver-saturation",
    says="measures all rows and resends them shifted, to saturate the server's receiver",
    strength=Strength("displacement (√SNU)", usual=32, at_least=0),
    covered_by="holevo",
    make=Saturator,
)
