"""The bounds that budgets are held against: names of the catalogue."""

from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUNDS
from shotveil.host.leakage.default_bounds import DATA_BOUND, WEIGHT_BOUND


def test_what_they_cover():
    assert (DATA_BOUND, WEIGHT_BOUND) == ("qcrb", "holevo")
    assert WEIGHT_BOUNDS[WEIGHT_BOUND].theorem
    # Each row is measured on its own; the bound on joint measurements is far above what is done.
    assert DATA_BOUNDS[DATA_BOUND].label == "any measurement of a row"
