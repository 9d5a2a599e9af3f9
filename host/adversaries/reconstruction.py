"""What a curious party can make of the light it holds: attacks that stay inside the protocol.

They make the bounds tangible, no more: none of them is optimal, and each is compared with the bound
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
    """What a server that counts photons sees of the client's direction ξ (N,) in `rows` rows.

    It displaces the returned light back by what it sent, which leaves a thermal state of
    n̄ = T_back·g/2 photons along ξ, and technical noise in every mode, and counts what clicks in
    each mode: drawn here from the Glauber–Sudarshan distribution, Poisson counts of an amplitude
    that is circular Gaussian. Returns ((columns,) estimate of |x̂|, either pixel of a mode the same,
    as counting is blind to phase; number of clicks).
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
    """What a server that homodynes sees of ξ (N,): principal components of what it did not send.

    All rows' X quadratures less their known means are white noise, but for the plane of Re ξ and
    Im ξ, where the amplifier's noise adds g to the variance. The best guess of that plane, which is
    also the likeliest one, is spanned by the two leading eigenvectors of the sample covariance.
    Returns the (columns,) estimate of |x̂|, either pixel of a mode the same.
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
    """What a client makes of one weight row after K `inferences`, unseen by the server.

    Instead of mode 1 alone it amplifies every mode, each so little that the excess noise is what
    the declared settings grant, taps, and measures both quadratures of what it tapped (heterodyne).
    The K readings are averaged and shrunk to the least mean square error for a Gaussian prior.
    Returns the estimate of the row's weights, (columns,). Loss is not used: it would give more.
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
    """A row as well known as the Holevo bound for K `inferences` allows anyone: (columns,).

    With I bits per weight no estimate of a Gaussian weight has a mean square error below
    2^(−2I) of its variance (rate-distortion); this is a sample from the channel that attains it.
    """
    bits = weight_leakage_after(
        inferences,
        link.modulation_variance,
        link.declared_transmittance,
        link.declared_excess_noise(sent.modes),
    )
    left = 2.0 ** (-2 * float(bits))
    means = sent.x[row] + 1j * sent.p[row]
    spread = left * (1 - left) * link.modulation_variance
    return unpair(((1 - left) * means + vacuum(means.shape, rng, spread)) / sent.scale, columns)
