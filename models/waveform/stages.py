"""What impairments do at one place of the optics, joined."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.waveform.impairment import Place, Stage
from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments


def stage_at(place: Place, impairments: Impairments, rng: np.random.Generator) -> Stage:
    """All stages that impairments have at a place, one behind the other, in the files' order.

    Each has noise of its own, which depends on the generator's seed, its impairment's name and the
    place alone: whatever else is on or drawn, it stays the same. `rng` itself is left as it is.
    """
    stages = []
    for name, impairment in IMPAIRMENTS.items():
        if place in impairment.stages:
            stage = impairment.stages[place](impairments, _own(rng, f"{name} {place.value}"))
            if stage is not None:
                stages.append(stage)

    def joined(values: NDArray[Any]) -> NDArray[Any]:
        for stage in stages:
            values = stage(values)
        return values

    return joined


def _own(rng: np.random.Generator, name: str) -> np.random.Generator:
    """A child of the generator's seed under a name, where `spawn` gives numbers."""
    seeds = rng.bit_generator.seed_seq
    assert isinstance(seeds, np.random.SeedSequence)
    key = (*seeds.spawn_key, zlib.crc32(name.encode()))
    return np.random.default_rng(np.random.SeedSequence(seeds.entropy, spawn_key=key))
