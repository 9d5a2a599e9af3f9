"""Between samples and amplitudes: every pulse in its place, in whatever groups."""

import numpy as np
import pytest

from shotveil.models.signal import pulse
from shotveil.models.waveform.pulses import FRAMES_AT_ONCE, Pulses

PULSES = Pulses(40, 4, 32, 0.5)
TAPS = pulse.design(4, 32, 0.5)


@pytest.mark.parametrize("symbol", [0, 5, 32, 39])
def test_an_amplitude_is_a_pulse_that_begins_with_its_symbol(symbol):
    amplitudes = np.zeros((1, 40), complex)
    amplitudes[0, symbol] = 2 - 1j
    expected = np.zeros(160 + 32, complex)
    expected[4 * symbol : 4 * symbol + 32] = (2 - 1j) * TAPS
    np.testing.assert_allclose(PULSES.synthesise(amplitudes)[0], expected[:160], atol=1e-15)


def test_what_is_analysed_is_the_overlap_with_each_pulse():
    rng = np.random.default_rng(1)
    light = rng.normal(size=(3, 160, 2)) @ [1, 1j]
    beyond = np.concatenate([light, np.zeros((3, 32))], axis=1)
    expected = [[f[4 * k : 4 * k + 32] @ TAPS for k in range(40)] for f in beyond]
    np.testing.assert_allclose(PULSES.analyse(light), expected, atol=1e-12)


def test_a_frames_result_does_not_depend_on_its_company():
    rng = np.random.default_rng(2)
    light = rng.normal(size=(2 * FRAMES_AT_ONCE + 3, 160, 2)) @ [1, 1j]
    amplitudes = PULSES.analyse(light)
    for work, given in ((PULSES.analyse, light), (PULSES.synthesise, amplitudes)):
        together = work(given)
        alone = np.concatenate([work(frame[None]) for frame in given])
        np.testing.assert_array_equal(together, alone)
    assert PULSES.symbols == 40
