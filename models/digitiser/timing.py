"""Frame and symbol timing. Integer model of `gateware.digitiser.timing`.

Times are counted in samples from the first one after reset; positions P carry 6 bits for 1/64
sample, and 10 more for averaging.

*Peaks.* A peak is a hit that no later hit within `HOLD` samples exceeds. The powers beside it give
the fraction: (right − left)/(right + left) is compared with its value, computed from the pulse, at
the borders between the 64 fractions.

*Search.* The largest peak within a period counts; the next frame is then due one period later.
*Lock.* A peak within 1½ samples of where it is due moves P by 2^−g of its distance. g grows from 0
with the logarithm of the number of frames, up to the register `timing_shift`, so P is the mean of
what was seen. Without a peak the frame goes by the clock and is marked `lost`; after more than
`PATIENCE` such frames in a row the search begins again.
*Free run.* Frames follow each other by the clock alone, for calibration records.
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

HOLD = 8  # samples that a peak must stay unbeaten
PATIENCE = 3  # lost frames in a row before the search begins again
FINE = 10  # bits of a position below 1/64 sample
TOLERANCE = 96 << FINE  # 1½ samples
# First sample of the window of the first symbol after the preamble, from the preamble's peak: the
# boxcar over the last preamble symbol ends 17 samples after that symbol's first.
START = 4 - 17
# Samples from a preamble's due peak to the decision on its frame: the peak must have held, and its
# fraction been measured: up to 36 steps to bring it to full scale, 6 of bisection at 7 each.
JUDGE = HOLD + 2 + 36 + 6 * 7 + 8
# Samples by which search ends before a period is over, so that the next peak is not in it.
EARLY = 8
RATIO_BITS = 14


@dataclass(frozen=True)
class Peak:
    """A peak of the correlation: its sample, and powers before, at and after it."""

    position: int
    left: int
    power: int
    right: int


@dataclass(frozen=True)
class Frame:
    """Where a frame's first symbol after the preamble starts: sample, fraction (0 … 63), and
    whether its preamble was not found."""

    start: int
    fraction: int
    lost: bool


@functools.cache
def ratios(spec: DigitiserSpec) -> IntArray:
    """(right − left)/(right + left) at the lower border of each fraction, in 2^−14; shape (64,)."""
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    code = spec.code[0] + 1j * spec.code[1]
    # The first pilot follows at once, and its pulse reaches into the last preamble symbol.
    line = np.zeros(4 * (PREAMBLE + 1), dtype=complex)
    line[::4] = [*code, *(np.array([1, 1j]) @ diagonal(np.array(PILOTS[:1])))]
    same, other = diagonals(spec)
    table = []
    for step in (np.arange(spec.fractions) - 0.5) / spec.fractions - 0.5:
        padded = np.concatenate([np.zeros(8), designed, np.zeros(8)])
        sent = np.convolve(line, fractional_delay(padded, step))
        box = np.convolve(sent, np.ones(4))
        peak = 8 + 4 * (PREAMBLE - 1) + 17
        power = []
        for n in (peak - 1, peak + 1):
            b = box[n - 4 * (PREAMBLE - 1) + 4 * np.arange(PREAMBLE)]
            if spec.quadratures == 2:
                power.append(abs(np.vdot(code, b)) ** 2)
            else:
                # As the phase lock holds the local oscillator.
                seen = code.real * b.real
                power.append(np.sum(seen[same]) ** 2 + 3 * np.sum(seen[other]) ** 2)
        table.append((power[1] - power[0]) / (power[1] + power[0]))
    # A later pulse makes the right neighbour larger: the table must rise for the bisection.
    found = np.rint(np.array(table) * (1 << RATIO_BITS)).astype(np.int64)
    assert np.all(np.diff(found) > 0)
    return found


def peaks(correlation: Correlation) -> list[Peak]:
    """All peaks of a stretch of samples that begins at reset."""
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
    """Fraction of a sample by which the pulse is later than the peak, −32 … 31 in 1/64."""
    scale = 36 - peak.power.bit_length()
    # The neighbours may not exceed the peak, but a hit further off may: saturate.
    left, right = (min((v << scale) >> 20, (1 << 16) - 1) for v in (peak.left, peak.right))
    table = ratios(spec)
    index = 0
    for step in (32, 16, 8, 4, 2, 1):
        if (right - left) << RATIO_BITS >= int(table[index + step]) * (right + left):
            index += step
    return index - 32


@dataclass
class Lock:
    """The lock on frames: position P of a preamble, how many peaks moved it, lost frames in a row.

    For each frame `wait`, and `step` with the peak that is near then, if any.
    """

    place: int
    count: int = 0
    missed: int = 0

    @classmethod
    def on(cls, peak: Peak) -> Lock:
        """As search leaves it."""
        return cls(peak.position << (6 + FINE))

    def wait(self, period: int) -> None:
        """Until the next frame's preamble is due."""
        self.place += period << (6 + FINE)

    def distance(self, peak: Peak) -> int:
        """From where the preamble is due to a peak's sample."""
        return (peak.position << (6 + FINE)) - self.place

    def step(
        self, spec: DigitiserSpec, settings: DigitiserSettings, near: Peak | None
    ) -> Frame | None:
        """The frame whose preamble is due, from the peak within `TOLERANCE` of it; two have at
        least `HOLD` between them. None where patience ends."""
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
        return Frame(sample + START, whole - 64 * sample + 32, near is None)


def model(
    spec: DigitiserSpec, settings: DigitiserSettings, correlation: Correlation
) -> list[Frame]:
    """Frames found in a stretch of samples that begins at reset, in order."""
    n = len(correlation.power)
    period = settings.period
    if settings.free_run:
        return [
            Frame(at + START, 32, False)
            for at in range(period, n + spec.delay + period, period)
            if at + START < n - spec.delay
        ]
    found = peaks(correlation)
    frames: list[Frame] = []
    following = 0  # index of the next peak to look at
    while following < len(found):
        # Search: the largest peak of a period, the first of equals.
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
                # Peaks that end before the frame is judged still belong to the lock.
                while following < len(found) and (found[following].position + HOLD <= due + JUDGE):
                    following += 1
                break
            if frame.start >= n - spec.delay:
                return frames
            frames.append(frame)
    return frames
