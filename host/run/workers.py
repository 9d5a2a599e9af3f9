"""Processes of a pool that do not outlive the process they work for."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def leave_with_parent() -> None:
    """End this process as soon as its parent ends, even if that is killed.

    A worker of `concurrent.futures` waits for work at a queue of which it holds both ends, so it
    never sees that nobody is left to send any. To be called in a process of `multiprocessing`,
    such as by a pool's initializer.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("this process was not started by multiprocessing")
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
