"""The server's judgement of a client over all its sessions: a verdict after every part.

After every part the server accepts, warns or aborts. Three tests run side by side, each with a
third of the false-alarm probability of the client's whole life. They look for too much excess noise
and too little transmittance, both over all rows that ever returned, and for too much noise in
single modes, over the decoy rows, whose modes are recorded one by one. Where the receiver forms
finer sums, the two tests of `host.verification.assumptions` join them, and each has a fifth. The
tests are sequential (`host.verification.evidence`), so they may be read after every part and
stopped at any time, and the sums that they rest on are kept for ever (`host.verification.records`).

Certificates bound the mean channel of all light so far (`host.verification.confidence`). They are
the worse of two. The limits from the weights' own light bound what happened to it, whether or not
the client can tell decoys from weights. The limits from decoys also hold for a client that knows
the weights well enough to send good copies of them: it knows nothing of fresh decoys. A certificate
is issued again as soon as the limits are worse than those of the last one, or rest on a quarter
more light. Until the first one, all light counts as lost.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from shotveil.host.leakage.certificate import ChannelEstimate, estimated_channel
from shotveil.host.leakage.composition import LOST, ChannelClass, channel_class
from shotveil.host.ledger.accounts import LayerChannel
from shotveil.host.verification.assumptions import assumption_evidence
from shotveil.host.verification.confidence import channel_at_any_time, worse
from shotveil.host.verification.evidence import (
    HonestNoise,
    excess_evidence,
    largest_flatness_evidence,
    loss_evidence,
)
from shotveil.host.verification.levels import (
    FAILURE_PROBABILITY,
    FALSE_ALARM_PROBABILITY,
    limit_of,
)
from shotveil.host.verification.records import Period, period_name
from shotveil.models.common.checks import require
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.statistics import SymbolStatistics

MORE_LIGHT = 1.25  # times as much as at the last certificate: then there is a new one


class Verdict(Enum):
    ACCEPT = "accept"
    WARN = "warn"
    ABORT = "abort"


@dataclass(frozen=True)
class MonitorSettings:
    """The error probabilities of a client's life, all in (0, 1), and the limit for single modes.

    false_alarm_probability: Probability that an honest client is ever refused.
    warning_probability: Probability that an honest client ever gets a warning.
    failure_probability: Probability δ that any certificate of a network's light to a client is
        ever wrong.
    peak: Largest share of the excess noise that a mode may have on average over all light to a
        client, in units of 1/N, ≥ 1.

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
    """The verdict on a client so far.

    reason: One sentence that says why.
    evidence: ln E of each test, by name.
    limit: The value of ln E at which the client is refused.
    """

    verdict: Verdict
    reason: str
    evidence: dict[str, float]
    limit: float


class ClientMonitor:
    """Collects the sums of all light that a client ever returned, and judges them.

    link: The link with its declared settings, for all layers or for each.
    modes: Number of modes N of each layer.
    settings: Error probabilities of the client's whole life.
    network: Digest of the network that is served.
    known: What is known of the client already: records, by name, as `record` gave them.
    certifies: Whether the light is such that certificates hold. Where slots are not mixed, a client
        that can tell decoys may spare them, so that all its light counts as lost when certified.

    Threads that share a monitor have to hold its `lock` around a judgement and what they do with
    it. Raises `RangeError` for a record that makes no sense.
    """

    def __init__(
        self,
        link: Light,
        modes: Sequence[int],
        settings: MonitorSettings | None = None,
        network: str = "",
        known: Mapping[str, bytes] | None = None,
        *,
        certifies: bool = True,
    ) -> None:
        self.settings = settings or MonitorSettings()
        self._certifies = certifies
        self.lock = threading.RLock()
        self._links = links_of(link, len(modes))
        self._declared = [
            ChannelClass(each.declared_transmittance_at(n), each.declared_excess_noise(n))
            for each, n in zip(self._links, modes, strict=True)
        ]
        self._names = [
            period_name(network, layer, each, n)
            for layer, (each, n) in enumerate(zip(self._links, modes, strict=True))
        ]
        self._periods = {name: Period.from_bytes(data) for name, data in (known or {}).items()}
        for name, each, n in zip(self._names, self._links, modes, strict=True):
            if name not in self._periods:
                place = len(self._periods) + 1
                self._periods[name] = Period(HonestNoise.declared(each, n), place)
        self._issued: list[tuple[ChannelClass, int] | None] = [None for _ in modes]
        self._refused = False
        self._flatness: dict[str, float] = {}  # of periods that did not change since

    @property
    def standing(self) -> str:
        """Name of the light that counts together: that of this network under these terms."""
        return "/".join(self._names)

    def period(self, layer: int) -> Period:
        """Return the sums of a layer, under the terms that are declared now."""
        return self._periods[self._names[layer]]

    def record(self, layer: int) -> dict[str, bytes]:
        """Return what has to be kept of a layer, by name."""
        return {self._names[layer]: self.period(layer).to_bytes()}

    def add(
        self, layer: int, weights: SymbolStatistics | None, decoys: SymbolStatistics | None
    ) -> Judgement:
        """Add what returned of a layer and return the verdict on the client.

        weights: Sums over all weight symbols together, or None.
        decoys: Sums over the decoy symbols for each mode, arrays (N,), or None.
        """
        period = self.period(layer)
        if weights is not None:
            period.add_weights(weights)
        if decoys is not None:
            period.decoys += decoys
        self._flatness.pop(self._names[layer], None)
        judgement = self.judge()
        self._refused = self._refused or judgement.verdict is Verdict.ABORT
        return judgement

    def judge(self) -> Judgement:
        """Return the verdict on all that has returned so far."""
        periods = self._periods.values()
        parts = [part for period in periods for part in period.parts]
        evidence = {"excess noise": 0.0, "loss": 0.0}
        if parts:
            evidence["excess noise"] = float(excess_evidence(parts))
            evidence["loss"] = float(loss_evidence(parts))
        # Each period has a share of the level of its own for its modes; these shares sum to 1.
        for name, period in self._periods.items():
            if name not in self._flatness:
                found = largest_flatness_evidence(period.noise, period.decoys, self.settings.peak)
                share = period.share / period.noise.modes
                self._flatness[name] = found + math.log(share)
        evidence["single modes"] = max(self._flatness.values())
        fine = [(p.noise, p.fine, p.share) for p in periods if p.fine is not None]
        evidence |= assumption_evidence(fine)
        limit = limit_of(self.settings.false_alarm_probability, fine=bool(fine))
        worst = max(evidence, key=lambda name: evidence[name])
        if evidence[worst] >= limit:
            verdict = Verdict.ABORT
        elif evidence[worst] >= limit_of(self.settings.warning_probability, fine=bool(fine)):
            verdict = Verdict.WARN
        else:
            verdict = Verdict.ACCEPT
        return Judgement(verdict, self._reason(verdict, worst), evidence, limit)

    def certified(self, layer: int) -> ChannelEstimate:
        """Return the worst mean channel of a layer's light so far that is not excluded.

        It is wrong with the failure probability at most, for all layers and at all times together.
        """
        period, link = self.period(layer), self._links[layer]
        share = self.settings.failure_probability / len(self._names)
        # Both limits may have the whole share: if the certificate is wrong for the weights, then
        # the limits from the weights are wrong, and so it is for decoys.
        both = period.weights, period.decoys.pooled()
        sums = (np.array(of) for of in zip(*(vars(part).values() for part in both), strict=True))
        found = channel_at_any_time(
            SymbolStatistics(*sums),
            link.server_detector,
            period.noise.modes,
            link.modulation_variance,
            share,
        )
        of_each = zip(*map(np.atleast_1d, found), strict=True)
        return worse(*(ChannelEstimate(*limits) for limits in of_each))

    def channel(self, layer: int) -> LayerChannel:
        """Return the layer's channel in all three senses, as far as they are known."""
        return self._with_estimate(layer, self._certified_class(layer))

    def _certified_class(self, layer: int) -> ChannelClass:
        transmittance, noise = map(float, self.certified(layer))
        if self._certifies and math.isfinite(noise):
            return channel_class(transmittance, noise)
        return LOST

    def _with_estimate(self, layer: int, certified: ChannelClass) -> LayerChannel:
        period, estimated = self.period(layer), LOST
        pooled = period.weights + period.decoys.pooled()
        if pooled.count >= 2 and pooled.qq > 0:
            receiver = self._links[layer].server_detector
            estimated = channel_class(*map(float, estimated_channel(pooled, receiver)))
        declared = certified if self._refused else self._declared[layer]
        return LayerChannel(declared, estimated, certified)

    def new_certificate(self, layer: int) -> LayerChannel | None:
        """Return the layer's channel if a new certificate is due, else None."""
        certified, light = self._certified_class(layer), self._light(layer)
        if (last := self._issued[layer]) is not None:
            (transmittance, noise), amount = last
            good = certified.transmittance >= transmittance and certified.excess_noise <= noise
            if good and light < MORE_LIGHT * amount:
                return None
        self._issued[layer] = certified, light
        return self._with_estimate(layer, certified)

    def _light(self, layer: int) -> int:
        period = self.period(layer)
        return int(period.weights.count + np.sum(period.decoys.count))

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
        return f"{found} (an honest client ever shows it with probability {level:g} at most)"
