"""Clients found by general optimisers, against which the bound on the weights is held.

Nothing here is shared with `host.leakage.supporting_planes` or its table but χ itself. Two kinds
of client are searched:

* `best_mixture` may choose the spectrum of the weights as well. It is a linear program over kinds
  of modes (A, ε, T); columns are added where its prices say that a kind of mode is missing.
* `best_for_spectra` is given the spectrum, and climbs from random starts over the noise ε_k and the
  loss 1 − √T_k of every mode, with the sums that the server holds it to.

Both give what a client reaches, never more, so no result may exceed a bound that holds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from shotveil.host.leakage.weights import holevo_of_modulation

Real = NDArray[np.float64]

_ROUNDS = 12  # of new columns; the value settles to 1e-5 in about six
_GAIN = 1e-5  # relative, below which a further column is not worth its while


def best_mixture(modulation: float, excess_noise: float, lost_amplitude: float) -> float:
    """Return the most that modes of any kinds leak with the given means, in bits per complex mode.

    modulation, excess_noise: Means A > 0 and ε > 0 over the modes (SNU).
    lost_amplitude: s = 1 − √T in [0, 1), the mean weighted by energy.
    """
    rng = np.random.default_rng(1)
    loses = lost_amplitude > 0
    a = np.concatenate([[0.0], modulation * np.geomspace(1e-4, 1e7, 34)])
    e = np.concatenate([[0.0], excess_noise * np.geomspace(1e-4, 1e7, 34)])
    s = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 9)]) if loses else np.zeros(1)
    kinds = np.stack([x.ravel() for x in np.meshgrid(a, e, s, indexing="ij")])
    wanted = np.array([1.0, modulation, excess_noise, modulation * lost_amplitude])
    unit = np.where(wanted > 0, wanted, 1.0)
    value = 0.0
    for _ in range(_ROUNDS):
        bits = _chi(*kinds)
        sums = _sums(kinds) / unit[:, None]
        with_loss = slice(None) if loses else slice(0, 3)
        found = linprog(-bits, A_eq=sums[with_loss], b_eq=(wanted / unit)[with_loss])
        before, value = value, -float(found.fun)
        if value <= before * (1 + _GAIN):
            break
        prices = np.zeros(4)
        prices[with_loss] = -found.eqlin.marginals
        used = kinds[:, found.x > 1e-12]
        near = _near(used, rng, 400, loses)
        far = kinds[:, rng.integers(0, kinds.shape[1], 2000)]
        tried = np.concatenate([near, _near(far, rng, 2, loses)], axis=1)
        above = _chi(*tried) - prices @ (_sums(tried) / unit[:, None])
        best = np.argsort(-above)[:300]
        # What the program did not use may go, so that it stays small.
        kept = kinds[:, (found.x > 1e-12) | (bits - prices @ sums > -0.05 * value)]
        kinds = np.concatenate([kept, tried[:, best]], axis=1)
    return value


def best_for_spectra(
    spectra: Real,
    share_of_modes: Real,
    modulation: Real,
    excess_noise: Real,
    lost_amplitude: Real,
    starts: int = 4,
    steps: int = 400,
    seed: int = 0,
) -> Real:
    """Return the most found to leak of rows of given spectra, in bits per complex mode (n,).

    spectra: Energies of kinds of modes over the mean, shape (n, kinds), ≥ 0.
    share_of_modes: Share of all modes of each kind, shape (n, kinds), of sum 1.
    modulation, excess_noise, lost_amplitude: Means as in `best_mixture`, shape (n,).
    starts, steps: Number of random starts, and of steps from each.
    """
    rng = np.random.default_rng(seed)
    energy = spectra * modulation[:, None]
    lit = energy > 0
    best = np.zeros(len(spectra))
    for start in range(starts):
        # Logarithms of the noise and of the odds of the loss; both are then scaled to their sums.
        tilt = rng.uniform(-0.5, 2.0, (2, len(spectra), 1))
        x = tilt * np.log(np.maximum(spectra, 1e-9)) * (start > 0)
        x = x + rng.normal(0, 1.5 * start / max(starts - 1, 1), (2, *spectra.shape))
        first, second = np.zeros_like(x), np.zeros_like(x)
        for step in range(1, steps + 1):
            value, slope = _climb(x, energy, share_of_modes, lit, excess_noise, lost_amplitude)
            best = np.maximum(best, value)
            first = 0.9 * first + 0.1 * slope
            second = 0.99 * second + 0.01 * slope**2
            rate = 0.3 if step < steps // 2 else 0.05
            unbiased = first / (1 - 0.9**step), second / (1 - 0.99**step)
            x = x + rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-12)
    return best


def _climb(
    x: Real, energy: Real, share: Real, lit: NDArray[np.bool_], excess: Real, lost: Real
) -> tuple[Real, Real]:
    """Return the leakage (n,) at logits `x` (2, n, kinds), and its slope in them."""
    e, s = _noise(x[0], share, lit, excess), _loss(x[1], energy, share, lost)
    bits = (share * _chi(energy, e, s)).sum(axis=1)
    # Slopes of each mode's χ, then those along the surface of fixed sums.
    h = 1e-4
    by_noise = share * (_chi(energy, e * (1 + h), s) - _chi(energy, e * (1 - h), s)) / (2 * h)
    weight = share * e
    price = by_noise.sum(axis=1, keepdims=True) / np.maximum(weight.sum(axis=1), 1e-300)[:, None]
    noise_slope = by_noise - price * weight
    low, high = s * (1 - h), np.minimum(s * (1 + h), 1)
    width = np.maximum(high - low, 1e-300)
    by_loss = share * (_chi(energy, e, high) - _chi(energy, e, low)) / width * s * (1 - s)
    weight = share * energy * s * (1 - s)
    price = by_loss.sum(axis=1, keepdims=True) / np.maximum(weight.sum(axis=1), 1e-300)[:, None]
    loss_slope = np.where((lost > 0)[:, None], by_loss - price * weight, 0.0)
    scale = np.maximum(bits, 1e-300)[:, None]
    return bits, np.stack([noise_slope / scale, loss_slope / scale])


def _noise(logits: Real, share: Real, lit: NDArray[np.bool_], mean: Real) -> Real:
    """Return noise ε_k of the given mean over all modes, in the modes that carry light."""
    top = np.where(lit, logits, -np.inf)
    weights = np.exp(top - top.max(axis=1, keepdims=True))
    return np.asarray(mean[:, None] * weights / (share * weights).sum(axis=1, keepdims=True))


def _loss(logits: Real, energy: Real, share: Real, mean: Real) -> Real:
    """Return losses s_k in [0, 1] of the given mean weighted by energy, by bisection."""
    if not mean.any():
        return np.zeros_like(energy)
    low, high = np.full(len(energy), -80.0), np.full(len(energy), 80.0)
    power = share * energy
    wanted = mean * power.sum(axis=1)
    for _ in range(50):
        middle = (low + high) / 2
        found = (power / (1 + np.exp(-np.clip(logits + middle[:, None], -300, 300)))).sum(axis=1)
        low, high = np.where(found < wanted, middle, low), np.where(found < wanted, high, middle)
    s = 1 / (1 + np.exp(-np.clip(logits + low[:, None], -300, 300)))
    return np.where((mean > 0)[:, None], s, 0.0)


def _near(kinds: Real, rng: np.random.Generator, number: int, loses: bool) -> Real:
    """Return `number` kinds of modes around each one, at distances of all orders."""
    spread = 10 ** rng.uniform(-4, 0.3, (1, kinds.shape[1], number))
    moved = kinds[:, :, None] * np.exp(spread * rng.standard_normal((3, *spread.shape[1:])))
    moved[2] = np.minimum(moved[2], 1.0) if loses else 0.0
    return moved.reshape(3, -1)


def _sums(kinds: Real) -> Real:
    a, e, s = kinds
    return np.stack([np.ones_like(a), a, e, a * s])


def _chi(a: Real, e: Real, s: Real) -> Real:
    return holevo_of_modulation(a, (1 - s) ** 2, e)


def random_spectra(number: int, modes: int, seed: int) -> Iterator[Real]:
    """Yield spectra of mean 1 over `modes`: flat, steep, with few components, with dark modes."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        kind = rng.integers(4)
        if kind == 0:
            energy = rng.gamma(10 ** rng.uniform(-2, 1), size=modes)
        elif kind == 1:
            energy = np.arange(1.0, modes + 1) ** -rng.uniform(0, 4)
        elif kind == 2:
            energy = np.exp(-np.arange(modes) / 10 ** rng.uniform(-0.5, 2))
        else:
            lit = rng.integers(1, modes + 1)
            energy = np.where(np.arange(modes) < lit, rng.gamma(1.0, size=modes), 0.0)
        energy = energy + 1e-300
        yield np.sort(energy / energy.mean())[::-1]
