"""Images through the loop in several processes, each of which has one image and one processor.

An image's noise depends only on its number, so the results do not depend on the number of
processes.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.queues import Queue

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shotveil.host.run.workers import leave_with_parent
from shotveil.models.common.checks import require
from shotveil.sim.loop.session import (
    Loop,
    LoopInference,
    Player,
    Records,
    Seen,
    collect,
    infer,
    infer_one,
)


def models(loop: Loop) -> Player:
    """A player that sends layers through the bit-true models of both nodes."""
    return loop.play


def infer_in_processes(
    loop: Loop,
    images: NDArray[np.floating],
    records: Records,
    progress: Callable[[int], None] = lambda done: None,
    *,
    player_of: Callable[[Loop], Player] = models,
    processes: int | None = None,
) -> LoopInference:
    """Compute what `sim.loop.session.infer` gives for images (n, inputs).

    `player_of`, which has to be picklable, makes what plays the layers. If `processes` is None,
    there are as many as processors. With one, everything runs in this process, where the two nodes
    of a layer have a thread each. Raises `RangeError`.
    """
    processes = os.cpu_count() or 1 if processes is None else processes
    require("processes", processes, at_least=1, at_most=1024, integer=True)
    count = min(processes, len(images))
    if count < 2:
        return infer(loop, images, records, progress, player_of(loop))
    seen: dict[int, Seen] = {}
    context = multiprocessing.get_context("spawn")  # not by fork, since this process has threads
    # A thread sends the processes what they work with. As an argument of a process it would delay
    # the start of the next one until this one has imported what it needs to read the argument.
    given = context.Queue()
    given.cancel_join_thread()
    for _ in range(count):
        given.put((loop, records, player_of))
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_begin, initargs=(given,)
    ) as pool:
        numbers = {pool.submit(_one, *item): item[0] for item in enumerate(images)}
        try:
            for future in as_completed(numbers):
                seen[numbers[future]] = future.result()
                progress(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return collect([seen[index] for index in range(len(images))], records)


# The rest of this file runs in a process of the pool.
_work: Callable[[int, NDArray[np.floating]], Seen]


def _begin(given: Queue[tuple[Loop, Records, Callable[[Loop], Player]]]) -> None:
    global _work
    leave_with_parent()
    threadpool_limits(1)
    loop, records, player_of = given.get()
    _work = functools.partial(_infer_one, loop, records, player_of(loop))
    gc.freeze()  # existing objects stay, so the garbage collector need not visit them again


def _infer_one(
    loop: Loop, records: Records, player: Player, index: int, image: NDArray[np.floating]
) -> Seen:
    return infer_one(loop, index, image, records, player)


def _one(index: int, image: NDArray[np.floating]) -> Seen:
    return _work(index, image)
