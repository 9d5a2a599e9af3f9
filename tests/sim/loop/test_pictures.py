"""Pictures of a run: what is drawn of the numbers. `test_cosim.py` draws all of a real run."""

from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.sim.loop.pictures import (
    PICTURES,
    _apart,
    channel_estimates,
    excess_budget,
    predictions,
)


def quantity(value, room):
    return SimpleNamespace(value=value, low=value - room, high=value + room)


def run(**more):
    return SimpleNamespace(**more)


def test_the_report_has_eight_pictures():
    assert [picture.__name__ for picture in PICTURES] == [
        "predictions", "channel_estimates", "excess_budget", "eye", "constellation", "spectrum",
        "lock_transient", "frame_timeline",
    ]  # fmt: skip
    assert all(picture.__doc__ for picture in PICTURES)


def test_the_budgets_bars_are_its_causes_from_the_smallest_up():
    given = {"all": 1.0, "loss": -2e-4, "laser": 3e-4, "offset": 1e-9}
    (axes,) = excess_budget(run(budget=given)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["offset", "loss", "laser"]
    more, less = axes.containers
    assert [bar.get_width() for bar in more] == [0, 0, pytest.approx(3e-4)]
    assert [bar.get_width() for bar in less] == [0, pytest.approx(2e-4), 0]
    said = [text.get_text() for text in axes.texts]
    assert said == ["10⁻⁴ SNU", "below 10⁻⁷", "−2.0e−04", "3.0e−04"]
    assert axes.get_xlim() == (1e-7, 0.03)
    (axes,) = excess_budget(run(budget=given | {"storm": 0.5})).axes
    assert axes.get_xlim() == (1e-7, 15)  # no bar reaches beyond its axis


def test_labels_on_a_logarithmic_axis_are_apart():
    assert _apart(np.array([1, 2, 3, 4, 5, 8, 10])) == [10, 5, 3, 2, 1]
    assert _apart(np.array([7])) == [7]


def test_estimates_are_drawn_with_their_limits_and_the_truth():
    estimate = SimpleNamespace(transmittance=quantity(0.9, 0.02), excess_noise=quantity(0.1, 0.05))
    panels = channel_estimates(
        run(growing=((1, estimate), (4, estimate)), true_transmittance=0.92, true_excess=(0.11,))
    )
    for panel, value, room, true in zip(panels, (0.9, 0.1), (0.02, 0.05), (0.92, 0.11),
                                        strict=True):  # fmt: skip
        (axes,) = panel.axes
        (bars,) = axes.containers
        np.testing.assert_allclose(bars.lines[0].get_ydata(), value)
        (segments,) = bars.lines[2]
        for count, segment in zip((1, 4), segments.get_segments(), strict=True):
            np.testing.assert_allclose(segment, [[count, value - room], [count, value + room]])
        assert axes.lines[-1].get_ydata()[0] == pytest.approx(true)


def test_digits_that_differ_or_err_come_first():
    inference = SimpleNamespace(predictions=np.array([3, 4, 5]))
    panels = predictions(
        run(outcome=SimpleNamespace(inference=inference), ideal=np.array([3, 4, 6]),
            labels=np.array([3, 9, 5]), images=np.zeros((3, 784)))
    )  # fmt: skip
    titles = [axes.get_title(loc="center") for panel in panels for axes in panel.axes]
    assert titles == ["loop 4\nideal 4, is 9", "loop 5\nideal 6, is 5", "loop 3\nideal 3"]
