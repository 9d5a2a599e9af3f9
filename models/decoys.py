"""Decoy rows: light that carries no weights, and that a client cannot tell from light that does."""

from __future__ import annotations

import numpy as np

from models.checks import require
from models.encoding import EncodedRows


def decoy_rows(rows: EncodedRows, number: int, rng: np.random.Generator) -> EncodedRows:
    """Draw `number` Gaussian rows with the second moments of `rows`, mean photon number included.

    A quadrature has the layer's mean square in that quadrature, times the power of a row picked at
    random over the mean: dark columns stay dark, and strong and weak rows are as frequent as among
    the weights. Which rows are decoys is then hidden from anybody who knows no more of the weights
    than these moments. Raises `RangeError` unless number is an integer ≥ 1.
    """
    require("number of decoy rows", number, at_least=1, integer=True)
    powers = np.sum(rows.x**2 + rows.p**2, axis=1)
    factor = np.sqrt(rng.choice(powers, number) / powers.mean())[:, None]
    spread_x, spread_p = (np.sqrt(np.mean(part**2, axis=0)) for part in (rows.x, rows.p))
    x, p = rng.standard_normal((2, number, rows.modes))
    return EncodedRows(x * spread_x * factor, p * spread_p * factor, rows.scale)
