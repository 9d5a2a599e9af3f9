"""One look: lines that can be told apart, files that repeat, and nothing left behind."""

from itertools import islice

import matplotlib
import pytest

from shotveil.host.figures.style import COLOURS, DASHES, line_styles, new_figure, rendered, style


def test_lines_differ_in_colour_and_dash_and_then_in_their_pair():
    lines = list(islice(line_styles(), len(COLOURS) ** 2))
    assert lines[: len(COLOURS)] == list(zip(COLOURS, DASHES, strict=True))
    assert len(set(lines)) == len(lines)
    for start in range(0, len(lines), len(COLOURS)):
        turn = lines[start : start + len(COLOURS)]
        assert {colour for colour, _ in turn} == set(COLOURS)
        assert {dash for _, dash in turn} == set(DASHES)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_figure_gives_the_same_bytes_twice(kind):
    def drawn():
        with style():
            figure = new_figure(2, 1)
            figure.add_subplot().plot([1, 2])
            return rendered(figure, kind)

    assert drawn() == drawn()


def test_what_was_set_before_comes_back():
    before = matplotlib.rcParams["axes.grid"]
    with style():
        assert matplotlib.rcParams["axes.grid"] is True
    assert matplotlib.rcParams["axes.grid"] == before
