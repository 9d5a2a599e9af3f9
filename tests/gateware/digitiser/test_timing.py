"""Timing, within the synchroniser: frames are where the model puts them, and lost as it loses them.

The cases of the synchroniser hold peaks of every strength, drifting and missing preambles, and
frames by the clock alone.
"""

import numpy as np
import pytest

from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.gateware.digitiser.timing import Timing
from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.digitiser.timing import fraction, peaks
from shotveil.sim.cases.digitiser import SHORT, synchroniser_case, synchroniser_cases
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("free_run", [0, 1])
def test_frames_are_those_of_the_model(free_run):
    spec = bit_true.SPECS[2]
    given = synchroniser_cases(spec, 3000, np.random.default_rng(11), free_run=free_run)
    check(AmaranthBench(bit_true.BLOCKS["synchroniser"].component(spec)), given)


@pytest.mark.parametrize("free_run", [0, 1])
def test_frames_are_found_while_times_wrap(free_run):
    """The node's sample numbers wrap after 2 s; these wrap every 2,048 samples."""
    spec = bit_true.SPECS[2]
    given = synchroniser_cases(spec, 6000, np.random.default_rng(12), free_run=free_run)
    assert max(case.run.due["o"] for case in given) > 3 * 2048
    check(AmaranthBench(Synchroniser(spec, time_bits=11)), given)


def check_frames(spec, setup, samples, count):
    """Compare with the model; return the marks, of which at most 3 of `count` are missing."""
    case = synchroniser_case(spec, setup, samples, np.zeros(samples.shape[1], np.bool_))
    (marks,) = np.nonzero(case.expected["o"]["mark"])
    assert len(marks) >= count - 3
    check(AmaranthBench(Synchroniser(spec)), [case])
    return marks


def test_of_two_equal_powers_the_first_is_the_peak():
    """Preambles whose every symbol ends in the middle of a sample: two samples are as good."""
    spec, amplitude, before, count = bit_true.SPECS[2], 1600, 60, 6
    symbol = spec.samples_per_symbol
    setup = DigitiserSettings(layout=SHORT, pilot=1 << 14, minimum=1 << 16)
    held = np.repeat(amplitude * spec.code, symbol, axis=1)
    held = np.pad(held, ((0, 0), (before, setup.period - held.shape[1] - before)))
    samples = np.tile((held + np.roll(held, 1, axis=1)) // 2, count)
    found = correlator.model(spec, samples, setup.minimum)
    (ties,) = np.nonzero(found.hit[1:] & found.hit[:-1] & (np.diff(found.power) == 0))
    assert len(ties) == count
    check_frames(spec, setup, samples, count)


@pytest.mark.parametrize("amplitudes", [(1600, 900), (900, 1600), (1600, 1600)])
def test_the_search_keeps_the_largest_peak_of_a_period(amplitudes):
    """Frames are those of the stronger of two preambles, or of the first of two equal ones."""
    spec, count = bit_true.SPECS[2], 6
    symbol = spec.samples_per_symbol
    setup = DigitiserSettings(layout=SHORT, pilot=1 << 14, minimum=1 << 16)
    period = np.zeros((2, setup.period), np.int64)
    places = 40, 40 + setup.period // 2
    for at, amplitude in zip(places, amplitudes, strict=True):
        code = np.repeat(amplitude * spec.code, symbol, axis=1)
        period[:, at : at + code.shape[1]] = code
    samples = np.tile(period, count)
    marks = check_frames(spec, setup, samples, count)
    strongest = places[int(np.argmax(amplitudes))] + 16 * symbol + spec.delay
    away = (marks - strongest) % setup.period
    assert np.all(np.minimum(away, setup.period - away) < 6 * symbol)


@pytest.mark.parametrize("distance", [9, 10])
def test_a_peak_that_follows_does_not_disturb_the_measurement(distance):
    """The weakest peaks are shifted longest, and the echo holds while they are."""
    spec, count = bit_true.SPECS[2], 6
    symbol = spec.samples_per_symbol
    setup = DigitiserSettings(layout=SHORT, pilot=1 << 14, minimum=1 << 16)
    code = np.pad(np.repeat(spec.code, symbol, axis=1), ((0, 0), (0, 1)))
    period = np.zeros((2, setup.period), np.int64)
    period[:, 40 : 40 + code.shape[1]] = 40 * code
    echo = (3 * 38 * code + np.roll(38 * code, 1, axis=1)) // 4  # a quarter of a sample later
    period[:, 40 + distance : 40 + distance + code.shape[1]] += echo
    samples = np.tile(period, count)
    first, second = peaks(correlator.model(spec, samples, setup.minimum))[2:4]
    assert second.position - first.position == distance
    assert fraction(spec, second) != fraction(spec, first)
    check_frames(spec, setup, samples, count)


def test_peaks_as_strong_as_converters_allow_have_their_fraction():
    """Their power is 2^32, the largest that there is, but for the ends of the converter's range."""
    spec, count = bit_true.SPECS[2], 6
    symbol = spec.samples_per_symbol
    setup = DigitiserSettings(layout=SHORT, pilot=1 << 14, minimum=1 << 16)
    code = np.repeat(spec.sample.highest * np.sign(spec.code), symbol, axis=1)
    period = np.zeros((2, setup.period), np.int64)
    period[:, 40 : 40 + code.shape[1]] = code
    samples = np.tile(period, count)
    assert correlator.model(spec, samples, setup.minimum).power.max() > 0.999 * 2**32
    check_frames(spec, setup, samples, count)


def test_a_judgement_must_be_over_when_the_frame_starts():
    with pytest.raises(AssertionError):
        Timing(DigitiserSpec(), lag=100)


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("synchroniser", Timing, monkeypatch)
