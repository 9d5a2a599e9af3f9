"""A loud server: far brighter light than declared, of which a loss imbalance returns a part."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shotveil.models.adversaries.adversary import GuessingAdversary, Strength
from shotveil.models.adversaries.counting_classifier import CountingClassifier
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class LoudServer(CountingClassifier):
    """A server whose rows have `times` as many photons as it declares.

    Where the client's tapped mode loses more than the others, a part of its light comes back along
    the data. It grows with the photons that were sent, and the server counts it.
    """

    times: float

    def link(self, declared: Link) -> Link:
        # A converter at the client would clip; the server does not mind.
        quiet = replace(declared.client_detector, converter_range=0.0)
        own = replace(declared.server_detector, converter_range=0.0)
        photons = declared.photons * self.times
        return replace(declared, photons=photons, client_detector=quiet, server_detector=own)


LOUD_SERVER = GuessingAdversary(
    name="loud-server",
    says="sends more light than it declares, and counts what a loss imbalance returns of it",
    strength=Strength("photons against those declared", usual=1e4, at_least=1, at_most=1e9),
    covered_by="holevo",
    make=LoudServer,
)
