"""The data bound of the paper's first version."""

from __future__ import annotations

from shotveil.host.leakage.bound import Real, data_bound, half_log2_1p


@data_bound(
    label="homodyning, arXiv v1",
    theorem=False,
    covers="A server that homodynes coherent light, as arXiv v1 printed it.",
    order=10,
)
def crb_v1(g: Real, rows: Real, modes: Real, coherent: Real) -> Real:
    """Return ½·log2(1 + 2N·x²·I), I = 2g²x²/σ⁸, σ² = 1 + g·x², at x² = 1/N, as in arXiv v1.

    The formula takes the number of rows to be the number of elements, so `rows` does not enter.
    σ⁸ = (σ²)⁴ is as printed there; a Gaussian variance has σ⁴, which changes the result by 0.2 % at
    N = 392. The mean of coherent light of c photons along ξ adds 4c/σ², which v1 does not print.
    Source: arXiv:2408.05629v1.
    """
    x2 = 1 / modes
    information = 2 * g**2 * x2 / (1 + g * x2) ** 4 + 4 * coherent / (1 + g * x2)
    return half_log2_1p(2 * modes * x2 * information + 0 * rows)
