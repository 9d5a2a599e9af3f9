"""Between samples and amplitudes: every pulse in its place, in whatever groups."""

import numpy as np
import pytest

from shotveil.models.signal import pulse
from shotveil.models.waveform import pulses
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


def amplitudes(frames, symbols, seed=1):
    return np.random.default_rng(seed).normal(size=(frames, symbols, 2)) @ [1, 1j]


@pytest.mark.parametrize("step, taps", [(4, 32), (3, 30)])
def test_samples_are_the_sum_of_the_pulses(step, taps):
    given = amplitudes(3, 40)
    made = Pulses(40, step, taps, 0.5)
    samples = made.synthesise(given)
    assert samples.shape == (3, 40 * step) and made.symbols == 40
    designed = pulse.design(step, taps, 0.5)
    for frame in range(3):
        line = np.zeros(40 * step, complex)
        line[::step] = given[frame]
        due = np.convolve(line, designed)[: 40 * step]
        np.testing.assert_allclose(samples[frame], due, atol=1e-12)


def test_amplitudes_are_what_matches_the_pulse():
    light = amplitudes(2, 160)
    found = Pulses(40, 4, 32, 0.5).analyse(light)
    designed = pulse.design(4, 32, 0.5)
    for frame in range(2):
        dark = np.concatenate([light[frame], np.zeros(32)])
        due = [designed @ dark[4 * k : 4 * k + 32] for k in range(40)]
        np.testing.assert_allclose(found[frame], due, atol=1e-12)


def test_analysis_undoes_synthesis_but_for_pulses_that_are_cut():
    given = amplitudes(2, 40)
    given[:, -7:] = 0
    made = Pulses(40, 4, 32, 0.5)
    np.testing.assert_allclose(made.analyse(made.synthesise(given)), given, atol=1e-9)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_frames_are_the_same_in_whatever_groups(at_once, monkeypatch):
    given, light = amplitudes(5, 30), amplitudes(5, 120)
    made = Pulses(30, 4, 32, 0.5)
    samples, found = made.synthesise(given), made.analyse(light)
    monkeypatch.setattr(pulses, "FRAMES_AT_ONCE", at_once)
    np.testing.assert_array_equal(made.synthesise(given), samples)
    np.testing.assert_array_equal(made.analyse(light), found)
