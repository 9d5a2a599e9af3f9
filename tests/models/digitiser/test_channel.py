"""Light on its way to the ADC: delay, loss, phase, noise and conversion by their formulas."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.channel import (
    SimulatedChannel,
    convert,
    detect,
    framed,
    waveform,
)
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout, Slot

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)


def test_frames_hold_references_and_rows():
    layout = FrameLayout(row=10, pilot_spacing=5)
    rows = np.arange(20).reshape(2, 10) * (1 + 2j)
    frames = framed(layout, rows, 3.0)
    slots = layout.slots()
    np.testing.assert_array_equal(frames[:, slots == Slot.ROW], rows)
    assert frames[1, slots == Slot.PILOT].tolist() == [3 + 3j, 3 - 3j, -3 - 3j]
    assert not frames[:, slots >= Slot.VACUUM].any()
    np.testing.assert_allclose(np.abs(frames[:, slots == Slot.PREAMBLE]), 3 * np.sqrt(2))


def test_a_pulse_of_unit_energy_begins_where_it_should():
    light = waveform(SPEC, [0, 2.0, 0, 0], 5.0)
    taps = pulse.design(4, 32, 0.5)
    np.testing.assert_allclose(light[9 : 9 + 32], 2 * taps, atol=1e-12)
    assert np.abs(light[:9]).max() < 1e-12
    # A fraction of a sample later the same energy, its centre moved by the fraction.
    late = waveform(SPEC, [0, 2.0, 0, 0], 5.25)
    assert np.sum(late**2) == pytest.approx(4, rel=1e-3)
    centre = [np.sum(np.arange(len(w)) * w) / np.sum(w) for w in (light, late)]
    assert centre[1] - centre[0] == pytest.approx(0.25, abs=0.01)
    assert len(waveform(SPEC, np.zeros(1), 0.0)) >= 32


def test_what_is_detected_of_light_without_noise():
    light = np.array([3 + 4j, -1j, 2.0])
    channel = SimulatedChannel(
        transmittance=0.5, efficiency=0.8, phase=0.3, shot_noise=100, adc_offset=7, noise=False
    )
    turned = light * np.exp(0.3j) * 100
    two = detect(SPEC, channel, light, np.random.default_rng(1))
    np.testing.assert_allclose(two, np.sqrt(0.2) * np.stack([turned.real, turned.imag]) + 7)
    one = detect(ONE, channel, light, np.random.default_rng(1))
    np.testing.assert_allclose(one, np.sqrt(0.4) * turned.real[None] + 7)


@pytest.mark.parametrize(
    "spec, light, variance",
    [
        # 1 + (η/2)·ε + v_el with both quadratures, 1 + η·ε + v_el with one.
        (SPEC, True, 1 + 0.4 * 0.5 + 0.1),
        (ONE, True, 1 + 0.8 * 0.5 + 0.1),
        (ONE, False, 0.1),
    ],
)
def test_noise_has_the_variance_of_the_physics(spec, light, variance):
    channel = SimulatedChannel(excess_noise=0.5, efficiency=0.8, electronic_noise=0.1)
    n = 100_000
    seen = detect(spec, channel, np.zeros(n, complex), np.random.default_rng(2), light) / 256
    # Five standard errors of a variance of n numbers.
    np.testing.assert_allclose(seen.var(axis=1), variance, rtol=5 * np.sqrt(2 / n))
    assert np.abs(seen.mean(axis=1)).max() < 5 * np.sqrt(variance / n)


def test_the_lasers_phase_walks_by_its_linewidth():
    channel = SimulatedChannel(linewidth=1e-4, noise=False)
    n = 200_000
    seen = detect(SPEC, channel, np.ones(n, complex), np.random.default_rng(3))
    phase = np.unwrap(np.angle(seen[0] + 1j * seen[1]))
    steps = np.diff(phase)
    assert abs(steps.mean()) < 5 * np.sqrt(np.pi / 2 * 1e-4 / n)
    assert steps.var() == pytest.approx(2 * np.pi * 1e-4 / 4, rel=5 * np.sqrt(2 / n))
    still = detect(SPEC, SimulatedChannel(noise=False), np.ones(5, complex), None)
    assert np.ptp(still, axis=1).tolist() == [0, 0]


def test_conversion_rounds_and_saturates():
    words = convert(SPEC, [0.4, 0.6, -1, -0.6, 8190.6, 9000, -8192, -9000])
    assert words.tolist() == [0, 1, 16383, 16383, 8191, 8191, 8192, 8192]


def test_the_default_is_a_clean_channel():
    channel = SimulatedChannel()
    assert channel.electronic_noise == 10**-1.5
    assert (channel.transmittance, channel.efficiency, channel.shot_noise) == (1, 1, 256)
    off = (channel.excess_noise, channel.delay, channel.linewidth, channel.phase)
    assert off == (0, 0, 0, 0) and channel.adc_offset == 0 and channel.noise


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("transmittance", (0, 1), (-0.01, 1.01)),
        ("excess_noise", (0, 50), (-0.01,)),
        ("efficiency", (0.01, 1), (0, 1.01)),
        ("electronic_noise", (0, 50), (-0.01,)),
        ("delay", (0, 50), (-0.01,)),
        ("linewidth", (0, 0.5), (-0.01,)),
        ("shot_noise", (0.01, 500), (0,)),
    ],
)
def test_ranges(name, good, bad):
    for value in good:
        SimulatedChannel(**{name: value})
    for value in bad:
        with pytest.raises(RangeError, match=f"^{name} = "):
            SimulatedChannel(**{name: value})


def test_values_cannot_be_changed_once_they_are_checked():
    assert SimulatedChannel.__dataclass_params__.frozen
