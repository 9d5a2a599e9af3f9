"""The quantum Cramér–Rao bound on the data."""

from __future__ import annotations

from shotveil.host.leakage.bound import Real, data_bound, half_log2_1p


@data_bound(
    label="any measurement of a row",
    theorem=False,
    covers="A server that sends coherent light and measures each row as it likes.",
    order=30,
)
def qcrb(g: Real, rows: Real, modes: Real, coherent: Real) -> Real:
    """Return ½·log2(1 + 2g·M/n), n = 2N: the server may make any measurement of each row.

    The quantum Fisher information is 4n̄ = 2g for each row and tangent direction (docs/physics.md),
    there are M rows, and the prior variance is 1/n. A server attains it for the magnitudes |ξ_k| by
    displacing the light back to vacuum and counting photons. Coherent light of c photons along ξ
    adds 4c to the Fisher information.
    """
    return half_log2_1p(rows / modes * (g + 2 * coherent))
