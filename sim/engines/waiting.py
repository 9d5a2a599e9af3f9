"""What a person reads while a tool works: yosys, nextpnr, Verilator, a simulator, a solver."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

FIRST, EACH = 10.0, 30.0  # seconds until the first line, and between those that follow


@contextlib.contextmanager
def waiting(what: str, first: float = FIRST, each: float = EACH) -> Iterator[None]:
    """Say on standard error what is waited for, and for how long already, if it takes long.

    first, each: Seconds until the first line, and from one line to the next.
    """
    over, started = threading.Event(), time.monotonic()

    def tell() -> None:
        pause = first
        while not over.wait(pause):
            passed = time.monotonic() - started
            print(f"waiting for {what}: {passed:.0f} s so far", file=sys.stderr, flush=True)
            pause = each

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
