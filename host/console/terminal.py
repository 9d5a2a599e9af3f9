"""The essentials on a terminal: what `serve` and `link` show while they run.

They show it where they own a terminal, and print lines or JSON where they do not.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shotveil.host.console.source import Topics

View = Callable[[], "RenderableType"]
REFRESHES = 2  # a second
WINDOW = 10.0  # seconds over which light a second is counted


@contextmanager
def shown(view: View | None) -> Iterator[None]:
    """Show what `view` returns while the block runs; None shows nothing."""
    if view is None:
        yield
        return
    from rich.live import Live

    with Live(get_renderable=view, refresh_per_second=REFRESHES, transient=True):
        # Log lines have to go above the display, and handlers know the stream from before it.
        moved = [
            (handler, handler.setStream(sys.stderr))
            for handler in logging.getLogger().handlers
            if type(handler) is logging.StreamHandler
        ]
        try:
            yield
        finally:
            for handler, stream in moved:
                if stream is not None:
                    handler.setStream(stream)


def is_terminal() -> bool:
    """Return whether standard output is a terminal that a display fits on."""
    from rich.console import Console

    return Console().is_terminal and not Console().is_dumb_terminal


@contextmanager
def server_display(ledger: Path | str) -> Iterator[View | None]:
    """Give what a server shows of its ledger, or None where there is no terminal.

    A ledger in a database is not shown, because many servers share its account.
    """
    if isinstance(ledger, str) or not is_terminal():
        yield None
        return
    from shotveil.host.console.server_books import ServerBooks

    books = ServerBooks(ledger)
    topics: Topics = {}

    def view() -> RenderableType:
        topics.update(books.changed())
        return server_view(topics)

    try:
        yield view
    finally:
        books.close()


def server_view(topics: Topics) -> RenderableType:
    """Return budgets, clients and verification, from the topics of a server's page."""
    from rich import box
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    rate = topics.get("rate", {"images_per_second": 0.0, "images": 0})
    parts: list[Any] = [
        f"{rate['images_per_second']:.1f} images a second, {rate['images']:,} since the start"
    ]
    for network in topics.get("networks", []):
        budget = network["budget"]
        sense = budget["sense"] if budget else "declared"
        spent = f"{network['bits'][sense]:.4g}"
        left = network["left"][sense]
        of = f" of {budget['bits']:.4g}" if budget else ""
        more = f", {left:,} inferences left" if left is not None else ""
        parts.append(
            f"{escape(network['network'])}: {spent}{of} bits per weight ({sense}){more}, "
            f"{network['open']} sessions open"
        )
    evidence = {each["client"]: each for each in topics.get("evidence", [])}
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("client", "bits per weight", "T̂", "ε̂ (SNU)", "verdict"):
        table.add_column(heading)
    for network in topics.get("networks", []):
        for client in network["clients"]:
            known = evidence.get(client["client"], {"light": []})
            light = next((each for each in known["light"] if "declared" in each), None)
            sense = client["budget"]["sense"] if client["budget"] else "declared"
            of = f" of {client['budget']['bits']:.4g}" if client["budget"] else ""
            table.add_row(
                escape(client["client"]),
                f"{client['bits'][sense]:.4g}{of}",
                f"{light['transmittance']:.5f}" if light else "",
                f"{light['excess_noise']:.5f}" if light else "",
                f"[red]refused[/red]: {escape(client['refused'])}"
                if client["refused"]
                else "[green]admitted[/green]",
            )
    if table.row_count:
        parts.append(table)
    if topics.get("trouble"):
        parts.append(f"[red]{escape(topics['trouble'])}[/red]")
    return Group(*parts)


class LightCounter:
    """Counts the light that a link sends, for its display; threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._recent: deque[float] = deque()
        self._shots = 0
        self._sessions: set[str] = set()

    def count(self, shot: Any) -> None:
        """Count a shot, which names its session."""
        with self._guard:
            self._shots += 1
            self._sessions.add(str(shot.session))
            self._recent.append(self._clock())

    def view(self) -> RenderableType:
        """Return the light so far in a line."""
        with self._guard:
            while self._recent and self._recent[0] < self._clock() - WINDOW:
                self._recent.popleft()
            return (
                f"light was sent {self._shots:,} times in {len(self._sessions):,} sessions, "
                f"{len(self._recent) / WINDOW:.1f} times a second now"
            )
