"""The drive in floating point: fields, voltages and the receiver that measures it."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import reference
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout, Slot

SPEC = DriveSpec()
LAYOUT = FrameLayout(preamble=16, row=40, pilot_spacing=20, vacuum=4)
ARMS = (Arm(0.9, 0.05, 1.1), Arm(0.8, -0.1, 0.9))


def test_pairs_of_weights_become_quadratures():
    rows = np.arange(14.0).reshape(2, 7)
    symbols = reference.symbols_of(rows)
    assert symbols.shape == (2, 2, 4)
    assert symbols[1].tolist() == [[7, 9, 11, 13], [8, 10, 12, 0]]
    assert reference.symbols_of([1.0, 2.0]).tolist() == [[[1], [2]]]


def test_weights_fill_the_format():
    scaled = reference.normalised(SPEC, [[0.5, -4.0], [1.0, 0.0]])
    top = 1 - 2**-15
    np.testing.assert_allclose(scaled, [[top / 8, -top], [top / 4, 0]])
    np.testing.assert_array_equal(reference.raw_symbols(SPEC, scaled)[0], [4096, -32767])
    with pytest.raises(RangeError, match=r"symbol = -1\.1"):
        reference.raw_symbols(SPEC, -1.1)


@pytest.mark.parametrize("angle", [False, True])
def test_a_field_is_its_symbols_times_the_pulse(angle):
    rng = np.random.default_rng(1)
    symbols = rng.uniform(-0.4, 0.4, (3, 2, 40))
    settings = DriveSettings(layout=LAYOUT, scale=0.8, reference=0.5, angle=angle)
    field = reference.field(SPEC, settings, symbols)
    assert field.shape == (3, 2, LAYOUT.length * 4)
    taps = reference.float_taps(SPEC, settings, registers(SPEC, settings))
    frame = LAYOUT.references() * 0.5
    frame[:, LAYOUT.slots() == Slot.ROW] = symbols[1] * 0.8
    for quadrature in range(2):
        line = np.zeros(LAYOUT.length * 4)
        line[::4] = frame[quadrature]
        due = np.convolve(line, taps)[: len(line)]
        np.testing.assert_allclose(field[1, quadrature], due, atol=1e-12)


def test_taps_are_the_design_without_rounding():
    designed = pulse.design(4, 32, 0.5)
    settings = DriveSettings()
    raw = registers(SPEC, settings)
    taps = reference.float_taps(SPEC, settings, raw)
    integers = to_float(raw.coefficients, SPEC.coefficient)
    # The same shape; as large as the integers, which are off by half a unit each.
    np.testing.assert_allclose(taps / np.linalg.norm(taps), designed, atol=1e-12)
    assert np.abs(taps - integers).max() <= 2**-17 * 1.01
    for given in (
        DriveSettings(angle=True),
        DriveSettings(coefficients=tuple(range(32))),
    ):
        raw = registers(SPEC, given)
        found = reference.float_taps(SPEC, given, raw)
        np.testing.assert_array_equal(found * 2**16, raw.coefficients)


def test_voltages_undo_the_modulator():
    fields = np.random.default_rng(2).uniform(-0.8, 0.8, (3, 2, 50))
    settings = DriveSettings(arms=ARMS)
    volts = reference.voltages(SPEC, settings, fields)
    np.testing.assert_allclose(reference.modulator(ARMS, volts), fields, atol=1e-12)
    # By definition: V = Vπ·(2/π)·arcsin(gain·u) + bias.
    for k, arm in enumerate(ARMS):
        due = arm.half_wave * 2 / np.pi * np.arcsin(arm.gain * fields[:, k]) + arm.bias
        np.testing.assert_allclose(volts[:, k], due)
    held = reference.voltages(SPEC, DriveSettings(arms=ARMS, angle=True), fields)
    np.testing.assert_allclose(held[:, 1], 0.8 * 0.9 * fields[:, 1] - 0.1)
    assert reference.voltages(SPEC, settings, np.zeros((0, 2, 4))).shape == (0, 2, 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_field_out_of_reach_is_refused(sign):
    settings = DriveSettings()
    reference.voltages(SPEC, settings, np.full((1, 2, 1), sign * (1 - 1e-9)))
    with pytest.raises(RangeError, match=r"field = 1 is outside \(−1, 1\)"):
        reference.voltages(SPEC, settings, np.full((1, 2, 1), sign * 1.0))


def test_the_matched_filter_returns_the_symbols():
    rng = np.random.default_rng(3)
    symbols = rng.normal(size=(2, 30))
    line = np.zeros((2, 120))
    line[:, ::4] = symbols
    taps = pulse.design(4, 32, 0.5)
    fields = np.stack([np.convolve(q, taps)[:120] for q in line])
    got = reference.matched(SPEC, fields, 22)
    assert got.shape == (2, 22)
    np.testing.assert_allclose(got, symbols[:, :22], atol=1e-9)
    assert reference.matched(SPEC, fields, 30).shape == (2, 30)


def test_excess_noise_by_its_definition():
    rng = np.random.default_rng(4)
    sent = rng.normal(0, 0.3, (50, 2, 400))
    error = rng.normal(0, 0.01, sent.shape)
    # A common gain is no error; 12·(0.01/0.3)² is, in V_A = 12.
    assert reference.excess_noise(3 * sent, sent, 12.0) == pytest.approx(0, abs=1e-15)
    found = reference.excess_noise(3 * (sent + error), sent, 12.0)
    assert found == pytest.approx(12 / 900, rel=0.03)
    assert reference.excess_noise(3 * (sent + error), sent, 6.0) == pytest.approx(found / 2)
    # A mean stays in.
    assert reference.excess_noise(sent + 0.01, sent, 12.0) == pytest.approx(12 / 900, rel=0.01)


def test_excess_noise_of_codes_is_that_of_their_light():
    symbols = np.random.default_rng(5).uniform(-0.5, 0.5, (4, 2, 40))
    settings = DriveSettings(layout=LAYOUT, arms=ARMS)
    volts = reference.voltages(SPEC, settings, reference.field(SPEC, settings, symbols))
    fine = np.rint(volts * 2**13).astype(np.int64)
    noise = reference.drive_excess_noise(SPEC, settings, fine, symbols)
    assert 0 < noise < 1e-4
    # A dropped row costs its share of the power, about a quarter of V_A = 12.
    fine[0] = np.rint(volts[0, :, :1] * 0 + np.array([[0.05], [-0.1]]) * 2**13)
    lost = reference.drive_excess_noise(SPEC, settings, fine, symbols)
    q, y = symbols.ravel(), symbols.copy()
    y[0] = 0
    gain = y.ravel() @ q / (q @ q)
    due = 12 * np.sum((y.ravel() / gain - q) ** 2) / (q @ q)
    assert lost == pytest.approx(due, rel=0.01)
    assert reference.drive_excess_noise(SPEC, settings, fine, symbols, 6.0) == pytest.approx(
        lost / 2
    )
