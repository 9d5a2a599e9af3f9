"""The least concave majorant of χ: its value from below, and planes that lie above it.

A client need not treat all modes of a row alike. It may put its allowed noise where the energy of
the weights is, and take light where little of the noise is, in any basis it likes. What the server
holds it to are three means over the modes of a row: the modulation variance A, the excess noise e,
and the lost slope A·s, s = 1 − √T, weighted by energy. The largest mean of χ over all splits with
these means is the least concave majorant of χ over (A, e, A·s): docs/physics.md, section 6.

From below (`best_split`): at the optimum at most two kinds of modes differ from dark ones. Those of
the first kind carry noise and lose no light, all alike; those of the second lose light and carry no
noise, and leak h(1 + A·(1 − T)). This gives two numbers to search, the share of the modes and that
of the energy.

From above (`planes_above`): a plane d + a·A + b·e + c·A·s that no mode exceeds lies above every
mean of modes, and so above the majorant. Its slopes are those of the split that was found; d is
the most by which a mode of either kind exceeds the rest. That no mode with both noise and loss
exceeds the plane is checked by numbers only (tests, and `MARGIN`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.weights import holevo_of_modulation, thermal_entropy

Real = NDArray[np.float64]

MARGIN = 1e-3
"""The relative height that is added to each plane, for what is checked by numbers only."""

_STEPS = 1e-4  # relative step of numerical slopes; any slopes give planes that are above
_LN2 = np.log(2.0)


class Split(NamedTuple):
    """The best split that was found, of energy, noise and loss over modes; arrays of one shape.

    bits: Mean of χ over all modes of the row, in bits per complex mode.
    noisy_modes: Share of the modes that carries all the noise.
    noisy_energy: Share of the energy in those modes. The rest loses light.
    """

    bits: Real
    noisy_modes: Real
    noisy_energy: Real


def best_split(modulation: Real, excess_noise: Real, lost_amplitude: Real) -> Split:
    """Return the best split for means (A, e, A·s), as the client would choose it.

    modulation, excess_noise: A > 0 and e > 0, SNU, shape (n,).
    lost_amplitude: s = 1 − √T in [0, 1], shape (n,).

    The search is a grid over the logits of both shares that narrows around its best point.
    """
    a, e, s = (x[:, None, None] for x in (modulation, excess_noise, lost_amplitude))
    n = len(modulation)
    low = np.stack([np.full(n, -42.0), np.full(n, -45.0)])
    high = np.stack([np.full(n, 12.0), np.full(n, 45.0)])
    for zoom in range(12):
        points = 41 if zoom == 0 else 13
        steps = np.linspace(0, 1, points)
        width = high - low
        u = low[0][:, None, None] + width[0][:, None, None] * steps[:, None]
        v = low[1][:, None, None] + width[1][:, None, None] * steps[None, :]
        # The modes that lose light need at least the share s of the energy, as s ≤ 1 in each.
        energy = np.where(s == 0, 1.0, (1 - s) * _logistic(-v))
        lossy_energy = np.where(s == 0, 0.0, s + (1 - s) * _logistic(v))
        modes, lossy_modes = _logistic(u), _logistic(-u)
        noisy = modes * holevo_of_modulation(energy * a / modes, np.float64(1), e / modes)
        bits = noisy + lossy_modes * _lossy(a * s, lossy_energy * a, lossy_modes)
        best = bits.reshape(n, -1).argmax(axis=1)
        i, j = np.unravel_index(best, bits.shape[1:])
        at = np.arange(n)
        centre = np.stack([u[at, i, 0], v[at, 0, j]])
        around = 1.5 * width / (points - 1)
        low, high = centre - around, centre + around
    found = np.broadcast_to(energy, bits.shape)[at, i, j]
    return Split(bits[at, i, j], _logistic(centre[0]), found)


def _lossy(lost_slope: Real, energy: Real, modes: Real) -> Real:
    """Return h(1 + A(1 − T)) of modes that share `energy` and `lost_slope` evenly."""
    per_mode = lost_slope / modes
    share = np.divide(lost_slope, energy, out=np.zeros(np.broadcast(lost_slope, energy).shape),
                      where=energy > 0)  # fmt: skip
    return _entropy_above_vacuum(per_mode * (2 - np.minimum(share, 1)))


def planes_above(modulation: Real, excess_noise: Real, lost_amplitude: Real) -> Real:
    """Return planes (n, 4) of coefficients (d, a, b, c) that touch the majorant near the points.

    The arguments are those of `best_split`. Where no light is lost (s = 0) the plane holds for
    channels without loss alone, and c is 0. All coefficients are ≥ 0.
    """
    split = best_split(modulation, excess_noise, lost_amplitude)
    # All light is lost where the noisy modes have no energy; their plane then follows the rest.
    energy = np.maximum(split.noisy_energy * modulation / split.noisy_modes, 1e-290)
    noise = excess_noise / split.noisy_modes
    lossless = lost_amplitude == 0
    one = np.float64(1)
    up, down = 1 + _STEPS, 1 - _STEPS
    by_energy = (
        holevo_of_modulation(energy * up, one, noise)
        - holevo_of_modulation(energy * down, one, noise)
    ) / (2 * _STEPS * energy)
    by_noise = (
        holevo_of_modulation(energy, one, noise * up)
        - holevo_of_modulation(energy, one, noise * down)
    ) / (2 * _STEPS * noise)
    lossy_energy = np.where(lossless, 1.0, (1 - split.noisy_energy) * modulation)
    slope = modulation * lost_amplitude
    share = np.minimum(slope / lossy_energy, 1)
    y = slope / (1 - split.noisy_modes) * (2 - share)
    rate = np.log2(1 + 2 / np.maximum(y, 1e-300)) / 2  # dh(1 + y)/dy
    a = np.where(lossless | (split.noisy_energy > 0.5), by_energy, rate * share**2)
    c = np.where(lossless, 0.0, rate * 2 * (1 - share))
    a, b = np.maximum(a, 0), np.maximum(by_noise, 0)
    excess = _noisy_excess(a, b, np.log(energy), np.log(noise))
    # Where dark modes are left, this is 0 but for rounding. As a factor it keeps the plane
    # homogeneous, which a constant would not.
    at_split = holevo_of_modulation(energy, one, noise)
    rounding = excess < 1e-4 * at_split
    scale = (
        1 + MARGIN + np.where(rounding & (at_split > 0), excess / np.maximum(at_split, 1e-300), 0)
    )
    d = np.maximum(np.where(rounding, 0.0, excess), np.where(lossless, 0.0, _lossy_excess(a, c)))
    return np.stack([d, a, b, c], axis=1) * scale[:, None]


def _noisy_excess(a: Real, b: Real, log_energy: Real, log_noise: Real) -> Real:
    """Return the most of χ(A, T = 1, e) − a·A − b·e over all A and e, at least 0.

    The search is a grid over both logarithms, narrowed around its best point and, since χ may have
    two hills, around the point of the split as well.
    """

    def most(low: Real, high: Real, points: int, zooms: int) -> Real:
        best = np.zeros(len(a))
        for _ in range(zooms):
            steps = np.linspace(0, 1, points)
            width = high - low
            u = low[0][:, None, None] + width[0][:, None, None] * steps[:, None]
            v = low[1][:, None, None] + width[1][:, None, None] * steps[None, :]
            x, y = np.exp(u), np.exp(v)
            excess = holevo_of_modulation(x, np.float64(1), y)
            excess = excess - a[:, None, None] * x - b[:, None, None] * y
            at = excess.reshape(len(a), -1).argmax(axis=1)
            i, j = np.unravel_index(at, excess.shape[1:])
            rows = np.arange(len(a))
            best = np.maximum(best, excess[rows, i, j])
            centre = np.stack([u[rows, i, 0], v[rows, 0, j]])
            around = 1.3 * width / (points - 1)
            low, high = centre - around, centre + around
            points = 9
        return best

    everywhere = np.full(len(a), 1.0)
    far = most(
        np.stack([-14 * everywhere, -34 * everywhere]),
        np.stack([60 * everywhere, 14 * everywhere]),
        121,
        7,
    )
    here = np.stack([log_energy, log_noise])
    return np.maximum(far, most(here - 0.5, here + 0.5, 9, 7))


def _lossy_excess(a: Real, c: Real) -> Real:
    """Return the most of h(1 + A(1 − T)) − a·A − c·A·s over all A and s, in closed form.

    For y = A(1 − T) = A·s(2 − s) the cheapest s solves c·s² + 2a·s = 2a; the cost is then r·y, and
    the most of h(1 + y) − r·y is −log2(1 − 2^(−2r)).
    """
    root = a + np.sqrt(a * a + 2 * a * c)
    s = np.divide(2 * a, root, out=np.ones_like(a), where=root > 0)
    s = np.clip(s, 1e-300, 1)
    r = np.where(a > 0, (a + c * s) / (s * (2 - s)), c / 2)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log2(-np.expm1(-2 * r * _LN2)))


def _entropy_above_vacuum(rise: Real) -> Real:
    """Return h(1 + y) in bits."""
    return thermal_entropy(rise / 2)


def _logistic(x: Real) -> Real:
    return 1 / (1 + np.exp(-x))
