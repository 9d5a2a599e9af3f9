"""Reconstructions by curious parties, who follow the protocol and analyse the light they hold.

They only illustrate the bounds. None of them is optimal, and each is shown together with the bound
that covers every attack of its kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.weights import weight_leakage_after
from shotveil.models.common.checks import require
from shotveil.models.link.amplifier import inference_noise
from shotveil.models.link.encoding import EncodedRows, Real, unpair
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import amplify_and_tap, transmit, vacuum


def image_by_photon_counting(
    link: Link, xi: np.ndarray, rows: int, columns: int, rng: np.random.Generator
) -> tuple[Real, int]:
    """Estimate the client's direction ξ, shape (N,), as a server that counts photons would.

    Return the estimate of |x̂|, shape (columns,), and the number of clicks. Both pixels of a mode
    get the same value, because counting does not see the phase.
    """
    clicks = photon_counts(link, xi[None], rows, rng)[0]
    share = np.sqrt(clicks / max(1, clicks.sum()) / 2)
    return unpair(share + 1j * share, columns), int(clicks.sum())


def photon_counts(
    link: Link,
    xi: np.ndarray,
    rows: int,
    rng: np.random.Generator,
    coherent: float | Real = 0.0,
) -> NDArray[np.int64]:
    """Draw what a server that counts photons counts in each mode, in all `rows` rows together.

    xi: Directions of the client's data, shape (images, N); the counts have the same shape.
    coherent: Photons, a number or shape (images,), that leave the client along ξ in all rows
        together because of its loss imbalance.

    The server displaces the returned light back by what it sent. This leaves a thermal state of
    n̄ = T_back·g/2 photons along ξ, on that coherent light, and technical noise of ε/2 photons in
    every mode. The counts follow the Glauber–Sudarshan distribution: Poisson counts of a circular
    Gaussian amplitude. Of the noise in the rows' amplitudes a of one mode, the part along a adds to
    ‖a‖·ξ_k, and its energy elsewhere is a gamma variable, so no row has to be drawn on its own.
    """
    quantum = link.transmittance_back * link.returned_noise_quantum_at(link.gain) / 2
    shift = link.transmittance_back * np.broadcast_to(coherent, (len(xi),))[:, None]
    if np.any(shift):
        # |a|² of complex Gaussians about means: half of a noncentral χ², by their number.
        along = np.sqrt(quantum / 2 * rng.noncentral_chisquare(2 * rows, 2 * shift / quantum))
    else:
        along = np.sqrt(quantum * rng.standard_gamma(rows, (len(xi), 1)))
    intensity = np.abs(along * xi + vacuum(xi.shape, rng, link.excess_noise / 4)) ** 2
    intensity += link.excess_noise / 2 * rng.standard_gamma(rows - 1, xi.shape)
    return rng.poisson(link.server_detector.efficiency * intensity)


@dataclass(frozen=True)
class GuessedLabels:
    """What a server that counts photons learns of the labels of images.

    images, known: Number of images that were guessed, and of others that the server knew.
    right: Fraction of the labels that were guessed right.
    chance: Fraction that a server without any light guesses right: always the commonest label.
    bits: Bits learned of a label, as a mean: what the server's probabilities tell beyond the
        frequencies of the labels. It is below 0 where the server trusts a wrong guess too much.
    clicks: Mean number of photons that it counted for an image.
    """

    images: int
    known: int
    right: float
    chance: float
    bits: float
    clicks: float


def labels_by_photon_counting(
    link: Link,
    xi: np.ndarray,
    labels: NDArray[np.integer],
    rows: int,
    rng: np.random.Generator,
    most: int = 1000,
    coherent: float | Real = 0.0,
) -> GuessedLabels:
    """Guess the labels of images from the photons that return in a layer of `rows` rows.

    xi: Directions of at least two images, shape (images, N). labels: Their labels, shape (images,).
    most: Number of images to guess; they are the first.
    coherent: Photons along each image that a loss imbalance returns, as `photon_counts` takes them.

    The server knows all images but the one that it guesses, with their labels. It takes the
    client's image to be like one of them: image j has the likelihood Π_k q_jk^{n_k} of counts n,
    where q_jk is the share of mode k in the light expected from it. The probability of a label is
    the sum over the images with that label, mixed with a little of the label's frequency. Every
    share gets a hundredth of 1/N, so that a single photon in a place where an image is dark does
    not rule that image out. Raises `RangeError` for less than two images.
    """
    require("images", len(xi), at_least=2)
    coherent = np.broadcast_to(coherent, (len(xi),))
    counts = photon_counts(link, xi[:most], rows, rng, coherent[:most])
    guessed, modes = counts.shape
    signal = link.returned_noise_quantum_at(link.gain) / 2 + float(coherent.mean()) / rows
    signal *= link.transmittance_back
    floor = link.excess_noise / 2 + 0.01 * signal / modes
    rates = signal * np.abs(xi) ** 2 + floor
    shares = np.log(rates / rates.sum(axis=1, keepdims=True))
    likelihood = counts @ shares.T
    own = np.arange(guessed)
    likelihood[own, own] = -np.inf
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    classes, label = np.unique(labels, return_inverse=True)
    of_class = label[:, None] == np.arange(len(classes))
    prior = of_class.mean(axis=0)
    posterior = likelihood @ of_class / likelihood.sum(axis=1, keepdims=True)
    # The image may be like none that the server knows, the more likely so the fewer it knows.
    doubt = 1 / math.sqrt(len(xi))
    posterior = (1 - doubt) * posterior + doubt * prior
    truth = label[:guessed]
    return GuessedLabels(
        guessed,
        len(xi) - 1,
        float((posterior.argmax(axis=1) == truth).mean()),
        float(np.bincount(truth).max() / guessed),
        float(np.mean(np.log2(posterior[own, truth] / prior[truth]))),
        float(counts.sum(axis=1).mean()),
    )


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
    if len(noise) < sent.modes:  # the same vectors, from far fewer numbers
        plane = np.linalg.svd(noise, full_matrices=False)[2][:2].T
    else:
        plane = np.linalg.eigh(noise.T @ noise)[1][:, -2:]
    share = np.sqrt((plane**2).sum(axis=1) / 4)
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
