"""Matching against a network whose hidden units come in a fresh order in each inference.

A server may send a network's hidden units in an order of its own in each inference, which costs no
accuracy. A client that adds up what it reads of the same row first has to find out which readings
are of the same row. It does so by expectation maximisation. What it gets is compared with what it
gets from rows in one order, and with the bound.

No bound here counts the order: it can hide log₂ M! bits of M rows at most, and another attack may
find them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from shotveil.host.leakage.declared import layer_leakage
from shotveil.models.adversaries.adversary import plain_uses
from shotveil.models.adversaries.components import bits_by_heterodyning
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network
from shotveil.models.networks.permutation import order_bits, permuted

Readings = NDArray[np.float32]
STEPS = 25  # of expectation maximisation
SWEEPS = 4  # of rows and columns, until each row is assigned about once in an inference
MOST_WORK = 10**10  # K·M²·n, the readings compared with rows in one step


@dataclass(frozen=True)
class MatchingOutcome:
    """The result of matching, of the first layer of a network.

    attack, bound: Names of the attack and of the bound that covers it.
    rows, columns, inferences: M, n and K.
    reading_snr: Signal-to-noise ratio of one reading of one weight.
    in_order: Share of the weights' variance that averaging recovers of rows in one order.
    recovered: Share that matching recovers of rows in fresh orders.
    recovered_from_truth: Share that it keeps if it starts at the weights themselves.
    learned_bits: Bits per weight that the recovered share is worth.
    bound_bits: Bits per weight that the bound allows after all inferences.
    most_hidden_bits: Bits per weight that the order can hide, log₂ M!/(M·n).
    """

    attack: str
    bound: str
    rows: int
    columns: int
    inferences: int
    reading_snr: float
    in_order: float
    recovered: float
    recovered_from_truth: float
    learned_bits: float
    bound_bits: float
    most_hidden_bits: float


def match(
    network: Network,
    link: Link,
    inferences: float | None,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MatchingOutcome:
    """Play the attack against the first layer of `network`, through `link`.

    The client reads every mode by amplifying it a little, within the excess noise that is declared,
    so no party can notice it.

    inferences: K; None takes the usual number. seed: Seed of the orders and of the noise, ≥ 0.
    progress: Is told of steps that were done, and of how many there are.

    Raises `RangeError` for a number of inferences out of range, a network that cannot be permuted,
    and for more readings than can be compared here.
    """
    who = plain_uses()["matching"]
    first = network.layers[0]
    rows, columns = first.weights.shape
    count = matched_inferences(inferences, rows, columns)
    require("seed", seed, at_least=0, integer=True)
    rng = np.random.default_rng(seed)
    truth = first.weights / np.float32(first.rms)
    snr = reading_snr(link, first.modes)
    noise = 1 / snr

    def read(weights: Readings) -> Readings:
        drawn = rng.standard_normal(weights.shape, dtype=np.float32)
        return weights + np.float32(np.sqrt(noise)) * drawn

    average = np.mean([read(truth) for _ in range(count)], axis=0)
    orders = [permuted(network, rng).layers[0].weights for _ in range(count)]
    readings = np.stack([read(weights / np.float32(first.rms)) for weights in orders])
    # The readings of one inference hold each row once, so they are a start.
    start = readings[0] * np.float32(snr / (1 + snr))
    found = matched(readings, noise, start, lambda: progress(1, 2 * STEPS))
    kept = matched(readings, noise, truth, lambda: progress(1, 2 * STEPS))
    recovered = explained(found, truth)
    allowed = layer_leakage(link, rows, columns, count)
    return MatchingOutcome(
        attack=who.name,
        bound=who.covered_by,
        rows=rows,
        columns=columns,
        inferences=count,
        reading_snr=snr,
        in_order=explained(average, truth),
        recovered=recovered,
        recovered_from_truth=explained(kept, truth),
        learned_bits=float(-np.log2(1 - recovered) / 2),
        bound_bits=allowed.weight_bounds_bits_after[who.covered_by],
        most_hidden_bits=order_bits(rows) / (rows * columns),
    )


def matched_inferences(inferences: float | None, rows: int, columns: int) -> int:
    """Return the number of inferences to match: those given, or else the usual number.

    Raises `RangeError` for a number out of range, and for more readings than can be compared here.
    """
    count = plain_uses()["matching"].strong(inferences)
    if (work := count * rows**2 * columns) > MOST_WORK:
        raise RangeError(
            f"inferences × rows² × columns = {work:.2g}; allowed: at most {MOST_WORK:.2g}"
        )
    return count


def reading_snr(link: Link, modes: int) -> float:
    """Return the signal-to-noise ratio of a weight in one inference, for an amplifying client."""
    bright = np.array([link.modulation_variance * link.transmittance_out])
    bits = bits_by_heterodyning(bright, np.array([link.declared_excess_noise(modes)]))
    return float(2**bits - 1)


def matched(
    readings: Readings, noise: float, start: Readings, step: Callable[[], None]
) -> Readings:
    """Return estimates of M rows, shape (M, n), by expectation maximisation.

    readings: Shape (K, M, n), of weights with variance 1 in unknown orders. noise: Their variance.
    start: First estimates (M, n). step: Is called after each step.
    """
    count, rows, columns = readings.shape
    flat, rows_found = readings.reshape(-1, columns), start
    for _ in range(STEPS):
        likely = (flat @ rows_found.T - np.square(rows_found).sum(axis=1) / 2) / np.float32(noise)
        likely -= likely.max(axis=1, keepdims=True)
        shares = np.exp(likely).reshape(count, rows, rows)
        for _ in range(SWEEPS):  # each row is in each inference once
            shares /= shares.sum(axis=1, keepdims=True) + np.float32(1e-30)
            shares /= shares.sum(axis=2, keepdims=True) + np.float32(1e-30)
        assigned = shares.reshape(-1, rows)
        weight = assigned.sum(axis=0)[:, None] + np.float32(noise)
        rows_found = (assigned.T @ flat) / weight
        step()
    return rows_found


def explained(found: Readings, truth: Readings) -> float:
    """Return the share of variance of the true rows (M, n) that those found explain.

    Every row found stands for one true row, in the assignment that serves the adversary best.
    """
    sizes = np.linalg.norm(found, axis=1)[:, None] * np.linalg.norm(truth, axis=1)
    likeness = found @ truth.T / np.maximum(sizes, np.float32(1e-20))
    pairs = linear_sum_assignment(-likeness)
    return float(np.mean(np.square(np.clip(likeness[pairs], 0, 1))))
