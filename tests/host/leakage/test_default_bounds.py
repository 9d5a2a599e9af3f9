"""The bounds that budgets are held against: names of the catalogue."""

from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUNDS
from shotveil.host.leakage.default_bounds import DATA_BOUND, WEIGHT_BOUND


def test_what_they_cover():
    assert (DATA_BOUND, WEIGHT_BOUND) == ("holevo", "holevo")
    assert WEIGHT_BOUNDS[WEIGHT_BOUND].theorem
    # An estimate may lie below what an attack reaches, so no budget counts one unless it is told.
    assert DATA_BOUNDS[DATA_BOUND].theorem
    assert next(iter(DATA_BOUNDS)) == DATA_BOUND
