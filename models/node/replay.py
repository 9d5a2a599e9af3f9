"""Matching of received frames to sent frames. Integer model of `gateware.node.replay`.

The server compares the returned light with what it sent, symbol by symbol. It therefore has to know
which frame it receives, even if some frames never came back. It stores the time at which the first
code of each frame left. A frame that arrives `loop_delay` later, within half a frame, is that
frame. A frame that has not arrived by then is missed. Lead-in frames, and received frames that
match no sent frame, are left out of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec

TIME_BITS = 28  # width of times in clocks; they wrap after 2 s
FLIGHTS = 64  # the most frames in flight at once
# Latency, in clocks, of the arithmetic that matches an arrival.
DECISION = 4
# Most clocks, behind a frame's period, until its last symbols are summed. Of the 64 that may wait
# for the phase, 15 may be pilots, which take 40 clocks each; as many wait for their sums, 4 clocks.
SUMMED = 1 << 10


def latency(spec: DigitiserSpec) -> int:
    """Clocks from a frame's first sample at the ADC until the receiver reports the frame's start.

    The preamble has to pass, and then the samples are delayed until the receiver has decided. The
    value is accurate to a few clocks, far less than the tolerance of half a frame.
    """
    return spec.samples_per_symbol * PREAMBLE + spec.delay + 16


@dataclass(frozen=True)
class Flights:
    """The result of matching received frames to sent ones.

    belongs: one entry for each received frame, the number of the sent frame or −1 for none.
    missed: the number of sent frames, lead-in excluded, that did not come back in time.
    """

    belongs: IntArray
    missed: int


def model(
    sent: npt.ArrayLike,
    received: npt.ArrayLike,
    lead_in: int,
    delay: int,
    half: int,
    end: int | None = None,
) -> Flights:
    """Match the times at which frames were received to those at which they were sent, in clocks.

    Both `sent` and `received` rise. `delay` is the time from departure to arrival and `half` its
    tolerance. Arrivals of the first `lead_in` frames count as −1, like arrivals that match nothing.
    A frame counts as missed only if its time was over by the clock `end` (None: all times are
    over).
    """
    left = np.asarray(sent, dtype=np.int64)
    belongs = []
    head = missed = 0

    def expire(now: float) -> None:
        nonlocal head, missed
        while head < len(left) and now - left[head] >= delay + half:
            missed += head >= lead_in
            head += 1

    for now in np.asarray(received, dtype=np.int64).tolist():
        expire(now)
        if head < len(left) and left[head] <= now and now - left[head] >= delay - half:
            belongs.append(head if head >= lead_in else -1)
            head += 1
        else:
            belongs.append(-1)
    expire(np.inf if end is None else end)
    return Flights(np.array(belongs, dtype=np.int64), int(missed))


def window(spec: DigitiserSpec, settings: DigitiserSettings, loop_delay: int) -> tuple[int, int]:
    """Arguments `delay` and `half` of `model`, in clocks, for `received` as `arrivals` gives it."""
    return loop_delay + latency(spec), settings.period // 2


def arrivals(spec: DigitiserSpec, starts: npt.ArrayLike) -> IntArray:
    """Clocks at which the receiver reports frames, of the shape of `starts`.

    starts: samples at which the first symbol after each preamble begins.
    """
    found: IntArray = np.asarray(starts, dtype=np.int64) + spec.delay + 16
    return found
