"""Adversaries in the loop, and whether the server notices them by its sums.

The server judges as `host.verification.verdict` does, but knows its shot-noise unit only as well as
its vacuum and dark records tell it. Half of the false alarms allowed goes to that calibration,
which is one for all looks, the other half to the symbols, shared by the looks (`tolerated`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shotveil.host.extras import import_extra
from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.host.verification.tolerance import tolerated
from shotveil.host.verification.verdict import Verification, verify
from shotveil.models.adversaries.adversary import (
    Adversary,
    ClientAdversary,
    FibreAdversary,
    adversaries,
    adversary,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.encoding import Complex, directions
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.networks.network import Layer, Network
from shotveil.models.waveform.intruders import Intruder
from shotveil.sim.loop.backend import BACKENDS
from shotveil.sim.loop.session import Loop, Records
from shotveil.sim.loop.settings import LoopSettings

HONEST = "honest"
CLIP = 3.0  # standard deviations of a probing weight that the converters have to hold


@dataclass(frozen=True)
class Caught:
    """The verdict at the first batch that was rejected, or at the last, and the number of batches.

    `declared` is the channel that the settings imply, and `tolerated` the one that the verdict
    compares with.
    """

    attack: str
    batches: int
    verdict: Verification
    declared: ChannelEstimate
    tolerated: ChannelEstimate


def attacks() -> tuple[str, ...]:
    """The name of the honest client, and the names of all adversaries that act on samples."""
    playing = [
        n for n, who in adversaries(Adversary).items() if who.strength and who.strength.in_loop
    ]
    return HONEST, *playing


def _played(name: str, link: Link) -> tuple[Intruder | None, float]:
    """The intruder on the fibre, and the client's true gain; the link has the granted gain.

    Raises `RangeError` for a name that is not in `attacks`.
    """
    if name not in attacks():
        raise RangeError(f"attack = {name!r} is none of {', '.join(attacks())}")
    if name == HONEST:
        return None, link.gain
    who = adversary(name, Adversary)
    assert who.strength is not None and who.strength.in_loop is not None
    if isinstance(who, ClientAdversary):
        return None, who.of(who.strength.in_loop).link(link).gain
    assert isinstance(who, FibreAdversary) and who.sampled is not None
    return who.sampled(who.strength.in_loop), link.gain


def probe(modes: int, rows: int, seed: int = 1) -> Layer:
    """Random weights (rows, 2·modes) for a server that wants to find adversaries.

    Short rows reveal an over-amplifying client soonest: its noise g is spread over the modes of a
    row, so the server needs m ∝ modes² symbols, that is rows ∝ modes, to see it.
    """
    require("modes", modes, at_least=8, integer=True)
    require("rows", rows, at_least=1, integer=True)
    weights = np.random.default_rng([seed, 8]).normal(size=(rows, 2 * modes))
    return Layer(weights.clip(-CLIP, CLIP))


def run_attack(
    name: str,
    layer: Layer,
    settings: LoopSettings,
    records: Records,
    batches: int,
    progress: Callable[[int], None] = lambda done: None,
    *,
    backend: str = "model",
) -> Caught:
    """Send the layer's rows again and again until the server rejects the channel.

    The server judges after every batch, by its sums alone; its false alarms are limited over all
    looks and the calibration together. With `backend` rtl both nodes are their gateware. Raises
    `RangeError` for an unknown attack or backend, and if the server's node fails.
    """
    if backend not in BACKENDS:
        raise RangeError(f"backend = {backend!r} is none of {', '.join(BACKENDS)}")
    intruder, true_gain = _played(name, settings.link)
    loop = Loop(Network("attacked", (layer,)), settings, intruder, true_gain)
    link, calibration = settings.link, records.of_layer(0)
    (own,) = loop.back_to_back()
    declared = ChannelEstimate(
        link.declared_transmittance_at(layer.modes),
        link.declared_excess_noise(layer.modes) + own.excess,
    )
    allowed = tolerated(declared, calibration, FALSE_ALARM_PROBABILITY / 2)
    look = _gateware if backend == "rtl" else _models
    total: SymbolStatistics | None = None
    for batch in range(1, batches + 1):
        rng = np.random.default_rng([settings.seed, 7, batch])
        (xi,), _ = directions(np.abs(rng.normal(size=(1, layer.columns))))
        seen = look(loop, xi, records, rng)
        total = seen if total is None else total + seen
        verdict = verify(
            total,
            declared=allowed,
            modulation_variance=link.modulation_variance,
            receiver=calibration.receiver,
            inferences=batch,
            false_alarm_probability=FALSE_ALARM_PROBABILITY / 2 / batches,
        )
        progress(1)
        if not verdict.accepted:
            break
    return Caught(name, batch, verdict, declared, allowed)


def _models(
    loop: Loop, xi: Complex, records: Records, rng: np.random.Generator
) -> SymbolStatistics:
    rows = loop.network.layers[0].rows
    return loop.statistics(0, loop.returned(0, xi, records, rng).sums.frames[-rows:], records)


def _gateware(
    loop: Loop, xi: Complex, records: Records, rng: np.random.Generator
) -> SymbolStatistics:
    rtl = import_extra("shotveil.sim.loop.rtl", "rtl")
    try:
        batch = rtl.play(loop, 0, xi, rng, records.offsets[0]).server
    except rtl.ClientFailed as failed:  # a client that cheats may spoil its own inference
        batch = failed.server
    return loop.statistics(0, batch.session[None], records)
