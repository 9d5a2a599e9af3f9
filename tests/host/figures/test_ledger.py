"""The picture of a ledger: one line that never falls, a shade above it, and what is left."""

import numpy as np
import pytest
from matplotlib.dates import num2date

from shotveil.host.figures.ledger import leakage_over_time
from shotveil.host.figures.style import rendered, style

SECONDS = [1.7e9 + 60 * i for i in range(4)]
ON_ITS_WAY = [0.0, 0.5, 0.0, 0.25]
CHARGED = [0.1 * i + reserved for i, reserved in enumerate(ON_ITS_WAY)]


@pytest.mark.parametrize("budget", [None, 1.5])
def test_the_line_is_what_is_charged_for_good(budget):
    with style():
        figure = leakage_over_time(
            SECONDS,
            CHARGED,
            ON_ITS_WAY,
            sense="declared",
            budget=budget,
            weights=1000,
            inferences_left=12,
            title="what left",
        )
        assert b"what left" in rendered(figure, "svg")
        assert rendered(figure, "pdf").startswith(b"%PDF")
    (axes,) = figure.axes
    line, *rest = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), [0, 0.1, 0.2, 0.3], atol=1e-12)
    assert line.get_drawstyle() == "steps-post"  # a total holds until the next event
    assert [num2date(number).timestamp() for number in line.get_xdata()] == SECONDS
    (shade,) = axes.collections
    extents = shade.get_paths()[0].get_extents()
    assert (extents.y0, extents.y1) == pytest.approx((0, 0.6))
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "bits per weight"
    (every,) = axes.child_axes
    figure.draw_without_rendering()
    assert every.get_ylim()[1] == pytest.approx(1000 * axes.get_ylim()[1])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["reserved for light on its way, as if lost", "leaked at most (declared)"]
    said = [text.get_text() for text in axes.texts]
    if budget is None:
        assert not rest and not said
    else:
        assert list(rest[0].get_ydata()) == [1.5, 1.5]
        left = "0.95 bits per weight, 950 bits in all, 12 inferences"
        assert said == [f"budget 1.5; left: {left}"]


def test_a_new_ledger_and_a_spent_one():
    how = {"sense": "certified", "weights": 10, "title": "some"}
    with style():
        new = leakage_over_time([1.7e9], [0.0], [0.0], budget=None, inferences_left=None, **how)
        spent = leakage_over_time([1.7e9], [0.6], [0.0], budget=0.5, inferences_left=1, **how)
    assert new.axes[0].get_ylim() == (0, 1)
    (text,) = spent.axes[0].texts
    assert text.get_text().endswith("left: 0 bits per weight, 0 bits in all, 1 inference")
