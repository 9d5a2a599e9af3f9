"""Adversaries in the loop, and whether the server's sums give them away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from host.leakage.certificate import Channel
from host.verification import Verification, verify
from models.encoding import directions
from models.network import Layer, Network
from models.statistics import SymbolStatistics
from models.waveform.intruders import FibreTap, Interceptor, Intruder
from sim.loop.session import Loop, Records
from sim.loop.settings import LoopSettings

FALSE_ALARM_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Caught:
    """The verdict at the first batch that rejected, or at the last, and how many that took."""

    attack: str
    batches: int
    verdict: Verification


def attacks(gain: float) -> dict[str, tuple[Intruder | None, float]]:
    """Intruder on the fibre and the client's true gain, by name, where `gain` is granted."""
    return {
        "honest": (None, gain),
        "client amplifies by 30": (None, 30.0),
        "tap keeps 3 %": (FibreTap(0.03), gain),
        "5 % of rows intercepted": (Interceptor(0.05), gain),
    }


def run_attack(
    name: str,
    layer: Layer,
    settings: LoopSettings,
    records: Records,
    batches: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Caught:
    """Send the layer's rows again and again until the server rejects the channel.

    The server judges after every batch, by its sums alone; its false alarms are limited over all
    looks together.
    """
    intruder, true_gain = attacks(settings.link.gain)[name]
    loop = Loop(Network("attacked", (layer,)), settings, intruder, true_gain)
    link, receiver = settings.link, records.server.receiver
    (own,) = Loop(loop.network, settings).back_to_back()
    receiver = replace(receiver, efficiency=receiver.efficiency * own.response)
    channel = Channel(
        link.declared_transmittance, link.declared_excess_noise(layer.modes) + own.excess
    )
    total: SymbolStatistics | None = None
    for batch in range(1, batches + 1):
        rng = np.random.default_rng([settings.seed, 7, batch])
        (xi,), _ = directions(np.abs(rng.normal(size=(1, layer.columns))))
        sums = loop.returned(0, xi, records, rng).sums.frames[-layer.rows :]
        seen = loop.statistics(0, sums, records)
        total = seen if total is None else total + seen
        verdict = verify(
            total,
            declared=channel,
            modulation_variance=link.modulation_variance,
            receiver=receiver,
            inferences=batch,
            false_alarm_probability=FALSE_ALARM_PROBABILITY / batches,
        )
        progress(1)
        if not verdict.accepted:
            break
    return Caught(name, batch, verdict)
