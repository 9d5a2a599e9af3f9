"""A bench on the console: one node or two, each looked at by a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shotveil.host.console.node_worker import PATIENCE, NodeWorker
from shotveil.host.console.probe_light import BenchSettings
from shotveil.host.console.source import Topics
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device, require_url
from shotveil.models.common.checks import RangeError, require

MOST_NODES = 2


class Bench:
    """A `ConsoleSource` of the nodes at `urls`, at most two; the topics of node k begin with `k/`.

    settings: What is declared of their light.
    reach: Function that gives, for a URL, the function that opens the node there.

    Raises `RangeError` for no node, too many, or a text that is no URL.
    """

    def __init__(
        self,
        urls: Sequence[str],
        settings: BenchSettings | None = None,
        reach: Callable[[str], Callable[[], Node]] | None = None,
    ) -> None:
        require("nodes", len(urls), at_least=1, at_most=MOST_NODES)
        for url in urls:
            require_url(url)
        self._page: Topics = {
            "page": {"kind": "bench", "title": ", ".join(urls), "nodes": len(urls)}
        }
        self.workers = [
            NodeWorker(url, (reach or _reach)(url), settings or BenchSettings()) for url in urls
        ]

    def changed(self) -> Topics:
        """Return what has changed since the last call."""
        found, self._page = self._page, {}
        for number, worker in enumerate(self.workers):
            found |= {f"{number}/{name}": value for name, value in worker.changed().items()}
        return found

    def act(self, request: Mapping[str, Any]) -> str:
        """Give an order to the node that the request names, or to stop to all of them."""
        number = request.get("node", 0)
        if type(number) is not int or not 0 <= number < len(self.workers):
            raise RangeError(f"node = {number!r}; allowed: 0 to {len(self.workers) - 1}")
        return self.workers[number].act(request)

    def close(self) -> None:
        """Switch all light off."""
        for worker in self.workers:
            worker.close()


def _reach(url: str) -> Callable[[], Node]:
    return lambda: Node(open_device(url), patience=PATIENCE)
