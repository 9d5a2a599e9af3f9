"""The server's statistics mode by mode: four sums for each mode instead of one pooled set.

Only the server's record is drawn jointly over its modes. The client's values are drawn from their
own distribution, independently of the server's record. Neither party can notice, because neither
sees the other's record of the same light.
"""

from __future__ import annotations

import math

import numpy as np

from shotveil.models.link.encoding import Complex, EncodedRows
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.sufficient import project_noise, read_sufficient
from shotveil.models.link.symbols import Readout, homodyne, transmit


def read_per_mode(link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator) -> Readout:
    """Like `read_sufficient` for B directions ξ (B, N), but with statistics per mode, shape (N,).

    The statistics are sums over images and rows. In mode k the record is
    y = t·q + κ·(α·Re ξ_k + β·Im ξ_k) + z, where each image and row has its own α, β ~ N(0, g),
    whichever quadrature is measured. Given α and β, the noise z is white and independent from mode
    to mode. Its components along q and along the amplifier's noise, and its energy outside their
    span, are therefore sufficient. Phase errors turn signal into noise row by row, so with them
    every symbol is drawn, and so it is with a loss imbalance or a noisy oscillator.
    """
    if link.phase_error or link.loss_imbalance or link.server_detector.oscillator_noise:
        return read_per_mode_symbols(link, rows, xi, rng)
    server = link.server_detector
    values = read_sufficient(link, rows, xi, rng, verify=False).values
    shape = values.shape
    p, q = np.ascontiguousarray(xi.real), np.ascontiguousarray(xi.imag)
    spread = math.sqrt(link.noise_quantum * server.efficiency * link.transmittance_back)
    alpha, beta = spread * rng.standard_normal((2, *shape))
    measure_p = rng.random(shape) < 0.5

    # Sums over rows of α·q and β·q for each image and mode, where q is the measured quadrature.
    alpha_q = (alpha * ~measure_p) @ rows.x + (alpha * measure_p) @ rows.p
    beta_q = (beta * ~measure_p) @ rows.x + (beta * measure_p) @ rows.p
    qa = np.sum(p * alpha_q + q * beta_q, axis=0)
    aa = np.sum(alpha**2, axis=1) @ p**2
    aa += 2 * np.sum(alpha * beta, axis=1) @ (p * q)
    aa += np.sum(beta**2, axis=1) @ q**2
    often = measure_p.sum(axis=0).astype(np.float64)
    qq = (len(xi) - often) @ rows.x**2 + often @ rows.p**2

    sigma2 = 1 + server.electronic_noise + server.efficiency * link.excess_noise
    (zq, za), energy, rank = project_noise([[qq], [qa, aa]], math.sqrt(sigma2), rng)
    # A single symbol spans one dimension, even if rounding makes the rank look like two.
    outside = 2 * sigma2 * rng.standard_gamma(np.maximum(values.size - rank, 0) / 2)
    t = math.sqrt(server.efficiency * link.transmittance)
    count = np.full(rows.modes, values.size, dtype=np.int64)
    qy = t * qq + qa + zq
    yy = t**2 * qq + 2 * t * (qa + zq) + aa + 2 * za + energy + outside
    # Where a single symbol is near 0 the terms cancel. Rounding must not break (Σqy)² ≤ Σq²·Σy².
    yy = np.maximum(yy, np.divide(qy**2, qq, out=np.zeros_like(qq), where=qq > 0))
    return Readout(values, SymbolStatistics(count, qq, qy, yy))


def read_per_mode_symbols(
    link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator
) -> Readout:
    """Like `read_per_mode`, but every symbol is drawn: the slow reference for the fast path."""
    sent = rows.x + 1j * rows.p
    values = np.empty((len(xi), rows.rows))
    sums = np.zeros((3, rows.modes))
    for image, direction in enumerate(xi):
        light = transmit(link, sent, direction, rng)
        values[image] = light.inference
        measure_p = rng.random(rows.rows) < 0.5
        y = homodyne(link, light.returned, measure_p, rng)
        q = np.where(measure_p[:, None], sent.imag, sent.real)
        sums += np.sum(q * q, axis=0), np.sum(q * y, axis=0), np.sum(y * y, axis=0)
    values *= link.inference_scale(rows.scale)
    count = np.full(rows.modes, values.size, dtype=np.int64)
    return Readout(values, SymbolStatistics(count, *sums))
