"""The backend `optics`: the link at symbol level or by sufficient statistics, without a device."""

from __future__ import annotations

import numpy as np

from shotveil.host.run.backends import InferenceResult, InferenceTask
from shotveil.host.run.inference import infer


def optics(task: InferenceTask) -> InferenceResult:
    """Run `task` over its own link. Raises `RangeError` as `infer`."""
    inference = infer(
        task.network,
        task.images,
        task.link,
        np.random.default_rng(task.seed),
        symbol_level=task.symbol_level,
        progress=task.progress,
    )
    return InferenceResult(inference, task.link, task.symbol_level)
