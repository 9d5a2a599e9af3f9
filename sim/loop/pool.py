"""Images through the loop in several processes: one image in each, on a processor of its own.

An image's noise depends on its number alone, so results do not depend on how many processes there
are.
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
    """Layers through the bit-true models of both nodes."""
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
    """What `sim.loop.session.infer` gives for images (n, inputs).

    `player_of`, which has to be picklable, says what plays the layers. There are as many processes
    as processors, unless `processes` says how many; with one, all is done in this process, where a
    layer's two nodes have a thread each. Raises `RangeError`.
    """
    processes = os.cpu_count() or 1 if processes is None else processes
    require("processes", processes, at_least=1, at_most=1024, integer=True)
    count = min(processes, len(images))
    if count < 2:
        return infer(loop, images, records, progress, player_of(loop))
    seen: dict[int, Seen] = {}
    context = multiprocessing.get_context("spawn")  # not by fork: this process has threads
    # What they work with, from a thread. Among a process's arguments it would hold up the start of
    # the next one, until this one has imported what it needs to read them.
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


# What a process of the pool does with an image.
_work: Callable[[int, NDArray[np.floating]], Seen]


def _begin(given: Queue[tuple[Loop, Records, Callable[[Loop], Player]]]) -> None:
    global _work
    threadpool_limits(1)
    loop, records, player_of = given.get()
    _work = functools.partial(_infer_one, loop, records, player_of(loop))
    gc.freeze()  # what is there by now stays, and need not be looked through again and again


def _infer_one(
    loop: Loop, records: Records, player: Player, index: int, image: NDArray[np.floating]
) -> Seen:
    return infer_one(loop, index, image, records, player)


def _one(index: int, image: NDArray[np.floating]) -> Seen:
    return _work(index, image)
