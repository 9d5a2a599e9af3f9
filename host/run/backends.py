"""What may carry a run's light: backends, found by the entry points of installed packages.

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
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

GROUP = "shotveil.backends"


@dataclass(frozen=True, eq=False)
class InferenceTask:
    """Images (n, inputs) to run through a network over a link.

    symbol_level: simulate every mode, where the backend has a choice. impairments: name of a set of
    them, for a backend with the optics sample by sample. progress: to be called with the number of
    images done since the last call.
    """

    network: Network
    images: NDArray[np.floating]
    link: Link
    seed: int
    symbol_level: bool = False
    impairments: str = "realistic"
    progress: Callable[[int], None] = lambda done: None


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """What came of it. link: the one that the server declares. symbol_level: whether every mode was
    simulated. calibration: of the parties' devices, as plain values; None where there are none.
    """

    inference: Inference
    link: Link
    symbol_level: bool
    calibration: dict[str, Any] | None = None


Backend = Callable[[InferenceTask], InferenceResult]


def backend_names() -> list[str]:
    """Names of all backends; none of them is loaded."""
    return list(plugins(GROUP))


def backend_named(name: str) -> Backend:
    """The backend of that name. Raises `RangeError` where no installed package offers it."""
    offered = plugins(GROUP)
    if name not in offered:
        raise RangeError(f"backend = {name!r} is none of {', '.join(offered)}")
    backend: Backend = offered[name].load()
    return backend
