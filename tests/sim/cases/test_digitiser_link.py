"""What surrounds a homodyne receiver: light that the phase shifter turns, block by block."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.cases.digitiser_link import BLOCK, HomodyneLight

SPEC = DigitiserSpec(quadratures=1)
SPAN = 4096


def still(n=4 * BLOCK, amplitude=100.0, offset=5.0, phase=0.0):
    light = np.full(n, amplitude * np.exp(1j * phase))
    return HomodyneLight(light, np.full(n, offset), np.full(n, phase), SPAN)


def signed(words):
    """ADC words as numbers with a sign."""
    half = 1 << (SPEC.adc_bits - 1)
    return (words[0] + half) % (2 * half) - half


def test_a_code_turns_the_light_of_its_block():
    light = still()
    assert light.blocks == 4 and BLOCK == 32 == light.block
    turn = light.turn(np.array([0, SPAN // 4, SPAN, -SPAN // 2]))
    np.testing.assert_allclose(turn[::BLOCK], [0, np.pi / 2, 2 * np.pi, -np.pi])
    assert len(turn) == 4 * BLOCK and len(set(turn[:BLOCK])) == 1
    words = light.words(SPEC, np.array([0, SPAN // 4, SPAN, SPAN // 2]))
    assert words.shape == (1, 4 * BLOCK)
    assert signed(words)[::BLOCK].tolist() == [105, 5, 105, -95]


def test_blocks_from_a_place_on_are_those_of_the_light():
    n = 4 * BLOCK
    light = HomodyneLight(np.arange(n) + 0j, np.zeros(n), np.zeros(n), SPAN)
    words = light.words(SPEC, np.array([0, 0]), 1)
    assert signed(words).tolist() == list(range(BLOCK, 3 * BLOCK))
    turned = light.words(SPEC, np.array([SPAN // 2]), 3)
    assert signed(turned).tolist() == list(range(-3 * BLOCK, -n, -1))


def test_light_goes_behind_the_channel_as_the_channel_says():
    """Amplitude, phase and offset of a calm channel, with a drift on top; a cut at whole blocks."""
    channel = SimulatedChannel(transmittance=0.64, phase=0.3, noise=False, adc_offset=7.0)
    sent = np.full(5 * BLOCK + 9, 3.0 + 0j)
    rng = np.random.default_rng(1)
    light = HomodyneLight.through(SPEC, channel, sent, SPAN, rng, drift=1e-3)
    assert len(light.light) == 5 * BLOCK and light.blocks == 5 and light.span == SPAN
    np.testing.assert_allclose(np.diff(light.phase), 1e-3, atol=1e-9)
    np.testing.assert_allclose(np.angle(light.light), light.phase, atol=1e-9)
    plain = HomodyneLight.through(
        SPEC, replace(channel, adc_offset=0.0), sent, SPAN, np.random.default_rng(1)
    )
    np.testing.assert_allclose(light.rest - plain.rest, 7.0)  # beside the same noise
    np.testing.assert_allclose(plain.light * np.exp(1j * 1e-3 * np.arange(160)), light.light)
    level = np.abs(light.light)
    np.testing.assert_allclose(level, level[0])
    # Half of the amplitude for a quarter of the power.
    dark = HomodyneLight.through(
        SPEC, SimulatedChannel(transmittance=0.16, phase=0.3, noise=False), sent, SPAN, rng
    )
    assert np.abs(dark.light[0]) == pytest.approx(level[0] / 2)
    assert dark.phase[0] == pytest.approx(light.phase[0]) and np.ptp(dark.phase) < 1e-9
    # The phase shifter undoes the phase: all light is in the quadrature that is seen.
    code = round(dark.phase[0] / (2 * np.pi) * SPAN)
    words = dark.words(SPEC, np.array([code] * 5))
    assert np.abs(signed(words) - dark.rest - level[0] / 2).max() <= 1


def test_noise_is_added_and_drawn_from_the_seed():
    channel = SimulatedChannel(noise=True)
    sent = np.zeros(100 * BLOCK, complex)
    first, again, other = (
        HomodyneLight.through(SPEC, channel, sent, SPAN, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.rest, again.rest)
    assert (first.rest != other.rest).any()
    assert first.rest.std() == pytest.approx(channel.shot_noise, rel=0.2)
    np.testing.assert_allclose(first.light, 0)
