"""The report of a run as one self-contained HTML file, which needs no other file or network."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from shotveil.host.adversaries.reconstruction import (
    GuessedLabels,
    labels_by_photon_counting,
)
from shotveil.host.figures.style import rendered, style
from shotveil.host.leakage.catalogue import (
    DATA_BOUND,
    DATA_BOUNDS,
    FURTHER_WEIGHT_BOUNDS,
    SPECTRUM_BOUNDS,
    WEIGHT_BOUND,
)
from shotveil.host.reports import pictures as report_figures
from shotveil.host.reports.pictures import first_inputs
from shotveil.host.run.extraction_curve import PossibleClone
from shotveil.host.run.run import FinishedRun
from shotveil.models.common.checks import RangeError
from shotveil.models.common.docstrings import docstring
from shotveil.models.common.files import write_atomically
from shotveil.models.common.parameters import Parameter
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import directions
from shotveil.models.link.optics import Link

MOST_KNOWN = 10_000  # most images that the server is taken to know

PICTURES = (
    report_figures.digits,
    report_figures.accuracy_curve,
    report_figures.leakages,
    report_figures.what_the_server_sees,
    report_figures.what_the_client_sees,
)


def write_report(run: FinishedRun, path: Path) -> None:
    """Write the report of `run` to `path`, and create the folders that are missing.

    After a crash the file is either whole or unchanged. Raises `RangeError` when it cannot be
    written.
    """
    check_writable(path)
    write_atomically(path, report(run).encode())


def check_writable(path: Path) -> None:
    """Raise `RangeError` if no file can be written at `path`; to be called before a long run.

    It tries in the nearest folder that exists: what the system says of access is not what then
    holds on network drives, in containers and for root.
    """
    allowed = "allowed: a file in a folder of yours"
    if path.is_dir():
        raise RangeError(f"report = {path} cannot be written: it is a folder; {allowed}")
    try:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        said = f"report = {path} cannot be written: {error.strerror}"
        raise RangeError(f"{said}; {allowed}") from None


def template(name: str) -> Template:
    """A template of this room, with the number formats that all reports use."""
    environment = Environment(
        loader=PackageLoader("shotveil.host.reports"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["figures"] = lambda value: _rounded(value, 3)
    environment.filters["total"] = lambda value: _rounded(value, 6)
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment.get_template(name)


def _rounded(value: float, digits: int) -> str:
    """Return the value with that many digits, large ones with commas in place of an exponent."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if 10**digits <= abs(rounded) < 1e15 else f"{value:,.{digits}g}"


def report(run: FinishedRun) -> str:
    """The report of `run` as HTML text."""
    summary = run.summary
    widths = [run.network.inputs, *(layer.rows for layer in run.network.layers)]
    return template("report.html").render(
        s=summary,
        v=summary["verification"],
        bounds=DATA_BOUNDS,
        bound=DATA_BOUNDS[DATA_BOUND],
        weight_bound=WEIGHT_BOUND,
        weight_bounds=FURTHER_WEIGHT_BOUNDS | SPECTRUM_BOUNDS,
        guess=_guess(run),
        gains_seen=report_figures.gains_said(run),
        clone=PossibleClone(**summary["extraction"]) if summary["extraction"] else None,
        widths="-".join(str(width) for width in widths),
        settings=_settings(run.links, summary["digest"]),
        learning_curve=(
            None
            if report_figures.epochs_of(run.network) is None
            else embedded(report_figures.learning_curve, run)
        ),
        **{picture.__name__: embedded(picture, run) for picture in PICTURES},
    )


def _guess(run: FinishedRun) -> GuessedLabels | None:
    """Return what a photon counter guesses of the labels, or None.

    None stands for a single image, and for a first layer that meets several patches of an image.
    """
    layer = run.network.layers[0]
    if len(run.images) < 2 or layer.patches > 1:
        return None
    images, labels = run.images[:MOST_KNOWN], run.labels[:MOST_KNOWN]
    xi, _ = directions(first_inputs(run.network, images))
    rng = np.random.default_rng([run.seed, 4])
    return labels_by_photon_counting(run.link, xi, labels, layer.rows, rng)


def _settings(links: Sequence[Link], digest: str) -> list[tuple[str, str]]:
    """Return names and values of the run's settings; the channel's are named by its parameters."""
    values = links[0].as_settings()

    def each(form: str, of: list[float]) -> str:
        return ", ".join(format(v, form) for v in (of[:1] if len(set(of)) == 1 else of))

    return [
        ("F² at the client", each(".6g", [link.f2 for link in links])),
        ("gain of the client's amplifier", each(".8g", [link.gain for link in links])),
        ("photons per mode at the server's output", each(".6g", [link.photons for link in links])),
        *(
            (f"{each.label}{_unit(each)}", f"{values[each.name]:.6g}")
            for each in Channel.settings()
        ),
        ("network (SHA-256 of the weights)", digest[:16] + "…"),
    ]


def _unit(each: Parameter) -> str:
    return f" ({each.unit})" if each.unit else ""


def embedded(picture: Callable[[Any], Figure | tuple[Figure, ...]], shown: Any) -> Markup:
    """Return the panels of a picture as <img>s that contain their bytes (SVG), in one group.

    The picture's docstring is the group's alternative text.
    """
    with style():
        drawn = picture(shown)
        panels = drawn if isinstance(drawn, tuple) else (drawn,)
        files = [base64.b64encode(rendered(panel, "svg")).decode() for panel in panels]
    image = Markup('<img alt="" src="data:image/svg+xml;base64,{}">')
    group = Markup('<div class="panels" role="img" aria-label="{}">{}</div>')
    return group.format(docstring(picture) or "", Markup("").join(map(image.format, files)))
