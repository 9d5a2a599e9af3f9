"""The stages of all impairments at one place of the optics, joined into one."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.waveform.impairment import Place, Stage
from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments


def stage_at(place: Place, impairments: Impairments, rng: np.random.Generator) -> Stage:
    """One stage that applies all stages of the impairments at a place, in the order of the files.

    Each stage has its own noise, which depends only on the generator's seed, the impairment's name
    and the place. Other impairments and other draws do not change it. `rng` itself is not advanced.
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
    """A child of the generator's seed that is chosen by name, where `spawn` would count."""
    seeds = rng.bit_generator.seed_seq
    assert isinstance(seeds, np.random.SeedSequence)
    key = (*seeds.spawn_key, zlib.crc32(name.encode()))
    return np.random.default_rng(np.random.SeedSequence(seeds.entropy, spawn_key=key))
