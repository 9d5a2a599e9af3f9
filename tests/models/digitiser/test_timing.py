"""Where frames start: fractions of a sample, search, lock and patience."""

import numpy as np
import pytest

from shotveil.models.digitiser import correlator, entry, timing
from shotveil.models.digitiser.channel import SimulatedChannel, convert, detect, waveform
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec
from shotveil.models.digitiser.timing import Frame, Peak

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)
BRISK, BRISK_ONE = (DigitiserSpec(quadratures=n, samples_per_symbol=2) for n in (2, 1))


@pytest.mark.parametrize("spec", [SPEC, ONE, BRISK, BRISK_ONE])
@pytest.mark.parametrize("delay", [0.0, 0.24, 0.5, 0.77])
def test_fraction_of_a_clean_preamble(spec, delay):
    code = np.zeros(40, complex)
    code[:PREAMBLE] = (spec.code[0] + 1j * spec.code[1]) * 6
    code[PREAMBLE] = 6 + 6j
    channel = SimulatedChannel(noise=False)
    light = waveform(spec, code, 100 + delay)
    samples, _ = entry.model(
        spec, convert(spec, detect(spec, channel, light, np.random.default_rng(1)))
    )
    (peak,) = timing.peaks(correlator.model(spec, samples, 1 << 22))
    start = peak.position + timing.fraction(spec, peak) / 64 + timing.start(spec)
    # Half a step of the fractions, and the boxcar's rounding.
    assert start == pytest.approx(100 + delay + spec.samples_per_symbol * PREAMBLE, abs=1 / 64)


def made(n, planted, beside=(0, 0)):
    """A correlation of zeros with hits of given powers, and what is beside each of them."""
    power, hit = np.zeros(n, np.int64), np.zeros(n, bool)
    for at, p in planted.items():
        power[at], hit[at] = p, True
    for at in planted:
        for near, p in zip((at - 1, at + 1), beside, strict=True):
            if 0 <= near < n and not hit[near]:
                power[near] = p
    return correlator.Correlation(power, hit)


def found_at(n, planted):
    return [peak.position for peak in timing.peaks(made(n, planted))]


def test_a_peak_is_a_hit_that_none_behind_it_exceeds_in_time():
    assert found_at(100, {20: 50, 28: 40}) == [20]
    assert found_at(100, {20: 50, 28: 60}) == [28]
    assert found_at(100, {20: 50, 29: 60}) == [20, 29]
    assert found_at(100, {20: 50, 21: 50}) == [20]  # the first of equals
    # Each that is larger starts the wait anew.
    assert found_at(100, {20: 50, 26: 60, 32: 70, 40: 10}) == [32]
    # It has to have held when the samples end.
    assert found_at(29, {20: 50}) == [20]
    assert found_at(28, {20: 50}) == []
    assert found_at(100, {}) == []


def test_a_peak_has_the_powers_beside_it():
    correlation = made(40, {0: 9}, beside=(7, 4))
    assert timing.peaks(correlation) == [timing.Peak(0, 0, 9, 4)]
    correlation = made(40, {11: 9})
    correlation.power[10:13] = 3, 9, 5
    assert timing.peaks(correlation) == [timing.Peak(11, 3, 9, 5)]


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_a_fraction_begins_at_its_ratio(spec):
    table = timing.ratios(spec)
    assert table.shape == (64,)
    for index in range(1, 64):
        ratio = int(table[index])
        # (right − left)/(right + left) is the table's to the bit, and then just below.
        left, right = (16384 - ratio) << 20, (16384 + ratio) << 20
        assert timing.fraction(spec, timing.Peak(0, left, 1 << 35, right)) == index - 32
        less = timing.Peak(0, left, 1 << 35, right - (1 << 20))
        assert timing.fraction(spec, less) == index - 33
        # Powers count relative to the peak's; what is below 16 bits of it does not.
        small = timing.Peak(0, left >> 20, 1 << 15, right >> 20)
        assert timing.fraction(spec, small) == index - 32
    assert timing.fraction(spec, timing.Peak(0, 1, 1 << 35, 1 << 35)) == 31
    assert timing.fraction(spec, timing.Peak(0, 1 << 35, 1 << 35, 0)) == -32
    # Neighbours above full scale are cut to it.
    full = timing.Peak(0, 65535 << 20, 1 << 35, 65535 << 20)
    assert timing.fraction(spec, timing.Peak(0, 1 << 40, 1 << 35, (1 << 36) + 5)) == (
        timing.fraction(spec, full)
    )


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_ratios_are_those_of_a_detected_preamble(spec):
    """The lower border of each fraction, by a receiver in floating point without rounding."""
    code = np.zeros(PREAMBLE + 1, complex)
    code[:PREAMBLE] = spec.code[0] + 1j * spec.code[1]
    code[PREAMBLE] = 1 + 1j
    table = timing.ratios(spec) / 2**14
    for index in (0, 1, 17, 32, 50, 63):
        light = waveform(spec, code, 8 + (index - 32.5) / 64)
        box = np.convolve(light, np.ones(4))
        peak = 8 + 4 * (PREAMBLE - 1) + 17
        window = {n: box[n - 60 : n + 1 : 4] for n in (peak - 1, peak + 1)}
        power = []
        for n in (peak - 1, peak + 1):
            if spec.quadratures == 2:
                power.append(abs(np.vdot(code[:-1], window[n])) ** 2)
            else:
                same, other = correlator.diagonals(spec)
                seen = code[:-1].real * window[n].real
                power.append(seen[same].sum() ** 2 + 3 * seen[other].sum() ** 2)
        ratio = (power[1] - power[0]) / (power[1] + power[0])
        # Half a unit, and what the pulse's tails beyond ±8 samples of padding carry.
        assert table[index] == pytest.approx(ratio, abs=2e-3)


FREE = DigitiserSettings(free_run=1)
LOCKED = DigitiserSettings(timing_shift=2)
PERIOD = LOCKED.period
P = 1 << 30  # the power of a good peak; what is beside it makes it later by BIAS
BIAS = timing.fraction(
    SPEC, timing.Peak(0, P // 2, P, P // 4 * 3)
)  # of such a peak, in 1/64 sample


def frames(planted, n, settings=LOCKED):
    return timing.model(SPEC, settings, made(n, planted, beside=(P // 2, P // 4 * 3)))


def test_frames_by_the_clock_alone():
    nothing = made(3 * PERIOD, {})
    starts = [f.start for f in timing.model(SPEC, FREE, nothing)]
    assert starts == [PERIOD - 13, 2 * PERIOD - 13]
    assert all(f.fraction == 32 and not f.lost for f in timing.model(SPEC, FREE, nothing))
    # One more, as soon as its first sample has left the delay.
    reached = 3 * PERIOD - 13 + SPEC.delay
    for n, count in ((reached, 2), (reached + 1, 3)):
        assert len(timing.model(SPEC, FREE, made(n, {}))) == count


def test_search_takes_the_largest_peak_of_a_period():
    first = {100: P // 4, 700: P, 900: P // 2, 1000: P}
    (frame, *_) = frames({**first, 700 + PERIOD: P}, 2 * PERIOD + 1300)
    assert frame == timing.Frame(700 + PERIOD - 13, 32 + BIAS, False)
    # The period of the search ends some samples early, so that the next preamble is not in it.
    late = 100 + PERIOD - timing.EARLY
    for at, taken in ((late - 1, late - 1), (late, 100)):
        (frame, *_) = frames({100: P // 4, at: P}, 4 * PERIOD)
        # Either way the peak is too far from where the frame is due.
        assert frame == timing.Frame(taken + PERIOD - 13, 32, True)


def test_peaks_that_are_near_move_the_lock_less_and_less():
    """The estimate is the mean of what was seen, until the register's gain is reached."""
    planted = {100 + k * PERIOD: P for k in range(8)}
    still = frames(planted, 9 * PERIOD)
    assert [f.start for f in still[:7]] == [87 + k * PERIOD for k in range(1, 8)]
    assert {f.fraction for f in still[1:7]} == {32 + BIAS}
    # All later by a sample from the 5th on: gains of 1, ½, ¼, ¼, then ¼ for good (2^−timing_shift).
    moved = {at + (k >= 4): p for k, (at, p) in enumerate(planted.items())}
    lag, place = [], 0.0
    for k in range(1, 8):
        seen = (k >= 4) * 64 + BIAS
        place += (seen - place) / (1, 2, 4, 4, 4, 4, 4)[k - 1]
        lag.append(place)
    found = frames(moved, 9 * PERIOD)[:7]
    delays = [(f.start - 87 - k * PERIOD) * 64 + f.fraction - 32 for k, f in enumerate(found, 1)]
    # Half a unit by the last rounding, and as much by floors of the fine part.
    np.testing.assert_allclose(delays, lag, atol=0.6)
    assert not any(f.lost for f in found)


@pytest.mark.parametrize("off, lost", [(1, False), (-1, False), (2, True), (-2, True)])
def test_the_tolerance_is_one_and_a_half_samples(off, lost):
    planted = {100 + k * PERIOD: P for k in (0, 1, 3)}
    planted[100 + 2 * PERIOD + off] = P
    settings = DigitiserSettings(timing_shift=9)
    assert [f.lost for f in frames(planted, 5 * PERIOD, settings)[:3]] == [False, lost, False]


def test_a_lost_frame_goes_by_the_clock_and_patience_ends():
    planted = {100 + k * PERIOD: P for k in range(3)}
    again = 100 + 3 * PERIOD + 3 * PERIOD + 555  # not where the lock waits for it
    planted |= {again + k * PERIOD: P for k in range(3)}
    found = frames(planted, again + 4 * PERIOD)
    assert [f.lost for f in found[:5]] == [False, False, True, True, True]
    assert [f.start for f in found[:5]] == [87 + k * PERIOD for k in range(1, 6)]
    # Then the search takes what it finds, and the frame behind that is the next.
    assert found[5] == timing.Frame(again + PERIOD - 13, 32 + BIAS, False)
    # A found frame renews the patience.
    planted = {100 + k * PERIOD: P for k in (0, 1, 5, 9)}
    lost = [f.lost for f in frames(planted, 12 * PERIOD)[:9]]
    assert lost == [False, True, True, True, False, True, True, True, False]


def test_peaks_before_patience_is_judged_belong_to_the_lock():
    due = 100 + 5 * PERIOD  # the fourth lost frame in a row, whose judgement ends the lock
    base = {100: P, 100 + PERIOD: P}
    last = due + timing.JUDGE - timing.HOLD
    for at, counts in ((last, False), (last + 1, True)):
        found = frames(base | {at: P}, at + PERIOD + 1000)
        starts = [f.start for f in found]
        assert (at + PERIOD - 13 in starts) is counts


def test_frames_end_with_the_samples():
    planted = {100 + k * PERIOD: P for k in range(3)}
    second = 87 + 2 * PERIOD
    for n, count in ((second + SPEC.delay, 1), (second + SPEC.delay + 1, 2)):
        assert len(frames(planted, n)) == count


def test_the_lock_rounds_half_a_unit_up_and_half_a_sample_to_the_next():
    lock = timing.Lock(0)
    half = 1 << (timing.FINE - 1)
    for place, start, fraction in (
        (0, 0, 32),
        (half, 0, 33),
        (half - 1, 0, 32),
        (31 << 10, 0, 63),
        (32 << 10, 1, 0),
        (-(32 << 10), 0, 0),
        (-(33 << 10), -1, 63),
    ):
        lock.place, lock.missed = place, 0
        assert lock.step(SPEC, LOCKED, None) == timing.Frame(start - 13, fraction, True)
    assert lock.distance(timing.Peak(3, 0, 1, 0)) == (3 << 16) - lock.place


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (Peak, Frame):
        assert kind.__dataclass_params__.frozen
