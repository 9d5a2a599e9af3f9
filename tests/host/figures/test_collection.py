"""Every figure is drawn and written with the numbers behind it."""

import csv
import xml.etree.ElementTree

import numpy as np
import pytest

import shotveil.host.figures.style
from shotveil.host.figures import tables
from shotveil.host.figures.collection import accuracy_drawings, leakage_drawings, save_all
from shotveil.host.figures.style import style
from shotveil.host.run.curves import AccuracyCurve, Logistic
from shotveil.models.networks.network import Layer, Network

F2 = np.geomspace(1e-3, 1e2, 40)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    rng = np.random.default_rng(1)
    layers = (Layer(rng.normal(size=(784, 784))), Layer(rng.normal(size=(10, 784))))
    curve = AccuracyCurve("net", "0", 10_000, F2, Logistic(0.1, 0.98, 0.3, 1.7)(F2))
    folder = tmp_path_factory.mktemp("figures") / "new"
    coarse = pytest.MonkeyPatch()
    for setting in ("figure.dpi", "savefig.dpi"):
        coarse.setitem(
            shotveil.host.figures.style._STYLE, setting, 40
        )  # a sixteenth of the dots to draw
    with style():
        drawings = [*accuracy_drawings(Network("net", layers), curve, "crb_prx")]
        drawings += leakage_drawings(1.3, 6.0)
    written = list(save_all(iter(drawings), folder))
    yield {drawing.name: (drawing, paths) for drawing, paths in zip(drawings, written, strict=True)}
    coarse.undo()


def test_every_figure_in_either_convention(files):
    both = (
        "accuracy-light-net",
        "accuracy-leakage-net",
        "leakage-dimension",
        "leakage-loss",
        "leakage-loss-and-noise",
    )
    expected = {f"{name}-{convention}" for name in both for convention in tables.CONVENTIONS}
    assert set(files) == expected | {"accuracy-f2-net"}
    for name, (drawing, paths) in files.items():
        assert [path.name for path in paths] == [f"{name}.{kind}" for kind in ("png", "svg", "csv")]
        text = " ".join(axes.get_title(loc="left") for axes in drawing.figure.axes)
        for convention in tables.CONVENTIONS:
            assert (f"{convention} convention" in text) == name.endswith(convention)
    assert len(list(paths[0].parent.iterdir())) == 3 * len(files)  # and no temporary file


def test_files_are_what_their_names_say(files):
    for drawing, (png, svg, table) in files.values():
        assert png.read_bytes().startswith(b"\x89PNG")
        assert xml.etree.ElementTree.parse(svg).getroot().tag.endswith("svg")
        with table.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == list(drawing.columns)
        np.testing.assert_array_equal(
            np.array(rows, dtype=float), np.column_stack(list(drawing.columns.values()))
        )


def test_axes_say_what_they_show(files):
    for drawing, _ in files.values():
        upper = [axes for axes in drawing.figure.axes if axes.get_xlabel()]
        assert upper
        for axes in upper:
            assert axes.get_ylabel()


def test_marks_of_the_paper_carry_the_accuracy_there(files):
    drawing, _ = files["accuracy-leakage-net-consistent"]
    marks = [text.get_text() for text in drawing.figure.axes[0].texts if ":" in text.get_text()]
    assert [mark.split(":")[0] for mark in marks] == ["(0.1, 0.01)", "(0.1, 0.1)"]


def test_one_picture_one_file(files):
    drawing, (png, svg, _) = files["leakage-loss-published"]
    before = png.read_bytes(), svg.read_bytes()
    with style():
        drawing.save(png.parent)
    assert (png.read_bytes(), svg.read_bytes()) == before
