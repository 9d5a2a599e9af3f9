"""The picture of the digitiser shows the light that it was given."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import PILOT, ROW, VACUUM, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import light
from shotveil.sim.figures.digitiser_report import lock_transient, receive
from shotveil.sim.figures.digitiser_waveform import SAMPLE_RATE, draw

SPEC = DigitiserSpec()


@pytest.fixture(scope="module")
def drawn():
    channel = SimulatedChannel(transmittance=0.8, delay=200.4)
    given = light(SPEC, channel, 10, np.random.default_rng(7), FrameLayout())
    got = receive(SPEC, given)
    return got, channel, draw(SPEC, given, got, channel.shot_noise)


def test_symbols_are_shown_by_kind_once_tracked(drawn):
    got, _, figure = drawn
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    value = to_float(got.value, SPEC.symbol)
    for kind, label in ((ROW, "row"), (VACUUM, "vacuum"), (PILOT, "pilots")):
        where = (got.kind == kind) & ~got.lost & (got.frame > 4)
        line = lines.pop(label)
        np.testing.assert_array_equal(line.get_xdata(), value[0, where])
        np.testing.assert_array_equal(line.get_ydata(), value[1, where])
        assert where.any()
    assert not lines


def test_the_eye_is_open_at_the_symbols(drawn):
    _, _, figure = drawn
    lines = figure.axes[0].get_lines()
    traces = np.array([line.get_ydata() for line in lines if len(line.get_ydata()) == 9])
    assert len(traces) > 200
    for line in lines[: len(traces)]:
        np.testing.assert_allclose(line.get_xdata(), np.arange(9) / 4 - 0.5)
    # One symbol later the trace that begins there goes on: each shows what its neighbour does.
    np.testing.assert_array_equal(traces[:-1, 4:], traces[1:, :5])
    assert 1 < traces.std() < 6  # √SNU: modulation of 12, 0.8 of it back, in half of the light


def test_the_spectrum_is_flat_shot_noise_outside_of_the_band(drawn):
    _, _, figure = drawn
    line, floor = figure.axes[2].get_lines()
    x, y = line.get_xdata(), line.get_ydata()
    assert SAMPLE_RATE == 125.0 and (x[0], len(x)) == (-62.5, 1024) and (np.diff(x) > 0).all()
    assert set(floor.get_ydata()) == {0}
    # 0 dB is one quadrature's vacuum; converter and dark noise add little.
    assert -0.5 < np.median(y[np.abs(x) > 40]) < 1.5
    assert np.median(y[np.abs(x) < 10]) > 5


def test_the_lock_is_shown_from_four_starts(drawn):
    *_, figure = drawn
    lines = figure.axes[3].get_lines()
    assert [line.get_label() for line in lines] == ["-172°", "-86°", "40°", "143°"]
    expected = np.rad2deg(lock_transient(-1.5, 60)[:, -1])
    np.testing.assert_allclose(lines[1].get_ydata(), expected)
    assert all(abs(line.get_ydata()[-1]) < 10 for line in lines)
