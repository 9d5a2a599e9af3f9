"""The least concave majorant of χ, from above: the table of planes that bounds every client.

`host.leakage.supporting_planes` says what the majorant is. Each of its planes lies above all of it,
so the least of any few planes is an upper bound, wherever they touch. The table keeps the planes of
a grid in the logarithms of modulation, excess noise and lost amplitude; a query takes the least of
those around it. The bound exceeds the best split by at most 2 % and is never below it (tests).

The table is remade by `shotveil lab majorant`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.supporting_planes import planes_above
from shotveil.host.leakage.weights import holevo_of_modulation, thermal_entropy
from shotveil.models.common.checks import require

Real = NDArray[np.float64]

TABLE = Path(__file__).with_name("majorant.npz")

_MODULATION = np.concatenate([np.arange(-15, 40) / 5, np.arange(8, 17)])
_EXCESS_NOISE = np.arange(-45, 1) / 5
_LOST_AMPLITUDE = np.arange(-32, 1) / 4  # behind the layer for no loss at all
_CORNERS = np.array(list(product((0, 1), repeat=3)))  # of a cell of the grid
_BLOCK = 1 << 14


class PlaneTable(NamedTuple):
    """Planes that lie above the majorant.

    modulation, excess_noise, lost_amplitude: log10 of the points of the grid, ascending.
    planes: Coefficients (d, a, b, c), shape (modulation, excess_noise, 1 + lost_amplitude, 4). The
        first layer of the third axis belongs to channels without loss.
    """

    modulation: Real
    excess_noise: Real
    lost_amplitude: Real
    planes: Real


def majorant_per_mode(
    modulation: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> Real:
    """Return an upper bound on the mean of χ over the modes of a row, in bits per complex mode.

    modulation: Mean of V_A ≥ 0 over the modes, SNU; K times as much for K inferences.
    transmittance: T in [0, 1], the square of the energy-weighted mean amplitude transmittance.
    excess_noise: Mean of ε ≥ 0 over the modes, SNU.

    The arguments are broadcast. No split of energy, noise and loss over modes, in any basis, leaks
    more, as long as no mode returns amplified (T ≤ 1 in each). Raises `RangeError` for a value out
    of range.
    """
    require("modulation", modulation, at_least=0)
    require("transmittance", transmittance, at_least=0, at_most=1)
    require("excess_noise", excess_noise, at_least=0)
    a, t, e = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (modulation, transmittance, excess_noise))
    )
    bits = np.empty(a.shape)
    # Without noise there are only modes that lose light, whose χ is concave: no split gains.
    quiet = (e == 0) | (a == 0)
    bits[quiet] = holevo_of_modulation(a[quiet], t[quiet], e[quiet])
    noisy = a[~quiet], e[~quiet], (1 - t[~quiet]) / (1 + np.sqrt(t[~quiet]))
    # In blocks, so that memory stays small for any number of them.
    bits[~quiet] = np.concatenate(
        [
            _least_plane(*(v[first : first + _BLOCK] for v in noisy))
            for first in range(0, max(len(noisy[0]), 1), _BLOCK)
        ]
    )
    # The entropy of the light itself is the most that even all of it tells.
    return np.asarray(np.minimum(bits, thermal_entropy(a / 2)))[()]


def majorant_after(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return `majorant_per_mode` of K inferences with the same weights, in bits per real weight.

    inferences: K ≥ 0, how often the same weights were sent to all clients that may collude.
    modulation_variance: V_A ≥ 0 of one inference, SNU.

    As in `host.leakage.weights.weight_leakage_after`, K copies count as one of K times the
    variance. Raises `RangeError` for a value out of range.
    """
    require("inferences", inferences, at_least=0, integer=True)
    require("modulation_variance", modulation_variance, at_least=0)
    modulation = np.multiply(inferences, modulation_variance, dtype=np.float64)
    return majorant_per_mode(modulation, transmittance, excess_noise) / 2


def _least_plane(a: Real, e: Real, s: Real) -> Real:
    table = plane_table()
    lossless = s == 0
    layer = 1 + _below(table.lost_amplitude, np.where(lossless, 1.0, s))
    cells = (
        _below(table.modulation, a),
        _below(table.excess_noise, e),
        np.where(lossless, 0, layer),
    )
    last = np.array(table.planes.shape[:3]) - 1
    around = [
        np.minimum(cell + step[:, None], most)
        for cell, step, most in zip(cells, _CORNERS.T, last, strict=True)
    ]
    around[2] = np.where(lossless, 0, around[2])
    d, by_energy, by_noise, by_loss = np.moveaxis(table.planes[tuple(around)], -1, 0)
    return np.asarray((d + by_energy * a + by_noise * e + by_loss * a * s).min(axis=0))


def _below(axis: Real, values: Real) -> NDArray[np.intp]:
    """Return the index of the last point of a grid that is not above each value, at least 0."""
    return np.maximum(np.searchsorted(axis, np.log10(values), side="right") - 1, 0)


@cache
def plane_table() -> PlaneTable:
    """Return the table that comes with Shotveil."""
    with np.load(TABLE, allow_pickle=False) as kept:
        return PlaneTable(*(kept[name].astype(np.float64) for name in PlaneTable._fields))


def make_plane_table(progress: Callable[[int, int], None] = lambda done, total: None) -> PlaneTable:
    """Work the table out, which takes some minutes.

    progress: Function that is called with the number of planes done since the last call, and with
        the number of all.
    """
    lost = np.concatenate([[0.0], 10**_LOST_AMPLITUDE])
    shape = len(_MODULATION), len(_EXCESS_NOISE), len(lost)
    planes = np.empty((*shape, 4))
    noise, loss = (x.ravel() for x in np.meshgrid(10**_EXCESS_NOISE, lost, indexing="ij"))
    for i, modulation in enumerate(10.0**_MODULATION):
        for start in range(0, len(noise), 64):
            some = slice(start, start + 64)
            part = planes_above(np.full(len(noise[some]), modulation), noise[some], loss[some])
            planes[i].reshape(-1, 4)[some] = part
            progress(len(part), planes.size // 4)
    # float32 keeps the file small; rounding upward keeps the planes above.
    small = planes.astype(np.float32)
    small = np.where(small < planes, np.nextafter(small, np.float32(np.inf)), small)
    return PlaneTable(_MODULATION, _EXCESS_NOISE, _LOST_AMPLITUDE, small.astype(np.float64))


def save_plane_table(table: PlaneTable, path: Path) -> None:
    """Write `table` to `path`."""
    kept = table._asdict() | {"planes": table.planes.astype(np.float32)}
    np.savez_compressed(path, **kept)
