"""The optical link from sufficient statistics: it draws the results of `models.link.symbols`
directly.

Only four vectors of a row's N modes matter. Two are the measured and the unmeasured quadratures of
the row that was sent. Two are the measured and the unmeasured quadratures of ξ, which carry the
amplifier's noise and the client's own reading. The components of the server's noise along these
four are drawn jointly from their Gram matrix. The noise outside their span matters through its
energy only, which follows a χ² distribution. A row then takes a handful of normals instead of two
or more per mode, and the distribution is unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import Readout, oscillator_factor


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The inner products of directions with the rows of a layer, arrays (B, M), in SNU^(1/2).

    xp, xq: x of each row with the real and with the imaginary parts of ξ. pp, pq: p with them.
    """

    xp: Real
    xq: Real
    pp: Real
    pq: Real

    @classmethod
    def of(cls, rows: EncodedRows, xi: Complex) -> Overlaps:
        """Work them out for directions `xi`, (B, N), reading the rows as seldom as possible."""
        both = np.concatenate([xi.real, xi.imag])
        of_x, of_p = both @ rows.x.T, both @ rows.p.T
        return cls(of_x[: len(xi)], of_x[len(xi) :], of_p[: len(xi)], of_p[len(xi) :])

    def take(self, directions: NDArray[np.int64]) -> Overlaps:
        """Return those of some directions, by their numbers, which may repeat."""
        return Overlaps(*(each[directions] for each in vars(self).values()))


def read_sufficient(
    link: Link,
    rows: EncodedRows,
    xi: Complex,
    rng: np.random.Generator,
    verify: bool = True,
    overlaps: Overlaps | None = None,
) -> Readout:
    """Draw the results of `read_symbols` from the same joint distribution, in far less time.

    xi: (B, N), unit directions. The values are (B, M) and the statistics (B,). Without `verify`
    only the client's values are drawn.
    overlaps: Those of `rows` and `xi`, where they are known already.
    """
    if verify:
        return _read_both(link, rows, xi, rng, overlaps or Overlaps.of(rows, xi))
    p, q = np.ascontiguousarray(xi.real), np.ascontiguousarray(xi.imag)
    signal = p @ rows.x.T
    signal += q @ rows.p.T
    if link.phase_error:
        angle = link.phase_error * rng.standard_normal(signal.shape)
        signal = np.cos(angle) * signal - np.sin(angle) * (p @ rows.p.T - q @ rows.x.T)
    scale = link.inference_scale(rows.scale)
    signal *= scale * link.signal_at(link.gain)
    noise = rng.standard_normal(signal.shape)
    noise *= scale * math.sqrt(link.inference_variance_at(link.gain))
    signal += noise
    signal *= oscillator_factor(link.client_detector, signal.shape, rng)
    return Readout(signal, None)


def _read_both(
    link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator, overlaps: Overlaps
) -> Readout:
    gain, client, server = link.gain, link.client_detector, link.server_detector
    p, q = np.ascontiguousarray(xi.real), np.ascontiguousarray(xi.imag)
    xp, xq, pp, pq = overlaps.xp, overlaps.xq, overlaps.pp, overlaps.pq
    shape = xp.shape

    # Vectors relative to the quadrature that the server measures (a turn by −π/2 takes P to X):
    # c and e are the measured and unmeasured quadratures of the row sent, f and h those of ξ.
    # A pair of letters is an inner product: cc = c·c, fh = f·h.
    measure_p = rng.random(shape) < 0.5
    *squares, cross = rows.products
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

    # z is the noise of the server's record without ν: white, of variance σ². Drawn are its
    # components along f, h, c and, where phase errors mix it in, e, and its energy within and
    # outside their span.
    kappa2 = server.efficiency * link.transmittance_back
    sigma2 = 1 + server.electronic_noise + server.efficiency * link.excess_noise
    gram = [[ff], [fh, hh], [cf, ch, cc], [ef, eh, ce, ee]]
    (zf, zh, zc, *rest_z), energy, rank = project_noise(
        gram if link.phase_error else gram[:3], math.sqrt(sigma2), rng
    )
    freedom = rows.modes * rows.rows - rank.sum(axis=1)
    outside = np.zeros(len(xi))
    if server.oscillator_noise:  # it scales each row, whose energy has to be known by itself
        energy = energy + 2 * sigma2 * rng.standard_gamma((rows.modes - rank) / 2)
    else:
        outside = 2 * sigma2 * rng.standard_gamma(freedom / 2)

    # ν is drawn in the client's phase reference; each way then turns the phase.
    spread = math.sqrt(link.noise_quantum)
    nu_x, nu_p = spread * rng.standard_normal(shape), spread * rng.standard_normal(shape)
    if link.phase_error:
        out, back = link.phase_error * rng.standard_normal((2, *shape))
        cos_out, sin_out, cos_back, sin_back = np.cos(out), np.sin(out), np.cos(back), np.sin(back)
        cos_both, sin_both = np.cos(out + back), np.sin(out + back)
        signal = cos_out * (xp + pq) - sin_out * (pp - xq)
        unread = sin_out * (xp + pq) + cos_out * (pp - xq)
        mean_f, mean_h = cos_both * cf - sin_both * ef, cos_both * ch - sin_both * eh
        mean_c, mean_z = cos_both * cc - sin_both * ce, cos_both * zc - sin_both * rest_z[0]
        mean_2 = cos_both**2 * cc - 2 * cos_both * sin_both * ce + sin_both**2 * ee
        seen = cos_back * zf - sin_back * zh
        seen_2 = cos_back**2 * ff - 2 * cos_back * sin_back * fh + sin_back**2 * hh
    else:
        cos_back, sin_back = np.float64(1), np.float64(0)
        signal, unread = xp + pq, pp - xq
        mean_f, mean_h, mean_c, mean_z, mean_2 = cf, ch, cc, zc, cc
        seen, seen_2 = zf, ff

    # The client's reading is correlated with the server's record: both contain ν and the vacuum
    # of b, the mode that the client reads and that travels on to the server.
    from_nu = (gain - 2) / (2 * math.sqrt(gain - 1))  # Cov(X_m − √(G−1)·X_b, X_ν)/g
    rest = link.inference_variance_at(gain) / client.efficiency - from_nu**2 * link.noise_quantum
    if link.loss_imbalance:
        # A part of b itself is missing from the record, so its vacuum has to be known.
        b_x, b_p = _vacuum_of_mode(zf, zh, (ff, fh, hh), (cos_back, sin_back), kappa2, sigma2, rng)
        shared, rest = math.sqrt(gain - 1) * b_x, rest - (gain - 1)
        amplitude = math.sqrt(link.transmittance_out)
        back_x = _imbalanced(link.loss_imbalance, nu_x, amplitude * signal + b_x, rng)
        back_p = _imbalanced(link.loss_imbalance, nu_p, amplitude * unread + b_p, rng)
    else:
        from_z = math.sqrt(gain - 1) * math.sqrt(kappa2) / sigma2
        shared, rest = from_z * seen, rest - from_z**2 * sigma2 * seen_2
        back_x, back_p = nu_x, nu_p
    if link.phase_error:
        u_f, u_h = cos_back * back_x - sin_back * back_p, -(sin_back * back_x + cos_back * back_p)
    else:
        u_f, u_h = back_x, -back_p

    # The record is y = t·mean + κ·u + z with u = u_f·f + u_h·h.
    t, kappa = math.sqrt(server.efficiency * link.transmittance), math.sqrt(kappa2)
    u_2 = u_f**2 * ff + 2 * u_f * u_h * fh + u_h**2 * hh
    yy = t**2 * mean_2 + kappa2 * u_2 + energy
    yy += 2 * t * (kappa * (u_f * mean_f + u_h * mean_h) + mean_z)
    yy += 2 * kappa * (u_f * zf + u_h * zh)
    qy = t * mean_c + kappa * (u_f * cf + u_h * ch) + zc

    values = math.sqrt(gain - 1) * math.sqrt(link.transmittance_out) * signal
    values += from_nu * nu_x + shared + np.sqrt(rest) * rng.standard_normal(shape)
    values *= math.sqrt(client.efficiency) * link.inference_scale(rows.scale)
    values *= oscillator_factor(client, shape, rng)
    if server.oscillator_noise:
        factor = oscillator_factor(server, shape, rng)
        qy, yy = factor * qy, factor**2 * yy
    return Readout(
        values,
        SymbolStatistics(
            np.full(len(xi), rows.rows * rows.modes),
            cc.sum(axis=1),
            qy.sum(axis=1),
            yy.sum(axis=1) + outside,
        ),
    )


def _vacuum_of_mode(
    zf: Real,
    zh: Real,
    gram: tuple[Real, Real, Real],
    back: tuple[Real | np.float64, Real | np.float64],
    kappa2: float,
    sigma2: float,
    rng: np.random.Generator,
) -> tuple[Real, Real]:
    """Draw X and P of the vacuum in mode 1, given the components of the record's noise along it.

    zf, zh: z·f and z·h. gram: f·f, f·h and h·h. back: cos and sin of the phase of the way back.
    The record holds κ times the vacuum of every mode, so mode 1's has mean (κ/σ²)·z along it.
    """
    ff, fh, hh = gram
    cosine, sine = back
    share = math.sqrt(kappa2) / sigma2
    # Mode 1 enters the record along cos·f − sin·h with its X and along −sin·f − cos·h with its P.
    z_x, z_p = cosine * zf - sine * zh, -(sine * zf + cosine * zh)
    xx = cosine**2 * ff - 2 * cosine * sine * fh + sine**2 * hh
    pp = sine**2 * ff + 2 * sine * cosine * fh + cosine**2 * hh
    xp = sine * cosine * (hh - ff) + (sine**2 - cosine**2) * fh
    left = kappa2 / sigma2  # of a variance of 1, this much is known from z
    (x, p), _, _ = project_noise([[1 - left * xx], [-left * xp, 1 - left * pp]], 1.0, rng)
    return x + share * z_x, p + share * z_p


def _imbalanced(d: float, nu: Real, mode: Real, rng: np.random.Generator) -> Real:
    """What one quadrature of mode 1 gains if it returns with the amplitude 1 − d.

    nu: what it gains without the loss. mode: its value before.
    """
    return (1 - d) * nu - d * mode + math.sqrt(d * (2 - d)) * rng.standard_normal(nu.shape)


def project_noise(
    gram: list[list[Real]], sigma: float, rng: np.random.Generator
) -> tuple[list[Real], Real, NDArray[np.int64]]:
    """Draw white noise z along vectors v_i, given the lower triangle of their Gram matrix.

    gram: row i holds v_i·v_0 … v_i·v_i, arrays of one shape. sigma: standard deviation of z in
    SNU^(1/2). Returns v_i·z for each vector, the energy |z|² within their span, and the rank of the
    span, all of that shape. A vector that depends on earlier ones (a row of zeros, fewer modes than
    vectors) adds no dimension. The method is an element-wise Cholesky factorisation whose factor is
    applied to the normals as it is found.
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
