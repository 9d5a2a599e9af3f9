"""The total leakage of the same weights when they were sent through several different channels.

K copies of the same weights through one channel (T, ε) leak at most the majorant of χ at
(K·V_A, T, ε), less than K times that of one. For channels that differ, two upper bounds hold and so
does any mixture of them:

* Joint: count all copies at the worst T and the worst ε among them, since the
  majorant falls with T and grows with ε.
* Sum: given the weights, what leaked from different copies is independent, so the total is at most
  the sum of the Holevo quantities (subadditivity of entropy).

`composed_leakage` sorts the copies by their channels, splits them into groups, takes the joint
bound inside each group and adds the groups up. It returns the least value over all such splits. So
a batch of light that never came back (T = 0) costs its own share without making the rest worse.
The assumption is that of χ: a collective attack, copy by copy, through a channel that is no worse
than stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.models.common.checks import RangeError, require

STEPS_PER_DECADE = 8
MOST_CLASSES = 12
_FINEST = 1e-7


class ChannelClass(NamedTuple):
    """A channel that stands for all better ones: power transmittance T and excess noise ε (SNU)."""

    transmittance: float
    excess_noise: float


LOST = ChannelClass(0.0, 0.0)
"""The channel where nothing came back: the adversary holds all light, so ε no longer matters."""


def channel_class(transmittance: float, excess_noise: float) -> ChannelClass:
    """Return the nearest class that is no better, with 1 − T and ε rounded up to 8 steps a decade.

    The channels of many sessions then fall into a few classes, so that composing them is quick. A
    channel with T ≤ 0 becomes `LOST`. Estimates outside the physical range are first moved to its
    nearest point: T > 1 to 1 and ε < 0 to 0. Raises `RangeError` for a value that is not finite.
    """
    require("transmittance", transmittance)
    require("excess noise", excess_noise)
    loss = _rounded_up(1 - min(transmittance, 1.0))
    if loss >= 1:
        return LOST
    return ChannelClass(1 - loss, _rounded_up(max(excess_noise, 0.0)))


def composed_leakage(
    channels: Sequence[ChannelClass], modulation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return an upper bound on the leakage of all copies, in bits per real weight, shape (...).

    channels: C channels.
    modulation: Sum of V_A (SNU) over the copies that went through each channel, shape (C, ...).

    Raises `RangeError` for a negative sum, or for shapes that do not fit.
    """
    energy = np.asarray(modulation, dtype=np.float64)
    if len(channels) != len(energy):
        raise RangeError(f"modulation has {len(energy)} rows; allowed: {len(channels)}")
    require("modulation", energy, at_least=0)
    order = sorted(range(len(channels)), key=lambda i: (-channels[i][0], channels[i][1]))
    ordered = [channels[i] for i in order]
    energy = energy[order]
    ordered, energy = _merged(ordered, energy)
    # The joint bound on each group of neighbours [i, j): one call for all is much quicker.
    groups = [(i, j) for j in range(1, len(ordered) + 1) for i in range(j)]
    worst = np.array(
        [
            (min(c.transmittance for c in ordered[i:j]), max(c.excess_noise for c in ordered[i:j]))
            for i, j in groups
        ]
    )
    each = np.array([energy[i:j].sum(axis=0) for i, j in groups])
    worst = worst.reshape(len(groups), 2, *[1] * (energy.ndim - 1))
    together = iter(majorant_per_mode(each, worst[:, 0], worst[:, 1]) / 2)
    # least[j] is the least bound on the copies through the first j channels.
    least = [np.zeros(energy.shape[1:])]
    for j in range(1, len(ordered) + 1):
        least.append(np.min([least[i] + next(together) for i in range(j)], axis=0))
    return np.asarray(least[-1])


def _merged(
    channels: list[ChannelClass], energy: NDArray[np.float64]
) -> tuple[list[ChannelClass], NDArray[np.float64]]:
    """Join neighbours into one worse class until `MOST_CLASSES` are left.

    Joining never lowers the bound. The class with the least light is joined first with its worse
    neighbour, where this costs least.
    """
    while len(channels) > MOST_CLASSES:
        light = int(np.argmin(energy[:-1].reshape(len(energy) - 1, -1).sum(axis=1)))
        first, second = channels[light], channels[light + 1]
        worse = ChannelClass(
            min(first.transmittance, second.transmittance),
            max(first.excess_noise, second.excess_noise),
        )
        channels = [*channels[:light], worse, *channels[light + 2 :]]
        joined = energy[light] + energy[light + 1]
        energy = np.concatenate([energy[:light], joined[None], energy[light + 2 :]])
    return channels, energy


def _rounded_up(value: float) -> float:
    if value <= 0:
        return 0.0
    steps = math.ceil(STEPS_PER_DECADE * math.log10(max(value, _FINEST)) - 1e-9)
    # Rounding errors in the power must not make the class better than the channel it stands for.
    return float(max(10 ** (steps / STEPS_PER_DECADE), value))
