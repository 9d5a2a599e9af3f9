"""The server's judgement of a session: a verdict after every part, and certificates.

After every part the server accepts, warns or aborts. Three tests run side by side, each with a
third of the false-alarm probability of the whole session. They look for too much excess noise and
too little transmittance, both over all rows that returned, and for too much noise in single modes,
over the decoy rows, whose modes are recorded one by one. Where the receiver forms finer sums, the
two tests of `host.verification.assumptions` join them, and each has a fifth. The tests are
sequential (`host.verification.evidence`), so they may be read after every part and stopped at any
time.

Certificates come from decoy rows alone. These carry no weights, and the client cannot tell them
from the other rows. A layer gets a certificate whenever the number of its decoy symbols has
doubled. The j-th certificate takes 6/(πj)² of the layer's share of the failure probability, half
for T and half for ε. These shares sum to no more than the whole, so all certificates of a session
hold together with that probability (union bound), whatever the stopping rule. They assume a single
channel in a session, with independent Gaussian noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from shotveil.host.leakage.certificate import ChannelEstimate, certified_channel, estimated_channel
from shotveil.host.leakage.composition import ChannelClass, channel_class
from shotveil.host.ledger.accounts import LayerChannel
from shotveil.host.verification.assumptions import AssumptionTests, FineSums
from shotveil.host.verification.evidence import (
    HonestNoise,
    excess_evidence,
    flatness_evidence,
    loss_evidence,
)
from shotveil.host.verification.levels import FAILURE_PROBABILITY, FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import require
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.statistics import SymbolStatistics

FIRST_CERTIFICATE = 10_000  # decoy symbols; a certificate from fewer would be too loose to use


class Verdict(Enum):
    ACCEPT = "accept"
    WARN = "warn"
    ABORT = "abort"


@dataclass(frozen=True)
class MonitorSettings:
    """The error probabilities of a session, all in (0, 1), and the limit for single modes.

    false_alarm_probability: Probability that an honest session is aborted.
    warning_probability: Probability that an honest session gets a warning.
    failure_probability: Probability δ that any certificate of a session is wrong.
    peak: Largest share of the excess noise that a mode may have on average over a session, in units
        of 1/N, ≥ 1.

    Raises `RangeError` for a value out of range.
    """

    false_alarm_probability: float = FALSE_ALARM_PROBABILITY
    warning_probability: float = 1e-3
    failure_probability: float = FAILURE_PROBABILITY
    peak: float = 64.0

    def __post_init__(self) -> None:
        for name in ("false_alarm_probability", "warning_probability", "failure_probability"):
            require(name, getattr(self, name), above=0, below=1)
        require("peak", self.peak, at_least=1)


@dataclass(frozen=True)
class Judgement:
    """The verdict on a session so far.

    reason: One sentence that says why.
    evidence: ln E of each test, by name.
    limit: The value of ln E at which the session is aborted.
    """

    verdict: Verdict
    reason: str
    evidence: dict[str, float]
    limit: float


class SessionMonitor:
    """Collects the sums of all light that returns in a session, and judges them.

    link: The link with its declared settings, for all layers or for each.
    modes: Number of modes N of each layer.
    """

    def __init__(
        self, link: Light, modes: Sequence[int], settings: MonitorSettings | None = None
    ) -> None:
        self.settings = settings or MonitorSettings()
        links = links_of(link, len(modes))
        self._receivers = [each.server_detector for each in links]
        self._noise = [HonestNoise.declared(each, n) for each, n in zip(links, modes, strict=True)]
        self._declared = [
            ChannelClass(each.declared_transmittance_at(n), each.declared_excess_noise(n))
            for each, n in zip(links, modes, strict=True)
        ]
        self.weights = [SymbolStatistics(0, 0.0, 0.0, 0.0) for _ in modes]
        self.decoys = [
            SymbolStatistics(np.zeros(n, np.int64), np.zeros(n), np.zeros(n), np.zeros(n))
            for n in modes
        ]
        self._assumptions = AssumptionTests()
        self._certificates = [0 for _ in modes]
        self._certified: list[ChannelEstimate | None] = [None for _ in modes]
        self._refused = False

    def add(
        self, layer: int, weights: SymbolStatistics | None, decoys: SymbolStatistics | None
    ) -> Judgement:
        """Add what returned of a layer and return the verdict on the session.

        weights: Sums over all weight symbols together, or None.
        decoys: Sums over the decoy symbols for each mode, arrays (N,), or None.
        """
        if weights is not None:
            self.weights[layer] += weights
            if isinstance(weights, FineSums):
                self._assumptions.add(layer, self._noise[layer], weights)
        if decoys is not None:
            self.decoys[layer] += decoys
        judgement = self.judge()
        self._refused = self._refused or judgement.verdict is Verdict.ABORT
        return judgement

    def judge(self) -> Judgement:
        """Return the verdict on all that has returned so far."""
        parts = [
            (noise, statistics)
            for noise, weights, decoys in zip(self._noise, self.weights, self.decoys, strict=True)
            for statistics in (weights, decoys.pooled())
            if statistics.count
        ]
        evidence = {"excess noise": 0.0, "loss": 0.0, "single modes": 0.0}
        if parts:
            evidence["excess noise"] = float(excess_evidence(parts))
            evidence["loss"] = float(loss_evidence(parts))
        modes = math.log(sum(noise.modes for noise in self._noise))
        evidence["single modes"] = max(
            float(np.max(flatness_evidence(noise, decoys, self.settings.peak))) - modes
            for noise, decoys in zip(self._noise, self.decoys, strict=True)
        )
        evidence |= self._assumptions.evidence()
        tests = len(evidence)
        limit = self._limit(self.settings.false_alarm_probability, tests)
        worst = max(evidence, key=lambda name: evidence[name])
        if evidence[worst] >= limit:
            verdict = Verdict.ABORT
        elif evidence[worst] >= self._limit(self.settings.warning_probability, tests):
            verdict = Verdict.WARN
        else:
            verdict = Verdict.ACCEPT
        return Judgement(verdict, self._reason(verdict, worst), evidence, limit)

    def channel(self, layer: int) -> LayerChannel:
        """Return the layer's channel in all three senses, as far as they are known."""
        pooled = self.weights[layer] + self.decoys[layer].pooled()
        known = LayerChannel(self._declared[layer])
        if pooled.count >= 2 and pooled.qq > 0:
            estimated = channel_class(
                *map(float, estimated_channel(pooled, self._receivers[layer]))
            )
            certified = self._certified[layer]
            known = LayerChannel(
                self._declared[layer],
                estimated,
                known.certified if certified is None else channel_class(*map(float, certified)),
            )
        if self._refused:
            known = LayerChannel(known.certified, known.estimated, known.certified)
        return known

    def new_certificate(self, layer: int) -> bool:
        """Issue the layer's next certificate if its decoys have doubled; return whether it did."""
        decoys = self.decoys[layer].pooled()
        if decoys.count < FIRST_CERTIFICATE << self._certificates[layer] or not decoys.qq > 0:
            return False
        # Several doublings in one step count as one look at the data.
        self._certificates[layer] = int(decoys.count // FIRST_CERTIFICATE).bit_length()
        share = self.settings.failure_probability / len(self._noise)
        look = 6 / (math.pi * self._certificates[layer]) ** 2
        self._certified[layer] = certified_channel(decoys, self._receivers[layer], share * look)
        return True

    def _limit(self, probability: float, tests: int) -> float:
        return math.log(tests / probability)

    def _reason(self, verdict: Verdict, worst: str) -> str:
        if verdict is Verdict.ACCEPT:
            return "what returned agrees with what was declared"
        level = (
            self.settings.false_alarm_probability
            if verdict is Verdict.ABORT
            else self.settings.warning_probability
        )
        found = {
            "excess noise": "more excess noise than declared",
            "loss": "less transmittance than declared",
            "single modes": "noise concentrated in single modes",
            "one quadrature": "more noise or loss in one quadrature than declared",
            "amplified components": "a component of the weights came back amplified",
        }[worst]
        return f"{found} (an honest session shows it with probability {level:g} at most)"
