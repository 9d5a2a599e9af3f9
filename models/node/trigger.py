"""The trigger input: each rising edge lets one frame start after a set delay. Model of
`gateware.node.trigger`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import IntArray

DELAY_BITS = 24
PENDING = 16  # the most edges that can wait for their delay to pass
LATENCY = 6  # clocks from an edge at the input until `hold` goes low, for a delay of 0


def model(trigger: npt.ArrayLike, started: npt.ArrayLike, triggered: int, delay: int) -> IntArray:
    """`hold` in each clock, shape (n,), from the inputs `trigger` and `started`, shape (n,).

    `triggered` enables the trigger; without it `hold` stays low. `delay` is in clocks. An edge
    whose time comes before the last one was used has no effect.
    """
    level = np.asarray(trigger, dtype=np.int64)
    used = np.asarray(started, dtype=np.int64)
    n = len(level)
    if not triggered:
        return np.zeros(n, dtype=np.int64)
    (edges,) = np.nonzero(np.diff(level, prepend=0) == 1)
    due: list[int] = []
    for edge in edges.tolist():
        # Count the edges that are still waiting when this one is registered.
        if sum(edge + 2 <= d - 1 for d in due) < PENDING:
            due.append(edge + delay + LATENCY)
    release = set(due)
    hold = np.ones(n, dtype=np.int64)
    ready = 0
    for k in range(n):
        ready = 1 if k in release else ready
        hold[k] = 1 - ready
        if used[k]:
            ready = 0
    return hold
