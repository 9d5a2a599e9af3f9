"""The Holevo bound on the data."""

from __future__ import annotations

import numpy as np
from scipy.special import xlog1py

from shotveil.host.leakage.bound import Real, data_bound

_TINY = 1e-300


@data_bound(
    label="anything",
    theorem=True,
    covers="A server that sends coherent light and measures all rows together as it likes.",
    order=5,
)
def holevo(g: Real, rows: Real, modes: Real, coherent: Real) -> Real:
    """Return (M/n)·[N·t(n̄/N) − t(n̄)], t(n̄) = h(1 + 2n̄), n̄ = g/2, n = 2N.

    The server may make any collective measurement of all rows. Times n, this is what one layer
    tells in all: M·[N·t(n̄/N) − t(n̄)] bits.
    This is a theorem for coherent light and holds for any prior and any number of rows. It is loose
    for many rows, because it lets each row reveal as much as the first. It is computed as
    N·ln(1 + n̄/N) − ln(1 + n̄) + n̄·ln(1 + (N−1)/(n̄+1)), in which no large terms cancel.

    Coherent light of at most c photons along ξ changes no entropy given ξ, and makes the row's mean
    number of photons n̄ + c: the bound is then (M/n)·[N·t((n̄+c)/N) − t(n̄)] (docs/physics.md).
    """
    n = g / 2
    most = n + coherent
    nats = modes * np.log1p(most / modes) - np.log1p(n) + n * np.log1p((modes - 1) / (n + 1))
    # Both terms are 0 without coherent light; divisors are kept from underflow.
    nats += coherent * np.log1p(modes / np.maximum(most, _TINY))
    nats += xlog1py(n, -coherent / np.maximum(most, _TINY) * modes / (n + modes))
    return rows / (2 * modes) * nats / np.log(2)
