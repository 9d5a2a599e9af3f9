"""The backend `optics`: the symbol-level link, or its sufficient statistics, without any device."""

from __future__ import annotations

import numpy as np

from shotveil.host.run.backends import InferenceResult, InferenceTask
from shotveil.host.run.inference import infer


def optics(task: InferenceTask) -> InferenceResult:
    """Run a task over its own link."""
    inference = infer(
        task.network,
        task.images,
        task.link,
        np.random.default_rng(task.seed),
        symbol_level=task.symbol_level,
        progress=task.progress,
    )
    return InferenceResult(inference, task.link, task.symbol_level)
