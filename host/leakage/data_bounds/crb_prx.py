"""The data bound of the published paper."""

from __future__ import annotations

from shotveil.host.leakage.bound import Real, data_bound, half_log2_1p


@data_bound(
    label="homodyning, PRX",
    theorem=False,
    covers="A server that homodynes coherent light; not one that counts photons.",
    order=20,
)
def crb_prx(g: Real, rows: Real, modes: Real, coherent: Real) -> Real:
    """Return ½·log2(1 + (M/N)·g²/(1+g)): the server homodynes both quadratures of every mode.

    The Fisher information is 2g²/(1+g) for each row and tangent direction, there are M rows, and
    the prior variance is 1/(2N). The formula is generous to a server that homodynes, since
    measuring both quadratures has a penalty in reality. It is no bound on a server that counts
    photons: see `qcrb`. The mean of coherent light of c photons along ξ adds 4c.
    Source: Sulimany et al., PRX 15, 041056 (2025).
    """
    noise = rows / modes * g**2 / (1 + g)
    return half_log2_1p(noise + 2 * coherent * rows / modes)
