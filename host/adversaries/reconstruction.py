"""Reconstructions by curious parties, who follow the protocol and analyse the light they hold.

They only illustrate the bounds. None of them is optimal, and each is shown together with the bound
that covers every attack of its kind.
"""

from __future__ import annotations

import math

import numpy as np

from shotveil.host.leakage.weights import weight_leakage_after
from shotveil.models.link.amplifier import inference_noise
from shotveil.models.link.encoding import EncodedRows, Real, unpair
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import amplify_and_tap, transmit, vacuum


def image_by_photon_counting(
    link: Link, xi: np.ndarray, rows: int, columns: int, rng: np.random.Generator
) -> tuple[Real, int]:
    """Estimate the client's direction ξ, shape (N,), as a server that counts photons would.

    The server displaces the returned light of `rows` rows back by what it sent. This leaves a
    thermal state of n̄ = T_back·g/2 photons along ξ, and technical noise in every mode. It then
    counts the photons in each mode. The counts are drawn from the Glauber–Sudarshan distribution:
    Poisson counts of a circular Gaussian amplitude.

    Return the estimate of |x̂|, shape (columns,), and the number of clicks. Both pixels of a mode
    get the same value, because counting does not see the phase.
    """
    quantum = link.transmittance_back * link.noise_quantum / 2
    along = vacuum((rows, 1), rng, quantum / 2) * xi
    everywhere = vacuum((rows, len(xi)), rng, link.excess_noise / 4)
    intensity = (np.abs(along + everywhere) ** 2).sum(axis=0)
    clicks = rng.poisson(link.server_detector.efficiency * intensity)
    share = np.sqrt(clicks / max(1, clicks.sum()) / 2)
    return unpair(share + 1j * share, columns), int(clicks.sum())


def image_by_homodyning(
    link: Link, sent: EncodedRows, xi: np.ndarray, columns: int, rng: np.random.Generator
) -> Real:
    """Estimate the client's direction ξ, shape (N,), as a server that homodynes would.

    The server subtracts the known means from the X quadratures of all rows. The rest is white
    noise, except in the plane of Re ξ and Im ξ, where the amplifier's noise adds g to the variance.
    The maximum-likelihood estimate of that plane is spanned by the two leading eigenvectors of the
    sample covariance. Return the estimate of |x̂|, shape (columns,), with the same value for both
    pixels of a mode.
    """
    means = sent.x + 1j * sent.p
    noise = (transmit(link, means, xi, rng).returned - math.sqrt(link.transmittance) * means).real
    _, vectors = np.linalg.eigh(noise.T @ noise)
    share = np.sqrt((vectors[:, -2:] ** 2).sum(axis=1) / 4)
    return unpair(share + 1j * share, columns)


def row_by_amplifying(
    link: Link,
    sent: EncodedRows,
    row: int,
    columns: int,
    inferences: int,
    rng: np.random.Generator,
) -> Real:
    """Estimate one weight row as a client can in K `inferences` without being noticed.

    Instead of only mode 1, the client amplifies every mode, each so little that the excess noise is
    the declared one. It taps the light and measures both quadratures (heterodyne detection). The K
    readings are averaged and scaled to the least mean square error for a Gaussian prior. Return the
    estimate of the row's weights, shape (columns,). The client could learn more from the light that
    is lost, which this attack does not use.
    """
    means = sent.x[row] + 1j * sent.p[row]
    excess = link.declared_excess_noise(sent.modes)
    gain = 2 / (2 - min(excess, 1.9))  # noise_quantum(gain) = excess
    signal = math.sqrt((gain - 1) / 2)
    total = np.zeros_like(means)
    for _ in range(inferences):
        tapped, _ = amplify_and_tap(means + vacuum(means.shape, rng), gain, rng)
        total += (tapped + vacuum(means.shape, rng)) / math.sqrt(2)
    reading = total / (inferences * signal)
    # Both quadratures are measured, with half of the light each.
    noise = inference_noise(gain, efficiency=0.5) / inferences
    shrink = link.modulation_variance / (link.modulation_variance + noise)
    return unpair(shrink * reading / sent.scale, columns)


def row_at_the_bound(
    link: Link,
    sent: EncodedRows,
    row: int,
    columns: int,
    inferences: int,
    rng: np.random.Generator,
) -> Real:
    """Return an estimate of a row, shape (columns,), as good as the Holevo bound for K allows.

    With I bits per weight, no estimate of a Gaussian weight has a mean square error below 2^(−2I)
    of its variance (rate-distortion theory). The result is a sample from the channel that attains
    this limit for K = `inferences`.
    """
    bits = weight_leakage_after(
        inferences,
        link.modulation_variance,
        link.declared_transmittance_at(sent.modes),
        link.declared_excess_noise(sent.modes),
    )
    left = 2.0 ** (-2 * float(bits))
    means = sent.x[row] + 1j * sent.p[row]
    spread = left * (1 - left) * link.modulation_variance
    return unpair(((1 - left) * means + vacuum(means.shape, rng, spread)) / sent.scale, columns)
