"""Frame and symbol timing. Integer model of `gateware.digitiser.timing`.

Times are counted in samples from the first one after reset. A position P has 6 bits for 1/64 sample
and 10 more bits for averaging.

*Peaks.* A peak is a hit that no later hit within `HOLD` samples exceeds. The powers at the samples
beside it give the fraction of a sample: (right − left)/(right + left) is compared with its values
at the borders between the 64 fractions, which are computed from the pulse.

*Search.* The largest peak within a period is taken for a preamble; the next frame is due one period
later.
*Lock.* A peak within 1½ samples of its due time moves P by 2^−g of its distance. g grows from 0
with the logarithm of the number of frames, up to the register `timing_shift`, so P is the mean of
the positions seen. Without such a peak, the frame starts by the clock and is marked `lost`. After
more than `PATIENCE` lost frames in a row, the search begins again.
*Free run.* Frames follow each other by the clock only, for calibration records.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.correlator import Correlation, diagonals
from shotveil.models.digitiser.spec import (
    PREAMBLE,
    DigitiserSettings,
    DigitiserSpec,
    fractional_delay,
)
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import PILOTS, diagonal

HOLD = 8  # samples after a peak within which no hit may exceed it
PATIENCE = 3  # lost frames in a row before the search begins again
FINE = 10  # bits of a position below 1/64 sample
TOLERANCE = 96 << FINE  # 1½ samples
# Samples from the due time of a preamble's peak to the decision about its frame. The peak must have
# held, and its fraction must be measured: up to 36 steps bring the power to full scale, and 6 steps
# of bisection take 7 samples each.
JUDGE = HOLD + 2 + 36 + 6 * 7 + 8
# The search ends this many samples before a period is over, so that it misses the next peak.
EARLY = 8
RATIO_BITS = 14


@dataclass(frozen=True)
class Peak:
    """A peak of the correlation: its sample, and the powers before, at and after it."""

    position: int
    left: int
    power: int
    right: int


@dataclass(frozen=True)
class Frame:
    """The start of a frame's first symbol after the preamble.

    start: the sample. fraction: 0 … 63, in 1/64 sample; 32 means no shift. lost: whether no
    preamble was found.
    """

    start: int
    fraction: int
    lost: bool


def start(spec: DigitiserSpec) -> int:
    """First sample of the first symbol after the preamble, relative to the preamble's peak."""
    return spec.samples_per_symbol - spec.peak


@functools.cache
def ratios(spec: DigitiserSpec) -> IntArray:
    """(right − left)/(right + left) at the lower border of each fraction, in 2^−14; shape (64,)."""
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    code = spec.code[0] + 1j * spec.code[1]
    # The first pilot follows directly, and its pulse overlaps the last preamble symbol.
    symbol = spec.samples_per_symbol
    line = np.zeros(symbol * (PREAMBLE + 1), dtype=complex)
    line[::symbol] = [*code, *(np.array([1, 1j]) @ diagonal(np.array(PILOTS[:1])))]
    same, other = diagonals(spec)
    table = []
    for step in (np.arange(spec.fractions) - 0.5) / spec.fractions - 0.5:
        padded = np.concatenate([np.zeros(8), designed, np.zeros(8)])
        sent = np.convolve(line, fractional_delay(padded, step))
        box = np.convolve(sent, np.ones(symbol))
        peak = 8 + symbol * (PREAMBLE - 1) + spec.peak
        power = []
        for n in (peak - 1, peak + 1):
            b = box[n - symbol * (PREAMBLE - 1) + symbol * np.arange(PREAMBLE)]
            if spec.quadratures == 2:
                power.append(abs(np.vdot(code, b)) ** 2)
            else:
                # The phase lock holds the local oscillator at this phase.
                seen = code.real * b.real
                power.append(np.sum(seen[same]) ** 2 + 3 * np.sum(seen[other]) ** 2)
        table.append((power[1] - power[0]) / (power[1] + power[0]))
    # A later pulse makes the right neighbour larger. The bisection needs a rising table.
    found = np.rint(np.array(table) * (1 << RATIO_BITS)).astype(np.int64)
    assert np.all(np.diff(found) > 0)
    return found


def peaks(correlation: Correlation) -> list[Peak]:
    """All peaks in samples that begin at reset, in order."""
    power, hit = correlation.power, correlation.hit
    found: list[Peak] = []
    best = -1
    for n in np.nonzero(hit)[0].tolist():
        if best >= 0 and n - best > HOLD:
            found.append(_peak(power, best))
            best = -1
        if best < 0 or power[n] > power[best]:
            best = n
    if best >= 0 and best + HOLD < len(power):
        found.append(_peak(power, best))
    return found


def _peak(power: IntArray, n: int) -> Peak:
    left = int(power[n - 1]) if n else 0
    return Peak(n, left, int(power[n]), int(power[n + 1]))


def fraction(spec: DigitiserSpec, peak: Peak) -> int:
    """Fraction of a sample by which the pulse is later than the peak: −32 … 31, in 1/64."""
    scale = 36 - peak.power.bit_length()
    # Neighbours that are hits cannot exceed the peak, but others may, so they saturate.
    left, right = (min((v << scale) >> 20, (1 << 16) - 1) for v in (peak.left, peak.right))
    table = ratios(spec)
    index = 0
    for step in (32, 16, 8, 4, 2, 1):
        if (right - left) << RATIO_BITS >= int(table[index + step]) * (right + left):
            index += step
    return index - 32


@dataclass
class Lock:
    """The lock on frames: position P of a preamble, number of peaks that moved it, and number of
    lost frames in a row.

    For each frame call `wait`, then `step` with the peak near the due time, if there is one.
    """

    place: int
    count: int = 0
    missed: int = 0

    @classmethod
    def on(cls, peak: Peak) -> Lock:
        """The lock as the search leaves it after its `peak`."""
        return cls(peak.position << (6 + FINE))

    def wait(self, period: int) -> None:
        """Move on by a period (in samples), to the time when the next preamble is due."""
        self.place += period << (6 + FINE)

    def distance(self, peak: Peak) -> int:
        """Distance from the due time of the preamble to the peak's sample, in units of P."""
        return (peak.position << (6 + FINE)) - self.place

    def step(
        self, spec: DigitiserSpec, settings: DigitiserSettings, near: Peak | None
    ) -> Frame | None:
        """The frame whose preamble is due, from the peak `near` it within `TOLERANCE`.

        There is at most one such peak, because two peaks are at least `HOLD` samples apart. The
        result is None if too many frames in a row are lost.
        """
        if near is None:
            self.missed += 1
            if self.missed > PATIENCE:
                return None
        else:
            gain = min(self.count.bit_length(), settings.timing_shift)
            self.place += (self.distance(near) + (fraction(spec, near) << FINE)) >> gain
            self.count += 1
            self.missed = 0
        whole = (self.place + (1 << (FINE - 1))) >> FINE
        sample = (whole + 32) >> 6
        return Frame(sample + start(spec), whole - 64 * sample + 32, near is None)


def model(
    spec: DigitiserSpec, settings: DigitiserSettings, correlation: Correlation
) -> list[Frame]:
    """Frames found in samples that begin at reset, in order."""
    n = len(correlation.power)
    period = settings.period
    if settings.free_run:
        return [
            Frame(at + start(spec), 32, False)
            for at in range(period, n + spec.delay + period, period)
            if at + start(spec) < n - spec.delay
        ]
    found = peaks(correlation)
    frames: list[Frame] = []
    following = 0  # index of the next peak to look at
    while following < len(found):
        # The search takes the largest peak of a period, and the first one of equal peaks.
        first = found[following].position
        best = found[following]
        while following < len(found) and found[following].position < first + period - EARLY:
            if found[following].power > best.power:
                best = found[following]
            following += 1
        lock = Lock.on(best)
        while True:
            lock.wait(period)
            due = lock.place >> (6 + FINE)
            while following < len(found) and lock.distance(found[following]) < -TOLERANCE:
                following += 1
            near = None
            if following < len(found) and lock.distance(found[following]) <= TOLERANCE:
                near = found[following]
                following += 1
            frame = lock.step(spec, settings, near)
            if frame is None:
                # Peaks that end before the decision about the frame still belong to the lock.
                while following < len(found) and (found[following].position + HOLD <= due + JUDGE):
                    following += 1
                break
            if frame.start >= n - spec.delay:
                return frames
            frames.append(frame)
    return frames
