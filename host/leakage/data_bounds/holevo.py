"""The Holevo bound on the data."""

from __future__ import annotations

import numpy as np

from shotveil.host.leakage.bound import Real, data_bound


@data_bound(
    label="anything",
    theorem=True,
    covers="A server that sends coherent light and measures all rows together as it likes.",
    order=5,
)
def holevo(g: Real, rows: Real, modes: Real) -> Real:
    """Return (M/n)·[N·t(n̄/N) − t(n̄)], t(n̄) = h(1 + 2n̄), n̄ = g/2, n = 2N.

    The server may make any collective measurement of all rows. Times n, this is what one layer
    tells in all: M·[N·t(n̄/N) − t(n̄)] bits.
    This is a theorem for coherent light and holds for any prior and any number of rows. It is loose
    for many rows, because it lets each row reveal as much as the first. It is computed as
    N·ln(1 + n̄/N) − ln(1 + n̄) + n̄·ln(1 + (N−1)/(n̄+1)), in which no large terms cancel.
    """
    n = g / 2
    nats = modes * np.log1p(n / modes) - np.log1p(n) + n * np.log1p((modes - 1) / (n + 1))
    return rows / (2 * modes) * nats / np.log(2)
