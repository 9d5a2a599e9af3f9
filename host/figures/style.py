"""One look for every picture: figures, the report, the plan.

Figures are built as objects, without pyplot's global state, and drawn by Agg, so nothing here needs
a display. Colours are those of Okabe and Ito, told apart with any colour vision; lines differ in
dash as well, so that they survive grey printing. Colour maps rise evenly in lightness.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# M. Okabe and K. Ito, "Color universal design" (2008), ordered so that neighbours differ in
# lightness too; their yellow, too pale for lines on white, is left out.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, BLACK = "#56B4E9", "#E69F00", "#000000"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
GREY = "#5A5A5A"

COLOUR_MAP = "cividis"  # even in lightness, and nearly the same for the colour-blind
WIDTH, HEIGHT = 6.4, 4.2  # inches of a single panel
DOTS_PER_INCH = 160

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.6,
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "image.cmap": COLOUR_MAP,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "shotveil",  # the same picture gives the same bytes
}


def line_styles() -> Iterator[tuple[str, Any]]:
    """Colours with dashes, without end: where colours are used up, they return in other dashes."""
    for turn in itertools.count():
        for place, colour in enumerate(COLOURS):
            yield colour, DASHES[(place + turn) % len(DASHES)]


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Inside, matplotlib draws in this look; what was set before comes back afterwards.

    Both building and saving of a figure belong inside.
    """
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure of so many inches whose parts keep clear of each other; see `style`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def over_image(axes: Axes) -> None:
    """Frame an axes that shows a colour map: all four spines, no grid across the colours."""
    axes.grid(False)
    axes.spines[:].set_visible(True)


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as a file of `kind` png or svg; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
