"""All figures of the paper, drawn one after the other and written to a folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from shotveil.host.figures import pictures, tables
from shotveil.host.figures.style import rendered, style
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.common.files import write_atomically
from shotveil.models.networks.network import Network


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, the numbers behind it and the name of both files."""

    name: str
    columns: tables.Columns
    figure: Figure

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write NAME.png, NAME.svg and NAME.csv. Raises `RangeError` where that is impossible."""
        paths = tuple(folder / f"{self.name}.{kind}" for kind in ("png", "svg", "csv"))
        # Both files use the same layout, because computing it takes as long as drawing.
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        for path in paths[:2]:
            write_atomically(path, rendered(self.figure, path.suffix[1:]))
        write_atomically(paths[2], as_csv(self.columns))
        return paths


def as_csv(columns: tables.Columns) -> str:
    """Return CSV text with a header and one line for each point, with all digits of a double."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return text.getvalue()


def accuracy_drawings(network: Network, curve: AccuracyCurve, bound: str) -> Iterator[Drawing]:
    """Yield the figures that show the accuracy of one network."""
    name = network.name
    columns = tables.accuracy_against_f2(curve)
    figure = pictures.accuracy_against_f2(curve, columns)
    yield Drawing(f"accuracy-f2-{name}", columns, figure)
    for convention in tables.CONVENTIONS:
        columns = tables.accuracy_over_light(curve, convention)
        figure = pictures.accuracy_over_light(curve, columns, convention)
        yield Drawing(f"accuracy-light-{name}-{convention}", columns, figure)
        columns = tables.accuracy_over_leakage(network, curve, convention, bound)
        figure = pictures.accuracy_over_leakage(curve, columns, convention, bound)
        yield Drawing(f"accuracy-leakage-{name}-{convention}", columns, figure)


def leakage_drawings(gain: float, photons: float) -> Iterator[Drawing]:
    """Yield the figures that show leakage, which need no particular network."""
    for convention in tables.CONVENTIONS:
        for kind in (
            "leakage_against_dimension",
            "leakage_against_loss",
            "leakage_over_loss_and_noise",
        ):
            columns = getattr(tables, kind)(convention, gain, photons)
            figure = getattr(pictures, kind)(columns, convention, gain, photons)
            stem = kind.replace("_against", "").replace("_over", "").replace("_", "-")
            yield Drawing(f"{stem}-{convention}", columns, figure)


def save_all(drawings: Iterable[Drawing], folder: Path) -> Iterator[tuple[Path, ...]]:
    """Draw and write the figures one after the other; yield the files of each."""
    with style():
        for drawing in drawings:
            yield drawing.save(folder)
