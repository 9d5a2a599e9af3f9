"""Backends, which carry the light of a run; they are entry points of installed packages.

A backend is a function from an `InferenceTask` to an `InferenceResult`. A package offers one under
a name in the group `shotveil.backends` of its entry points, as this one does in pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.run.inference import Inference
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import plugins
from shotveil.models.link.light import Light
from shotveil.models.networks.network import Network

GROUP = "shotveil.backends"


@dataclass(frozen=True, eq=False)
class InferenceTask:
    """The task of a backend: images to be run through a network over a link.

    images: The images, shape (n, inputs).
    link: One link for all layers, or a sequence with one for each.
    seed: Seed of all randomness, ≥ 0.
    symbol_level: Whether to simulate every mode, where the backend has a choice.
    impairments: Name of a set of impairments, for a backend that simulates the optics sample by
        sample.
    progress: Function that the backend calls with the number of images done since the last call.
    """

    network: Network
    images: NDArray[np.floating]
    link: Light
    seed: int
    symbol_level: bool = False
    impairments: str = "realistic"
    progress: Callable[[int], None] = lambda done: None


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """The result of a backend.

    link: The link that the server declares, for all layers or for each.
    symbol_level: Whether every mode was simulated.
    calibration: Calibration of the parties' devices as plain values; None without devices.
    """

    inference: Inference
    link: Light
    symbol_level: bool
    calibration: dict[str, Any] | None = None


Backend = Callable[[InferenceTask], InferenceResult]


def backend_names() -> list[str]:
    """Return the names of all backends without loading them."""
    return list(plugins(GROUP))


def backend_named(name: str) -> Backend:
    """Load and return the backend called `name`.

    Raises `RangeError` where no installed package offers it.
    """
    offered = plugins(GROUP)
    if name not in offered:
        raise RangeError(f"backend = {name!r} is none of {', '.join(offered)}")
    backend: Backend = offered[name].load()
    return backend
