"""What light can tell apart at all: a limit on accuracy that is known before any training.

A layer of M rows with N modes gives readings W·x̂ + rms(W)/F·n. Two inputs at a distance d of unit
vectors are then at most R·d standard deviations of noise apart, with R = ‖W‖/rms(W)·F and
‖W‖ ≤ √(2N·M)·rms(W) for any weights. Whoever has to tell two classes apart by such readings is
right for no more than the mean of Φ(R·d/2) over pairs of inputs, one of either class: the distance
in total variation between two mixtures is at most its mean over pairs, and that of two Gaussians
R·d apart is 2·Φ(R·d/2) − 1. So a table of few columns cannot be classified well with little light,
however it is trained. More rows help, at no cost in bits per weight; they cost bits of the data.

The limit is on the mean accuracy over classes, for decisions by direction. The length of an input,
which its client knows, may add to it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from shotveil.host.design.operating_point import (
    Budgets,
    budgeted_bits,
    least_leakage,
    most_light,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.layers import with_constant
from shotveil.models.networks.network import Layer, Network

WANTED = 0.95  # mean accuracy below which a limit is worth a word
_PAIRS = 20_000


@dataclass(frozen=True)
class Limit:
    """What a first layer can tell apart.

    columns, rows: Its shape. f2: Its light.
    accuracy: Most mean accuracy over classes with that light.
    wanted_f2: Least F² at which the limit is `WANTED`; infinite where no light is enough.
    """

    columns: int
    rows: int
    f2: float
    accuracy: float
    wanted_f2: float

    @property
    def wanted_bits(self) -> float:
        """Least bits per weight of this layer that light of `wanted_f2` leaks on an ideal link."""
        if math.isinf(self.wanted_f2):
            return math.inf
        return _least_bits(stand_in([self.columns, self.rows]), self.wanted_f2, Budgets())

    def __str__(self) -> str:
        return (
            f"{self.columns} columns and {self.rows} rows at F² = {self.f2:.3g}: no weights get "
            f"more than {self.accuracy:.1%} of these classes right; {WANTED:.0%} takes F² of at "
            f"least {self.wanted_f2:.3g}, which leaks {self.wanted_bits:.2g} bit per weight"
        )


def limit_of(
    inputs: NDArray[Any], classes: NDArray[Any], rows: int, f2: float, bias: bool = False
) -> Limit:
    """Return the limit for inputs (n, columns) of a first layer with `rows` rows.

    classes: The class of each input, shape (n,). f2: Its light F². bias: Whether it has a bias.

    At most 20,000 pairs are drawn, always the same ones.
    """
    data = with_constant(inputs, bias)
    norms = np.linalg.norm(data, axis=1, keepdims=True)
    x = data / np.where(norms > 0, norms, 1)
    rng = np.random.default_rng(1)
    first = rng.integers(0, len(x), _PAIRS)
    second = rng.integers(0, len(x), _PAIRS)
    _, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    differ = numbers[first] != numbers[second]
    first, second = first[differ], second[differ]
    distances = np.linalg.norm(x[first] - x[second], axis=1)
    # Every pair of classes counts alike, however many inputs they have.
    weights = 1 / (counts[numbers[first]] * counts[numbers[second]])
    columns = x.shape[1]
    reach = math.sqrt(2 * math.ceil(columns / 2) * rows)

    def accuracy(f2: float) -> float:
        right = ndtr(reach * math.sqrt(f2) * distances / 2)
        return float(np.average(right, weights=weights)) if len(weights) else 1.0

    most = math.inf
    if accuracy(1e12) > WANTED:
        most = math.exp(brentq(lambda log: accuracy(math.exp(log)) - WANTED, -60, 28))
    return Limit(columns, rows, f2, accuracy(f2), most)


def stand_in(widths: Sequence[int], bias: bool = False) -> Network:
    """Return a network with the widths of one that is not trained yet: its leakage is the same."""
    layers = [
        Layer(np.ones((rows, inputs + bias), np.float32), bias) for inputs, rows in pairwise(widths)
    ]
    return Network("untrained", tuple(layers))


def _least_bits(network: Network, f2: float, budgets: Budgets) -> float:
    """Return the least bits per weight that F² costs on an ideal link, over all gains."""
    link = least_leakage(network, Channel(), f2, budgets)
    return float(budgeted_bits(network, Channel(), budgets, link.gain, link.photons))


def light_for_training(
    network: Network, f2: float | tuple[float, ...] | None, budgets: Budgets
) -> float | tuple[float, ...]:
    """Return the light F² to train a network with, inside a budget of its weights.

    f2: The light that is asked for, of all layers or of each; None takes the most that the budget
        allows on an ideal link. Raises `RangeError` where the light that is asked for leaks more.
    """
    most = most_light(network, Channel(), budgets).f2
    if f2 is None:
        return most
    each = f2 if isinstance(f2, tuple) else (f2,) * len(network.layers)
    unlimited = Budgets(weight_bound=budgets.weight_bound, inferences=budgets.inferences)
    leaked = [
        layer.weights.size * _least_bits(Network("layer", (layer,)), one, unlimited)
        for layer, one in zip(network.layers, each, strict=True)
    ]
    bits = sum(leaked) / network.weights
    limit = budgets.weight_limit(network)
    if limit is not None and bits > limit:
        told = ", ".join(f"{one:g}" for one in dict.fromkeys(each))
        raise RangeError(
            f"F² = {told} leaks {bits:.3g} bit per weight with "
            f"{'-'.join(str(n) for n in _widths_of(network))} columns; allowed: at most "
            f"{limit:g}, as F² = {most:.3g} of all layers does"
        )
    return f2


def _widths_of(network: Network) -> list[int]:
    """Return the number of columns of each layer, and the number of outputs."""
    return [*(layer.columns for layer in network.layers), network.outputs]


def warn_if_narrow(limit: Limit) -> None:
    """Warn where the limit is below `WANTED`."""
    if limit.accuracy < WANTED:
        warnings.warn(str(limit), stacklevel=3)
