"""The whole drive against float64: how far the light is from what was meant, on trained weights."""

import time

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import chain, reference
from shotveil.models.drive.chain import DriveOutput
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers
from shotveil.models.networks.network import load_network
from shotveil.models.signal.frame import FrameLayout

# Arms that differ from the ideal and from each other. The nulls are whole codes of 14 bits: symbols
# of a sparse row are often zero, and would all be off by the same fraction of a code otherwise.
UNEVEN = (
    Arm(half_wave=0.9, bias=82 / 8192, gain=1.0),
    Arm(half_wave=0.85, bias=-164 / 8192, gain=0.97),
)


@pytest.fixture(scope="module")
def symbols():
    weights = load_network("mnist").layers[0].weights
    return reference.symbols_of(reference.normalised(DriveSpec(), weights))


def test_counts_by_cause_and_in_whatever_groups(monkeypatch):
    """A symbol too large, a field out of reach, a voltage beyond the DAC: each in its own count."""
    spec = DriveSpec()
    layout = FrameLayout(preamble=4, row=8, pilots=0, vacuum=0, guard=8)
    loose = {"layout": layout, "reference": 0.0, "angle": True, "stop_on_fault": False,
             "stop_on_saturation": False}  # fmt: skip
    rows = np.zeros((5, 2, 8), int)
    rows[1, 0, 2:4] = 30_000  # 0.92 of full scale, held for 4 samples each
    rows[3, 1, 5] = -30_000
    for settings, counts in (
        (
            DriveSettings(**loose, scale=1.5),
            (12, 4, 0),
        ),  # −1, which −0.92·1.5 becomes, is out of reach
        (DriveSettings(**loose, arms=(Arm(gain=1.5), Arm(gain=1.5))), (0, 12, 0)),
        (DriveSettings(**loose, arms=(Arm(half_wave=1.5), Arm())), (0, 0, 8)),
        (DriveSettings(**loose), (0, 0, 0)),
    ):
        out = chain.model(spec, registers(spec, settings), rows)
        assert (out.clipped, out.refused, out.saturated) == counts and not out.tripped
        monkeypatch.setattr(chain, "CHUNK", 1)
        one = chain.model(spec, registers(spec, settings), rows)
        monkeypatch.undo()
        np.testing.assert_array_equal(out.codes, one.codes)
        assert (one.clipped, one.refused, one.saturated) == counts
    stopped = registers(spec, DriveSettings(layout=layout, reference=0.0, scale=1.5))
    monkeypatch.setattr(chain, "CHUNK", 1)
    out = chain.model(spec, stopped, rows + 1000)
    # Off from the first fault on, in all frames behind it.
    assert out.tripped and out.codes[0].any() and not out.codes[2:].any()
    assert chain.model(spec, stopped, rows[:0]).codes.shape == (0, 2, layout.length * 4)


def test_symbols_of_takes_odd_weights_to_i_and_even_ones_to_q():
    symbols = reference.symbols_of([[1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(symbols, [[[1, 3, 5], [2, 4, 0]]])


def test_codes_are_the_float_reference_to_a_code(symbols):
    spec, settings = DriveSpec(), DriveSettings(arms=UNEVEN)
    some = symbols[:20]
    raw = reference.raw_symbols(spec, some)
    out = chain.model(spec, registers(spec, settings), raw)
    wanted = reference.voltages(spec, settings, reference.field(spec, settings, some))
    error = to_float(out.codes, spec.dac) - wanted
    # Half a code of the DAC. In front of it, in units of 2^−17 = 1/16 code: symbols rounded by up
    # to 2 of them, and taps, samples, request, phase and voltage by half each, times a slope of
    # Vπ·(2/π)/√(1 − u²) < 0.8 at the fields here.
    assert np.abs(error).max() <= (0.5 + 5 / 16) * spec.dac.lsb
    # No rounding of the path is biased: a hundredth of a code at most.
    assert np.abs(error.mean(axis=(0, 2))).max() <= 0.01 * spec.dac.lsb
    assert (out.clipped, out.refused, out.saturated, out.tripped) == (0, 0, 0, False)


def excess_noise(symbols, bits, settings=None):
    spec = DriveSpec(dac_bits=bits)
    settings = settings or DriveSettings(arms=UNEVEN)
    raw = reference.raw_symbols(spec, symbols)
    out = chain.model(spec, registers(spec, settings), raw)
    return reference.drive_excess_noise(spec, settings, out.codes, symbols)


def test_excess_noise_floor(symbols):
    """At V_A = 12 SNU, for 14 bits at most 2e-4 SNU, and a quarter for each further bit."""
    even = DriveSettings(arms=(Arm(half_wave=0.9), Arm(half_wave=0.85)))
    found = {bits: excess_noise(symbols, bits, even) for bits in (10, 12, 14, 16)}
    assert found[14] <= 2e-4
    # A DAC code of 2^−(b−1) is rounded evenly: 1/12 LSB² in each voltage, π/(2·Vπ)·cos φ of it in
    # the field, and the matched filter of unit energy passes white noise as it is.
    power = np.mean(symbols**2)
    spec = DriveSpec()
    taps = to_float(spec.pulse(), spec.coefficient)
    peak = taps @ taps  # symbol power behind the matched filter over that of the symbol
    for bits in (10, 12, 14):
        lsb = 2.0 ** (1 - bits)
        predicted = 12 * (np.pi / 2 / 0.875) ** 2 * lsb**2 / 12 / (peak * power)
        assert found[bits] == pytest.approx(predicted, rel=0.35)
    # With uneven arms whose nulls lie between codes the floor still has room.
    assert (
        excess_noise(symbols, 14, DriveSettings(arms=(Arm(0.9, 0.01), Arm(0.85, -0.02, 0.97))))
        <= 1e-4
    )
    assert found[16] < found[14] / 3


def test_a_receiver_that_expects_another_pulse_sees_the_error(symbols):
    """The measure is alive: taps of a cut root-raised cosine cost what their interference says."""
    from shotveil.models.signal import pulse

    spec = DriveSpec()
    cut = pulse.root_raised_cosine((np.arange(32) - 15.5) / 4, 0.3)
    taps = tuple(int(c) for c in pulse.coefficients(cut, 4, spec.coefficient))
    bad = excess_noise(symbols, 14, DriveSettings(arms=UNEVEN, coefficients=taps))
    assert bad > 1e-3 > 10 * excess_noise(symbols, 14)


def test_a_wrong_half_wave_voltage_shows(symbols):
    spec = DriveSpec()
    raw = reference.raw_symbols(spec, symbols)
    settings = DriveSettings()
    out = chain.model(spec, registers(spec, settings), raw)
    real = DriveSettings(arms=(Arm(half_wave=0.95), Arm(half_wave=0.9)))
    assert reference.drive_excess_noise(spec, real, out.codes, symbols) > 1e-3


def test_angles_come_out_as_angles():
    spec = DriveSpec()
    layout = FrameLayout(row=64)
    settings = DriveSettings(layout=layout, angle=True, reference=0.0, arms=UNEVEN[:1] * 2)
    rng = np.random.default_rng(3)
    angle = rng.uniform(-0.9, 0.9, (1, 2, 64))
    table = reference.raw_symbols(spec, angle)
    out = chain.model(spec, registers(spec, settings), table)
    theta = (to_float(out.codes, spec.dac) - UNEVEN[0].bias) / UNEVEN[0].half_wave
    slots = layout.slots() == 2
    held = theta.reshape(2, layout.length, spec.samples_per_symbol)
    # Half a code over Vπ, and half a unit of the table's 16 bits.
    assert np.abs(held[:, slots] - angle[0][..., None]).max() <= 0.6 * spec.dac.lsb / 0.9
    assert np.abs(held[:, ~slots]).max() <= 0.6 * spec.dac.lsb / 0.9


def test_frames_do_not_touch(symbols):
    """The same frame comes out the same, whatever went before it."""
    spec, raw = DriveSpec(), registers(DriveSpec(), DriveSettings())
    rows = reference.raw_symbols(spec, symbols[:9])
    together = chain.model(spec, raw, rows).codes
    apart = np.concatenate([chain.model(spec, raw, rows[k : k + 1]).codes for k in range(9)])
    np.testing.assert_array_equal(together, apart)
    assert not together[..., -1].any()  # the pulse has rung out


def test_refuses_rows_of_the_wrong_shape():
    spec = DriveSpec()
    raw = registers(spec, DriveSettings())
    with pytest.raises(RangeError, match="shape"):
        chain.model(spec, raw, np.zeros((2, 392), dtype=int))
    with pytest.raises(RangeError, match=r"symbol = 1 is outside"):
        reference.raw_symbols(spec, 1.0)
    with pytest.raises(RangeError, match="all zero"):
        reference.normalised(spec, np.zeros((2, 4)))
    with pytest.raises(RangeError, match="field"):
        reference.voltages(spec, DriveSettings(), np.ones((1, 2, 4)))


def test_speed(symbols):
    """5·10⁶ samples a second of one core's time, of which a busy machine may give it less."""
    spec, raw = DriveSpec(), registers(DriveSpec(), DriveSettings(arms=UNEVEN))
    rows = np.tile(reference.raw_symbols(spec, symbols[:100]), (2, 1, 1))
    best = np.inf
    for _ in range(8):
        started = time.process_time()
        out = chain.model(spec, raw, rows)
        best = min(best, time.process_time() - started)
    samples = out.codes.size // 2
    assert samples / best >= 5e6


def test_values_cannot_be_changed_once_they_are_checked():
    assert DriveOutput.__dataclass_params__.frozen
