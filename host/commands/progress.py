"""One progress bar for every command."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 30.0


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far `what` is, with the time left; yields what to call with the number newly done.

    On standard error, so that standard output holds the result alone: a bar on a terminal, and a
    line twice a minute in a file or a batch system's log.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, total, console)
        return
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def _lines(what: str, total: int, console: Console) -> Callable[[int], None]:
    start = shown = time.monotonic()
    count = 0

    def advance(done: int) -> None:
        nonlocal count, shown
        count += done
        now = time.monotonic()
        if count and now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            left = (now - start) * (total - count) / count
            console.print(f"{what}: {count:,} of {total:,}, {left:,.0f} s left", soft_wrap=True)

    return advance
