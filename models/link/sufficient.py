"""The optical link from sufficient statistics: the results of `models.link.symbols`, drawn
directly.

Of the N modes of a row only four directions matter: the measured and the unmeasured quadratures of
what was sent, and the measured and unmeasured quadratures of ξ, along which the amplifier's noise
lies and from which the client's own reading comes. The server's noise has a component along each
of them, drawn jointly from their Gram matrix; the noise outside their span enters through its
energy alone, which is χ² distributed. That leaves a handful of normals a row instead of two or
more a mode, with the distribution unchanged.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import Readout, inference_scale


def read_sufficient(
    link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator, verify: bool = True
) -> Readout:
    """Draw what `read_symbols` measures, from the same joint distribution, in far less time.

    xi: (B, N) unit directions. Without `verify` only the client's values are drawn.
    """
    if verify:
        return _read_both(link, rows, xi, rng)
    p, q = np.ascontiguousarray(xi.real), np.ascontiguousarray(xi.imag)
    signal = p @ rows.x.T
    signal += q @ rows.p.T
    if link.phase_error:
        angle = link.phase_error * rng.standard_normal(signal.shape)
        signal = np.cos(angle) * signal - np.sin(angle) * (p @ rows.p.T - q @ rows.x.T)
    scale = inference_scale(link, rows)
    signal *= scale * link.signal_at(link.gain)
    noise = rng.standard_normal(signal.shape)
    noise *= scale * math.sqrt(link.inference_variance_at(link.gain))
    signal += noise
    return Readout(signal, None)


def _read_both(link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator) -> Readout:
    gain, client, server = link.gain, link.client_detector, link.server_detector
    p, q = np.ascontiguousarray(xi.real), np.ascontiguousarray(xi.imag)
    xp, xq, pp, pq = p @ rows.x.T, q @ rows.x.T, p @ rows.p.T, q @ rows.p.T
    shape = xp.shape

    # In the frame of the quadrature that the server measures (a turn by −π/2 takes P to X):
    # c the row sent, e its other quadrature, f and h those of ξ.
    measure_p = rng.random(shape) < 0.5
    squares = np.einsum("rk,rk->r", rows.x, rows.x), np.einsum("rk,rk->r", rows.p, rows.p)
    cross = np.einsum("rk,rk->r", rows.x, rows.p)
    xi_p, xi_q = np.einsum("bk,bk->b", p, p)[:, None], np.einsum("bk,bk->b", q, q)[:, None]
    xi_cross = np.einsum("bk,bk->b", p, q)[:, None]
    cc = np.where(measure_p, squares[1], squares[0])
    ee = np.where(measure_p, squares[0], squares[1])
    ce = np.where(measure_p, -cross, cross)
    ff = np.where(measure_p, xi_q, xi_p)
    hh = np.where(measure_p, xi_p, xi_q)
    fh = np.where(measure_p, -xi_cross, xi_cross)
    cf, ch = np.where(measure_p, pq, xp), np.where(measure_p, -pp, xq)
    ef, eh = np.where(measure_p, -xq, pp), np.where(measure_p, xp, pq)

    # Noise z of the server's record without ν: white, of variance σ². Its components along f, h, c
    # and, where phases mix it in, e; then its energy within and outside their span.
    kappa2 = server.efficiency * link.transmittance_back
    sigma2 = 1 + server.electronic_noise + server.efficiency * link.excess_noise
    gram = [[ff], [fh, hh], [cf, ch, cc], [ef, eh, ce, ee]]
    (zf, zh, zc, *rest_z), energy, rank = project_noise(
        gram if link.phase_error else gram[:3], math.sqrt(sigma2), rng
    )
    freedom = rows.modes * rows.rows - rank.sum(axis=1)
    outside = 2 * sigma2 * rng.standard_gamma(freedom / 2)

    # ν in the client's frame, and the phases of either way.
    spread = math.sqrt(link.noise_quantum)
    nu_x, nu_p = spread * rng.standard_normal(shape), spread * rng.standard_normal(shape)
    if link.phase_error:
        out, back = link.phase_error * rng.standard_normal((2, *shape))
        cos_out, sin_out, cos_back, sin_back = np.cos(out), np.sin(out), np.cos(back), np.sin(back)
        cos_both, sin_both = np.cos(out + back), np.sin(out + back)
        signal = cos_out * (xp + pq) - sin_out * (pp - xq)
        mean_f, mean_h = cos_both * cf - sin_both * ef, cos_both * ch - sin_both * eh
        mean_c, mean_z = cos_both * cc - sin_both * ce, cos_both * zc - sin_both * rest_z[0]
        mean_2 = cos_both**2 * cc - 2 * cos_both * sin_both * ce + sin_both**2 * ee
        u_f, u_h = cos_back * nu_x - sin_back * nu_p, -(sin_back * nu_x + cos_back * nu_p)
        seen = cos_back * zf - sin_back * zh
        seen_2 = cos_back**2 * ff - 2 * cos_back * sin_back * fh + sin_back**2 * hh
    else:
        signal = xp + pq
        mean_f, mean_h, mean_c, mean_z, mean_2 = cf, ch, cc, zc, cc
        u_f, u_h = nu_x, -nu_p
        seen, seen_2 = zf, ff

    # y = t·mean + κ·u + z with u = u_f·f + u_h·h.
    t, kappa = math.sqrt(server.efficiency * link.transmittance), math.sqrt(kappa2)
    u_2 = u_f**2 * ff + 2 * u_f * u_h * fh + u_h**2 * hh
    yy = t**2 * mean_2 + kappa2 * u_2 + energy
    yy += 2 * t * (kappa * (u_f * mean_f + u_h * mean_h) + mean_z)
    yy += 2 * kappa * (u_f * zf + u_h * zh)
    qy = t * mean_c + kappa * (u_f * cf + u_h * ch) + zc

    # The client's reading shares ν with the server, and through b the vacuum that travels on.
    from_nu = (gain - 2) / (2 * math.sqrt(gain - 1))  # Cov(X_m − √(G−1)·X_b, X_ν)/g
    from_z = math.sqrt(gain - 1) * kappa / sigma2
    rest = (
        link.inference_variance_at(gain) / client.efficiency
        - from_nu**2 * link.noise_quantum
        - from_z**2 * sigma2 * seen_2
    )
    values = math.sqrt(gain - 1) * math.sqrt(link.transmittance_out) * signal
    values += from_nu * nu_x + from_z * seen + np.sqrt(rest) * rng.standard_normal(shape)
    values *= math.sqrt(client.efficiency) * inference_scale(link, rows)
    return Readout(
        values,
        SymbolStatistics(
            np.full(len(xi), rows.rows * rows.modes),
            cc.sum(axis=1),
            qy.sum(axis=1),
            yy.sum(axis=1) + outside,
        ),
    )


def project_noise(
    gram: list[list[Real]], sigma: float, rng: np.random.Generator
) -> tuple[list[Real], Real, NDArray[np.int64]]:
    """Components of white noise along vectors known by the lower triangle of their Gram matrix.

    Returns v_i·z for each vector, the energy |z|² inside their span, and the span's rank: vectors
    that depend on earlier ones (a row of zeros, fewer modes than vectors) add no dimension. It is
    an element-wise Cholesky factorisation, the factor applied to normals as it is found.
    """
    shape = gram[0][0].shape
    factor: list[list[Real]] = []
    normals: list[Real] = []
    components: list[Real] = []
    energy, rank = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for row in gram:
        line: list[Real] = []
        for j, column in enumerate(factor):
            left = row[j] - sum((line[k] * column[k] for k in range(j)), np.zeros(shape))
            line.append(np.divide(left, column[j], out=np.zeros(shape), where=column[j] > 0))
        pivot2 = row[-1] - sum((entry**2 for entry in line), np.zeros(shape))
        new = pivot2 > 1e-9 * row[-1]
        line.append(np.sqrt(pivot2, out=np.zeros(shape), where=new))
        factor.append(line)
        normals.append(sigma * rng.standard_normal(shape))
        components.append(sum((a * n for a, n in zip(line, normals, strict=True)), np.zeros(shape)))
        energy += np.where(new, normals[-1] ** 2, 0.0)
        rank += new
    return components, energy, rank
