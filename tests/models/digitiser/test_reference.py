"""The ideal receiver returns what was sent, whatever the delay."""

import numpy as np
import pytest

from shotveil.models.digitiser import reference
from shotveil.models.digitiser.channel import waveform
from shotveil.models.digitiser.spec import DigitiserSpec

SPEC = DigitiserSpec()


@pytest.mark.parametrize("delay", [40.0, 40.3, 41.9])
def test_symbols_come_back(delay):
    rng = np.random.default_rng(1)
    symbols = rng.normal(size=(60, 2)) @ [1, 1j]
    light = waveform(SPEC, symbols, delay)
    whole = int(delay)
    voltage = np.stack([light.real, light.imag])
    # Frames of 10 symbols at the 8th and at the 30th.
    starts = [whole + 32, whole + 120]
    out = reference.matched(SPEC, voltage, starts, delay - whole, 10)
    assert out.shape == (2, 2, 10)
    due = np.stack([symbols[8:18], symbols[30:40]])
    # Delayed pulses are cut 32 samples beyond their ends, where they are down to 1e-3.
    np.testing.assert_allclose(out[0] + 1j * out[1], due, atol=3e-3)
    line = reference.matched(SPEC, voltage[0], starts, delay - whole, 10)
    np.testing.assert_array_equal(line[0], out[0])


def test_a_whole_delay_is_exact():
    symbols = np.random.default_rng(2).normal(size=40)
    light = waveform(SPEC, symbols, 64.0)
    out = reference.matched(SPEC, light.real, [64 + 4 * 5], 0.0, 12)
    np.testing.assert_allclose(out[0, 0], symbols[5:17], atol=1e-9)
