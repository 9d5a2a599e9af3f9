"""What a ledger holds, over time, as a picture; call inside `host.figures.style.style()`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotveil.host.figures.style import BLACK, BLUE, new_figure


def leakage_over_time(
    seconds: Sequence[float],
    charged: Sequence[float],
    in_flight: Sequence[float],
    *,
    sense: str,
    budget: float | None,
    weights: int,
    inferences_left: int | None,
    title: str,
) -> Figure:
    """Draw what leaked of a network over time, with what is reserved as a shade.

    seconds: Moments, in seconds since 1970.
    charged: Total in bits per weight at each of them.
    in_flight: The part of it that is reserved for light on its way.
    sense: The sense of the totals and of the budget, such as "declared".
    budget: The limit, in bits per weight; None without one.
    weights: Number of weights, for the scale of all bits on the right.
    inferences_left: Number of inferences that still fit the budget; None if it is not known.
    """
    times = date2num([datetime.fromtimestamp(second, UTC) for second in seconds])
    committed = np.subtract(charged, in_flight)
    figure = new_figure(8.0, 4.2)
    axes = figure.add_subplot()
    axes.fill_between(
        times,
        committed,
        charged,
        step="post",
        color=BLUE,
        alpha=0.25,
        linewidth=0,
        label="reserved for light on its way, as if lost",
    )
    axes.step(
        times, committed, where="post", color=BLUE, linestyle="-", label=f"leaked at most ({sense})"
    )
    if budget is not None:
        axes.axhline(budget, color=BLACK, linestyle="--", linewidth=1.4)
        left = max(0.0, budget - (charged[-1] if len(charged) else 0.0))
        said = f"left: {left:.3g} bits per weight, {left * weights:,.0f} bits in all"
        if inferences_left is not None:
            count = "1 inference" if inferences_left == 1 else f"{inferences_left:,} inferences"
            said += f", {count}"
        axes.annotate(
            f"budget {budget:g}; {said}",
            (0, budget),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=9,
        )
    highest = max([budget or 0.0, *charged])
    axes.set(
        xlabel="time (UTC)", ylabel="bits per weight", title=title, ylim=(0, 1.15 * highest or 1.0)
    )
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))

    def all_bits(bits: NDArray[np.float64]) -> NDArray[np.float64]:
        return bits * weights

    def bits_each(bits: NDArray[np.float64]) -> NDArray[np.float64]:
        return bits / weights

    every = axes.secondary_yaxis("right", functions=(all_bits, bits_each))  # type: ignore[arg-type]
    every.set_ylabel("bits of all weights")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
