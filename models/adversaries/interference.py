"""Adversaries within a link, pass by pass: on the fibre, or with the client's optics.

Each acts in place of an honest fibre or client, and counts what it has learned. They act in the
link because the link holds both the light and the optics.
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from shotveil.models.adversaries.channels import Fibre, RecordCorrelation
from shotveil.models.adversaries.clients import DishonestClient
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Link, noise_quantum
from shotveil.models.link.symbols import vacuum


class Interference(Protocol):
    """An adversary that takes the place of the honest fibre or client. Threads may share one.

    bound: the weights that the leakage bound refers to: "row" for all weights of a row alike,
        "mode" for the two weights of one mode.
    """

    bound: str

    def optics(self, link: Link, xi: Complex) -> tuple[Link, Complex]:
        """Link and directions (rows, N) to use instead of the honest client's."""

    def outward(self, sent: Complex, rng: np.random.Generator) -> Complex:
        """Light (rows, N), with its noise, that goes on when amplitudes `sent` (rows, N) arrive."""

    def note(self, sent: Complex, xi: Complex, inference: Real) -> None:
        """Record a pass: amplitudes and directions (rows, N), and the client's readings (rows,)."""

    def learned(self) -> float:
        """Bits learned so far, per pass and per weight that `bound` refers to."""

    def variance(self) -> float:
        """Modulation variance V_A (SNU) of the light so far."""

    def channel(self) -> tuple[float, float]:
        """Transmittance T and excess noise ε (SNU) of the channel whose bound covers it."""


class OnTheFibre:
    """A `Fibre` adversary on the way out."""

    bound = "row"

    def __init__(self, fibre: Fibre) -> None:
        self._fibre = fibre
        self._record = RecordCorrelation()
        self._guard = threading.Lock()

    def optics(self, link: Link, xi: Complex) -> tuple[Link, Complex]:
        return link, xi

    def outward(self, sent: Complex, rng: np.random.Generator) -> Complex:
        taken = self._fibre.pass_on(sent, rng)
        touched = taken.touched
        with self._guard:
            self._record.add(sent[touched], taken.record[touched], sent[~touched].size)
        return taken.returned

    def note(self, sent: Complex, xi: Complex, inference: Real) -> None:
        pass

    def learned(self) -> float:
        return self._record.bits

    def variance(self) -> float:
        return self._record.variance

    def channel(self) -> tuple[float, float]:
        return self._fibre.transmittance, self._fibre.excess_noise


class WithItsOptics:
    """A client that sets its optics dishonestly and reads its own detector."""

    def __init__(self, client: DishonestClient) -> None:
        self._client = client
        self.bound = client.bound
        self._record, self._light = RecordCorrelation(), RecordCorrelation()
        self._gain, self._numbers, self._rows = 0.0, 0, 0
        self._guard = threading.Lock()

    def optics(self, link: Link, xi: Complex) -> tuple[Link, Complex]:
        link, asked = self._client.link(link), self._client.directions(*xi.shape)
        self._gain = max(self._gain, link.gain)
        return link, xi if asked is None else asked

    def outward(self, sent: Complex, rng: np.random.Generator) -> Complex:
        return sent + vacuum(sent.shape, rng)

    def note(self, sent: Complex, xi: Complex, inference: Real) -> None:
        product = np.einsum("rk,rk->r", xi.conj(), sent).real
        with self._guard:
            self._record.add(product, inference)
            self._light.add(sent, sent)
            self._numbers += sent.size
            self._rows += len(sent)

    def learned(self) -> float:
        # Each row gives one product: of all its weights, or of the one that was asked for.
        return self._record.bits / (1 if self.bound == "mode" else 2 * self._modes)

    @property
    def _modes(self) -> float:
        """Mean number of modes in a row."""
        return self._numbers / self._rows if self._rows else 1.0

    def variance(self) -> float:
        return self._light.variance

    def channel(self) -> tuple[float, float]:
        # The amplifier's noise lies in the one mode that is asked for, or is shared by all modes.
        return 1.0, noise_quantum(self._gain) / (1 if self.bound == "mode" else self._modes)
