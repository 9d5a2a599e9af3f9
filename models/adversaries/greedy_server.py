"""A greedy server: it grants a gain at which the client's noise shows its data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shotveil.models.adversaries.adversary import GuessingAdversary, Strength
from shotveil.models.adversaries.counting_classifier import CountingClassifier
from shotveil.models.link.amplifier import LARGEST_GAIN
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class GreedyServer(CountingClassifier):
    """A server that grants a `gain` far above the one that serves the client.

    A client that believes it returns more noise along its data. Its own cap on the gain is what
    protects it.
    """

    gain: float

    def link(self, declared: Link) -> Link:
        quiet = replace(declared.client_detector, converter_range=0.0)
        own = replace(declared.server_detector, converter_range=0.0)
        return replace(declared, gain=self.gain, client_detector=quiet, server_detector=own)


GREEDY_SERVER = GuessingAdversary(
    name="greedy-server",
    says="grants a gain at which the client's noise shows its data",
    strength=Strength("gain", usual=1e4, above=1, at_most=LARGEST_GAIN),
    covered_by="holevo",
    make=GreedyServer,
)
