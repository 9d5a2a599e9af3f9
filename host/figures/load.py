"""Throughput and latency of loads, as a picture; call inside `host.figures.style.style()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from shotveil.host.figures.style import line_styles, new_figure


class LoadPoint(NamedTuple):
    """One load: servers, clients of each, and the rate asked for (0: as much as there can be).

    throughput: Reserves a second in all. median, p99: Seconds that a reserve took.
    """

    servers: int
    clients: int
    rate: float
    throughput: float
    median: float
    p99: float


def load_against_servers(points: Sequence[LoadPoint]) -> Figure:
    """Draw throughput and latency against servers, a line for each number of clients and rate."""
    figure = new_figure(8.0, 4.2)
    throughput, latency = figure.subplots(1, 2)
    styles = line_styles()
    for clients, rate in sorted({(point.clients, point.rate) for point in points}):
        colour, dash = next(styles)
        own = sorted(p for p in points if (p.clients, p.rate) == (clients, rate))
        servers = [point.servers for point in own]
        look = {"color": colour, "linestyle": dash, "marker": "o", "markersize": 4}
        asked = f"at {rate:g} a second" if rate else "without a pause"
        label = f"{clients} clients a server, {asked}"
        throughput.plot(servers, [point.throughput for point in own], label=label, **look)
        latency.plot(servers, [1e3 * point.p99 for point in own], **look)
        latency.plot(servers, [1e3 * point.median for point in own], alpha=0.45, **look)
    throughput.set(xlabel="servers", ylabel="reserves a second in all", yscale="log")
    latency.set(xlabel="servers", ylabel="ms that 99 of 100 reserves took, and half (pale)")
    latency.set_yscale("log")
    for axes in (throughput, latency):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({point.servers for point in points}))
        axes.xaxis.set_major_formatter("{x:.0f}")
    figure.legend(loc="outside upper left", ncols=2)
    return figure
