"""The error probabilities by default, and how tests that run side by side share them."""

from __future__ import annotations

import math

FALSE_ALARM_PROBABILITY = 1e-6
"""Probability that an honest party is refused, over a whole run or session."""

FAILURE_PROBABILITY = 1e-10
"""Probability that a certified figure does not bound the true one, for the whole network."""


def limit_of(probability: float, *, fine: bool) -> float:
    """Return the value of ln E that an honest party ever reaches with `probability` at most.

    fine: Whether the receiver forms fine sums. The tests share the probability evenly: there are
        three of them, and two more of fine sums.
    """
    return math.log((5 if fine else 3) / probability)
