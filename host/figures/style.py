"""The common style of all pictures: of the figures, the report and the plan.

Figures are built as objects, without pyplot's global state, and drawn by Agg, so nothing here needs
a display. The colours are those of Okabe and Ito, which people with any colour vision can tell
apart. Lines also differ in dash, so that they can be told apart in grey. Colour maps increase
evenly in lightness.
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

COLOUR_MAP = "cividis"  # even in lightness, and almost the same for colour-blind readers
WIDTH, HEIGHT = 6.4, 4.2  # size of a single panel in inches
PANEL = 4.2  # width in inches of a report's panel: text of 9 points stays readable on a phone
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
    "svg.fonttype": "none",  # keeps text as text
    "svg.hashsalt": "shotveil",  # gives the same bytes for the same picture
}


def line_styles() -> Iterator[tuple[str, Any]]:
    """Yield colours with dashes without end; used-up colours come again with another dash."""
    for turn in itertools.count():
        for place, colour in enumerate(COLOURS):
            yield colour, DASHES[(place + turn) % len(DASHES)]


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Make matplotlib draw in this style inside the block, and restore its settings afterwards.

    A figure has to be both built and saved inside the block. A `matplotlibrc` of the user or of the
    folder has no effect inside: pictures are the same everywhere.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """Return an empty figure, its size in inches, whose parts do not overlap (see `style`)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def over_image(axes: Axes) -> None:
    """Frame an axes that shows a colour map: all four spines, no grid across the colours."""
    axes.grid(False)
    axes.spines[:].set_visible(True)


def rendered(figure: Figure, kind: str) -> bytes:
    """Return the bytes of a file of `kind` png, svg or pdf, the same for the same figure."""
    buffer = io.BytesIO()
    metadata = {
        "png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}
    }[kind]  # fmt: skip
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
