"""Extraction against a network: the clone, what its curve says, and what the bound allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.extraction import Extraction, accuracy_of
from shotveil.host.run.extraction_curve import clone_of
from shotveil.models.adversaries.adversary import plain_uses
from shotveil.models.common.checks import require
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class LearnedBits:
    """Bits of a layer's or a network's weights after all inferences.

    learned, bound: What the readings hold and what the bound allows, for each weight.
    total_learned, total_bound: The same of all weights together.
    """

    learned: float
    bound: float
    total_learned: float
    total_bound: float


@dataclass(frozen=True)
class ExtractionOutcome:
    """The result of an extraction.

    attack, bound: Names of the attack and of the bound that covers it.
    network, f2: Name of the network, and F² of the readings.
    inferences: Number of inferences.
    images: Number of images that the clone is judged on.
    accuracy, original: Fraction of them that the clone and the network itself classify as labelled.
    curve: The clone's accuracy by the curve that ships with the network; None without one.
    bits, layers: Bits of the network and of each layer.
    """

    attack: str
    bound: str
    network: str
    f2: float
    inferences: int
    images: int
    accuracy: float
    original: float
    curve: float | None
    bits: LearnedBits
    layers: tuple[LearnedBits, ...]


def extract(
    network: Network,
    link: Link,
    inferences: float | None,
    images: NDArray[np.floating],
    labels: NDArray[Any],
    seed: int,
) -> ExtractionOutcome:
    """Clone `network` from `inferences` through `link`; None takes the usual number.

    images: Inputs, shape (n, inputs). The client takes axes from the first half, without labels;
        the clone is judged on the second half.
    seed: Seed of the readings' noise, ≥ 0.

    Raises `RangeError` for a number of inferences out of range, fewer than two images, or images
    that do not fit the network.
    """
    who = plain_uses()["extraction"]
    number = who.strong(inferences)
    require("seed", seed, at_least=0, integer=True)
    require("images", len(images), at_least=2)
    half = len(images) // 2
    clone = Extraction(network, images[:half]).clone(link.f2, number, np.random.default_rng(seed))
    judged, truth = network.plan.begin(images[half:].astype(np.float32)), labels[half:]
    leakage = network_leakage(network, link, number)

    def bits(learned: float, weights: int, allowed: Any) -> LearnedBits:
        return LearnedBits(
            learned / weights,
            allowed.weight_bounds_bits_after[who.covered_by],
            learned,
            allowed.total_weight_bits_after[who.covered_by],
        )

    expected = clone_of(network.digest, number, [link.f2])
    return ExtractionOutcome(
        attack=who.name,
        bound=who.covered_by,
        network=network.name,
        f2=link.f2,
        inferences=number,
        images=len(images) - half,
        accuracy=accuracy_of(network, clone.products, judged, truth),
        original=accuracy_of(network, network.products, judged, truth),
        curve=None if expected is None else expected.accuracy,
        bits=bits(sum(layer.bits for layer in clone.layers), network.weights, leakage),
        layers=tuple(
            bits(cloned.bits, layer.weights.size, allowed)
            for cloned, layer, allowed in zip(
                clone.layers, network.layers, leakage.layers, strict=True
            )
        ),
    )
