"""Images through the loop in several processes, each of which has one processor.

A process has one image at a time (`infer_in_processes`), or many side by side (`infer_in_crowds`).

An image's noise depends only on its number, so the results do not depend on the number of
processes.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import multiprocessing
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_EXCEPTION,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import AbstractContextManager
from multiprocessing.queues import Queue

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shotveil.host.run.workers import leave_with_parent
from shotveil.models.common.checks import require
from shotveil.sim.engines.waiting import waiting
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

TOLD = 0.5  # seconds after which progress of other processes is passed on


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
    count = _count(processes, len(images))
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


def _count(processes: int | None, images: int) -> int:
    """How many processes are of use; by default there are as many as processors."""
    processes = os.cpu_count() or 1 if processes is None else processes
    require("processes", processes, at_least=1, at_most=1024, integer=True)
    return min(processes, images)


PlayerMaker = Callable[[], AbstractContextManager[Player]]
MakersOf = Callable[[Loop, int], list[PlayerMaker]]


def infer_in_crowds(
    loop: Loop,
    images: NDArray[np.floating],
    records: Records,
    progress: Callable[[int], None] = lambda done: None,
    *,
    makers_of: MakersOf,
    processes: int | None = None,
) -> LoopInference:
    """Do what `infer_in_processes` does, with many images side by side in each process.

    `makers_of`, which has to be picklable, gives makers of the players that a process is to use at
    once, in a thread each, from the number of its images.
    """
    count = _count(processes, len(images))
    items = list(enumerate(images))
    with waiting(f"{len(images)} images that go on side by side"):
        if count < 2:
            seen = _crowd(loop, records, makers_of, items, lambda: progress(1))
        else:
            seen = _crowds(loop, records, progress, makers_of, items, count)
    return collect(seen, records)


def _crowds(
    loop: Loop,
    records: Records,
    progress: Callable[[int], None],
    makers_of: MakersOf,
    items: Sequence[tuple[int, NDArray[np.floating]]],
    count: int,
) -> list[Seen]:
    """Deal numbered images out to `count` processes; return what was seen, in the same order."""
    context = multiprocessing.get_context("spawn")
    told: Queue[None] = context.Queue()
    shares = [items[first::count] for first in range(count)]
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_begin_crowd, initargs=(told,)
    ) as pool:
        futures = [pool.submit(_share, loop, records, makers_of, share) for share in shares]
        try:
            running = set(futures)
            while running:
                done, running = wait(running, timeout=TOLD, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()  # raises what went wrong
                with contextlib.suppress(queue.Empty):
                    while True:
                        told.get_nowait()
                        progress(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    seen = {
        index: one
        for share, future in zip(shares, futures, strict=True)
        for (index, _), one in zip(share, future.result(), strict=True)
    }
    return [seen[index] for index, _ in items]


def _crowd(
    loop: Loop,
    records: Records,
    makers_of: MakersOf,
    items: Sequence[tuple[int, NDArray[np.floating]]],
    tell: Callable[[], None],
) -> list[Seen]:
    """Run numbered images side by side; return what was seen, in the same order."""
    left: queue.SimpleQueue[tuple[int, NDArray[np.floating]]] = queue.SimpleQueue()
    for item in items:
        left.put(item)
    seen: dict[int, Seen] = {}

    def work(maker: PlayerMaker) -> None:
        try:
            with maker() as player:
                while not left.empty():
                    index, image = left.get_nowait()
                    seen[index] = infer_one(loop, index, image, records, player)
                    tell()
        except queue.Empty:  # another thread was faster
            return
        except BaseException:
            with contextlib.suppress(queue.Empty):
                while True:  # what has not begun is not needed any more
                    left.get_nowait()
            raise

    makers = makers_of(loop, len(items))
    with ThreadPoolExecutor(len(makers)) as threads:
        for future in [threads.submit(work, maker) for maker in makers]:
            future.result()
    return [seen[index] for index, _ in items]


# The rest of this file runs in a process of the pool.


def _settle() -> None:
    """Keep to one processor, and only for as long as the process that asked."""
    leave_with_parent()
    threadpool_limits(1)


_work: Callable[[int, NDArray[np.floating]], Seen]
_tell: Callable[[], None]


def _begin(given: Queue[tuple[Loop, Records, Callable[[Loop], Player]]]) -> None:
    global _work
    _settle()
    loop, records, player_of = given.get()
    _work = functools.partial(_infer_one, loop, records, player_of(loop))
    gc.freeze()  # existing objects stay, so the garbage collector need not visit them again


def _begin_crowd(told: Queue[None]) -> None:
    global _tell
    _settle()
    _tell = functools.partial(told.put, None)


def _share(
    loop: Loop,
    records: Records,
    makers_of: MakersOf,
    items: Sequence[tuple[int, NDArray[np.floating]]],
) -> list[Seen]:
    gc.freeze()
    return _crowd(loop, records, makers_of, items, _tell)


def _infer_one(
    loop: Loop, records: Records, player: Player, index: int, image: NDArray[np.floating]
) -> Seen:
    return infer_one(loop, index, image, records, player)


def _one(index: int, image: NDArray[np.floating]) -> Seen:
    return _work(index, image)
