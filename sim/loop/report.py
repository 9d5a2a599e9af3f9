"""The report of a run in the loop: one HTML file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.reports.report import check_writable, embedded, template
from shotveil.models.common.files import write_atomically
from shotveil.sim.loop.pictures import PICTURES
from shotveil.sim.loop.run import LoopRun

NODES = {"model": "bit-true models of both nodes", "rtl": "compiled gateware of both nodes"}


def write_report(run: LoopRun, path: Path, backend: str) -> None:
    """Write the report to `path`, whole or not at all. Raises `RangeError` if it cannot be."""
    check_writable(path)
    records = run.outcome.seen.records
    html = template("loop.html").render(
        r=run,
        s=run.summary,
        v=run.summary["verification"],
        bounds=DATA_BOUNDS,
        f2=run.outcome.loop.links[0].f2,
        nodes=NODES[backend],
        agree=int((run.outcome.inference.predictions == run.ideal).sum()),
        records=records.server.vacuum_count,
        shot_error=records.server.shot_error,
        settings=_settings(run),
        **{picture.__name__: embedded(picture, run) for picture in PICTURES},
    )
    write_atomically(path, html.encode())


def _settings(run: LoopRun) -> list[tuple[str, str]]:
    links = run.outcome.loop.links
    rows = [
        ("gain of the client's amplifier", _each(f"{link.gain:g}" for link in links)),
        ("photons per mode at the server's output", _each(f"{link.photons:.5g}" for link in links)),
    ]
    for name, value in vars(run.impairments).items():
        text = ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"
        rows.append((name.replace("_", " "), text))
    return rows


def _each(values: Iterable[str]) -> str:
    """The value that all layers share, or those of the layers with commas between."""
    found = list(values)
    return found[0] if len(set(found)) == 1 else ", ".join(found)
