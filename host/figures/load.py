"""Throughput and latency of loads, as a picture; call inside `host.figures.style.style()`."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from shotveil.host.figures.style import line_styles, new_figure

Point = tuple[int, int, float, float, float]
"""Servers, clients of each, reserves a second, and median and 99th percentile in seconds."""


def load_against_servers(points: Sequence[Point]) -> Figure:
    """Draw throughput and latency against the number of servers, a line for each of clients."""
    figure = new_figure(8.0, 4.2)
    throughput, latency = figure.subplots(1, 2)
    styles = line_styles()
    for clients in sorted({point[1] for point in points}):
        colour, dash = next(styles)
        own = sorted(point for point in points if point[1] == clients)
        servers = [point[0] for point in own]
        look = {"color": colour, "linestyle": dash, "marker": "o", "markersize": 4}
        label = f"{clients} clients a server"
        throughput.plot(servers, [point[2] for point in own], label=label, **look)
        latency.plot(servers, [1e3 * point[4] for point in own], label=label, **look)
        latency.plot(servers, [1e3 * point[3] for point in own], alpha=0.45, **look)
    throughput.set(xlabel="servers", ylabel="reserves a second in all", ylim=(0, None))
    latency.set(xlabel="servers", ylabel="time of a reserve (ms): 99 of 100, and half (pale)")
    latency.set_yscale("log")
    for axes in (throughput, latency):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({point[0] for point in points}))
        axes.xaxis.set_major_formatter("{x:.0f}")
    throughput.legend()
    return figure
