"""The picture of one frame shows what the model says of it."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import chain, reference
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.sim.cases.drive import UNEVEN
from shotveil.sim.figures.drive_waveform import SAMPLE_RATE, draw

SPEC = DriveSpec(row_capacity=64)


@pytest.fixture(scope="module")
def drawn():
    settings = DriveSettings(layout=FrameLayout(row=48, guard=SPEC.span), arms=UNEVEN)
    symbols = np.random.default_rng(1).uniform(-0.9, 0.9, (2, 48))
    raw = registers(SPEC, settings)
    codes = chain.model(SPEC, raw, reference.raw_symbols(SPEC, symbols)[None]).codes
    codes = codes[0]
    return settings, raw, codes, draw(SPEC, settings, symbols, codes)


def test_symbols_lie_where_their_slots_do(drawn):
    settings, _, _, figure = drawn
    axes = figure.axes[0]
    slots = settings.layout.slots()
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == {f"{slot.name.lower()}, {arm}" for slot in Slot for arm in "IQ"}
    for slot in Slot:
        at = np.nonzero(slots == slot)[0] * SPEC.samples_per_symbol / SAMPLE_RATE
        for arm in "IQ":
            np.testing.assert_allclose(lines[f"{slot.name.lower()}, {arm}"].get_xdata(), at)
    row = lines["row, I"].get_ydata()
    assert len(row) == 48 and np.abs(row).max() > 0.1


def test_samples_and_codes_are_drawn_over_time(drawn):
    _, _, codes, figure = drawn
    shaped, steps = figure.axes[1].get_lines(), figure.axes[2].get_lines()
    assert [line.get_label() for line in (*shaped, *steps)] == ["I", "Q"] * 2
    for arm in (0, 1):
        np.testing.assert_array_equal(steps[arm].get_ydata(), codes[arm])
        np.testing.assert_allclose(steps[arm].get_xdata(), np.arange(codes.shape[1]) / 125.0)
        assert 0.1 < np.abs(shaped[arm].get_ydata()).max() <= 1.0
    assert f"{SPEC.dac_bits} bits" in figure.axes[2].get_title()


def test_the_spectrum_is_that_of_the_field_and_the_pulse(drawn):
    _, raw, _, figure = drawn
    field, pulse, low, high = figure.axes[3].get_lines()
    for line in (field, pulse):
        assert np.max(line.get_ydata()) == pytest.approx(0)
        x = line.get_xdata()
        assert x[0] == -62.5 and x[-1] < 62.5 and (np.diff(x) > 0).all() and len(x) == 4096
    edge = 125.0 / SPEC.samples_per_symbol * (1 + SPEC.rolloff) / 2
    assert (low.get_xdata()[0], high.get_xdata()[0]) == (-edge, edge)
    # In the middle of the band the pulse is flat; beyond, it is 40 dB down and more.
    inside = np.abs(pulse.get_xdata()) < 0.5 * 125.0 / SPEC.samples_per_symbol / 2
    assert np.ptp(pulse.get_ydata()[inside]) < 1
    assert pulse.get_ydata()[np.abs(pulse.get_xdata()) > 1.3 * edge].max() < -30
    assert field.get_ydata()[np.abs(field.get_xdata()) > 1.5 * edge].max() < -20
    taps = to_float(raw.coefficients, SPEC.coefficient)
    middle = np.argmin(np.abs(pulse.get_xdata()))
    expected = 20 * np.log10(abs(taps.sum()) / np.abs(np.fft.fft(taps, 4096)).max())
    assert pulse.get_ydata()[middle] == pytest.approx(expected, abs=1e-6)
    assert "dB of the pulse beyond" in figure.axes[3].get_title()
