"""The quantum Cramér–Rao bound on the data."""

from __future__ import annotations

from shotveil.host.leakage.bound import Real, data_bound, half_log2_1p


@data_bound(
    label="any measurement of a row",
    theorem=False,
    covers="A server that sends coherent light and measures each row as it likes.",
    order=30,
)
def qcrb(g: Real, rows: Real, modes: Real) -> Real:
    """½·log2(1 + 2g·M/n), n = 2N: any measurement on each row.

    Quantum Fisher information 4n̄ = 2g per row and tangent direction (docs/physics.md), M rows,
    prior variance 1/n. Displacing the light back to vacuum and counting photons attains it for the
    magnitudes |ξ_k|.
    """
    return half_log2_1p(rows / modes * g)
