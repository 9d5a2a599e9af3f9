"""A run as one self-contained HTML file: no other file, no network needed to read it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from shotveil.host.reports import pictures as report_figures
from shotveil.host.run.run import FinishedRun
from shotveil.host.figures.style import rendered, style
from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically

PICTURES = (
    report_figures.digits,
    report_figures.accuracy_curve,
    report_figures.leakages,
    report_figures.what_the_server_sees,
    report_figures.what_the_client_sees,
)


def write_report(run: FinishedRun, path: Path) -> None:
    """Write the report of `run` to `path`, whole or not at all; folders are made as needed.

    Raises `RangeError` when the file cannot be written.
    """
    check_writable(path)
    write_atomically(path, report(run).encode())


def check_writable(path: Path) -> None:
    """Raise `RangeError` where `path` can be no file: to be asked before the work it is to hold."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RangeError(f"report = {path} cannot be written; allowed: a file in a folder of yours")


def report(run: FinishedRun) -> str:
    """The report of `run` as HTML text."""
    environment = Environment(
        loader=PackageLoader("shotveil.host.reports"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["figures"] = lambda value: f"{value:.3g}"
    environment.filters["thousands"] = lambda value: f"{value:,}"
    summary = run.summary
    widths = [run.network.inputs, *(layer.rows for layer in run.network.layers)]
    return environment.get_template("report.html").render(
        s=summary,
        v=summary["verification"],
        widths="-".join(str(width) for width in widths),
        settings=_settings(summary),
        **{picture.__name__: embedded(picture, run) for picture in PICTURES},
    )


def _settings(summary: dict[str, Any]) -> list[tuple[str, str]]:
    client, server = summary["client_detector"], summary["server_detector"]
    return [
        ("F² at the client", f"{summary['f2']:.6g}"),
        ("gain of the client's amplifier", f"{summary['gain']:.8g}"),
        ("photons per mode at the server's output", f"{summary['photons']:.6g}"),
        ("transmittance out", f"{summary['transmittance_out']:.6g}"),
        ("transmittance back", f"{summary['transmittance_back']:.6g}"),
        ("technical excess noise (SNU)", f"{summary['excess_noise']:.6g}"),
        ("phase error (rad rms)", f"{summary['phase_error']:.6g}"),
        ("client's detector: efficiency", f"{client['efficiency']:.6g}"),
        ("client's detector: electronic noise (SNU)", f"{client['electronic_noise']:.6g}"),
        ("server's detector: efficiency", f"{server['efficiency']:.6g}"),
        ("server's detector: electronic noise (SNU)", f"{server['electronic_noise']:.6g}"),
        ("network (SHA-256 of the weights)", summary["digest"][:16] + "…"),
    ]


def embedded(picture: Callable[[Any], Figure], shown: Any) -> Markup:
    """The picture as an <img> that holds its own bytes, described by its docstring."""
    with style():
        data = base64.b64encode(rendered(picture(shown), "png")).decode()
    image = Markup('<img alt="{}" src="data:image/png;base64,{}">')
    return image.format(picture.__doc__ or "", data)
