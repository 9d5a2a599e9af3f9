"""All bounds by name, from the files of `data_bounds` and `weight_bounds`.

Commands, tables, pictures, reports, budgets and ledgers all take bounds from here; there is no
other list of their names.
"""

from __future__ import annotations

from collections.abc import Mapping

from shotveil.host.leakage.bound import DataBound, Kind, SpectrumBound, WeightBound
from shotveil.host.leakage.default_bounds import CERTIFIED_BOUND, DATA_BOUND, WEIGHT_BOUND
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import members

__all__ = [
    "CERTIFIED_BOUND",
    "DATA_BOUND",
    "DATA_BOUNDS",
    "FURTHER_WEIGHT_BOUNDS",
    "SPECTRUM_BOUNDS",
    "WEIGHT_BOUND",
    "WEIGHT_BOUNDS",
    "data_bound",
    "weight_bound",
]


def bounds_in(room: str, kind: type[Kind]) -> dict[str, Kind]:
    """Return the bounds of type `kind` that the files of package `room` define, by name, sorted."""
    return dict(sorted(members(room, kind).items(), key=lambda item: (item[1].order, item[0])))


DATA_BOUNDS = bounds_in("shotveil.host.leakage.data_bounds", DataBound)
WEIGHT_BOUNDS = bounds_in("shotveil.host.leakage.weight_bounds", WeightBound)

FURTHER_WEIGHT_BOUNDS = {
    name: bound for name, bound in WEIGHT_BOUNDS.items() if name != WEIGHT_BOUND
}
"""Those that are shown beside the one that budgets are held against."""

SPECTRUM_BOUNDS = bounds_in("shotveil.host.leakage.weight_bounds", SpectrumBound)
"""Those that depend on the weights, and are shown where a network is at hand."""


def data_bound(name: str) -> DataBound:
    """Return the data bound called `name`. Raises `RangeError` where there is none."""
    return _named(name, DATA_BOUNDS, "data")


def weight_bound(name: str) -> WeightBound:
    """Return the weight bound called `name`. Raises `RangeError` where there is none."""
    return _named(name, WEIGHT_BOUNDS, "weight")


def _named(name: str, bounds: Mapping[str, Kind], of: str) -> Kind:
    if name not in bounds:
        raise RangeError(f"{of} bound = {name!r} is none of {', '.join(bounds)}")
    return bounds[name]
