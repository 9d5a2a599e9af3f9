"""Which received frame belongs to which sent one. Integer model of `gateware.node.replay`.

The server compares what returns with what it sent, symbol by symbol, so it has to know which frame
it sees, even if some never came back. It keeps the time at which each frame's first code left. A
frame that arrives `loop_delay` later, give or take half a frame, is that frame; frames that did not
arrive until then are missed. Lead-in frames, and frames that belong to none, are left out of sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.digitiser.timing import START

TIME_BITS = 28  # of times in clocks, which wrap after 2 s
FLIGHTS = 64  # frames on their way at once
# Clocks that the arrival's own arithmetic is late.
DECISION = 4


def latency(spec: DigitiserSpec) -> int:
    """Clocks from a frame's first sample at the ADC to the receiver's word that it starts.

    The preamble has to go by, then the samples wait for the judgement. Good to some clocks, which
    is nothing to half a frame.
    """
    return 4 * 16 + spec.delay + 16


@dataclass(frozen=True)
class Flights:
    """`belongs` has one entry for each received frame: the number of the sent frame, or −1.
    `missed` counts sent frames, lead-in aside, that were given up."""

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
    """Match times of arrival with times of departure, both rising, in clocks.

    `delay` is from departure to arrival, `half` the tolerance; the first `lead_in` frames are not
    told apart from none: −1. What is not back at the clock `end` is not missed yet.
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
    """`delay` and `half` for `model`, in clocks to the receiver's word."""
    return loop_delay + latency(spec), settings.period // 2


def arrivals(spec: DigitiserSpec, starts: npt.ArrayLike) -> IntArray:
    """Clocks of the receiver's word for frames whose first symbol after the preamble starts at
    these samples."""
    found: IntArray = np.asarray(starts, dtype=np.int64) + spec.delay + 16 - (START + 17 - 4)
    return found
