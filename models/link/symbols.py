"""The optical link symbol by symbol: every mode of every row is a complex amplitude in SNU^(1/2).

An amplitude is A = X + iP; vacuum has variance 1 in each quadrature. Vacuum enters with the
coherent light itself, at every loss, at the amplifier's idler, at the open port of the tap and at
both detectors. This is the slow reference; `models.link.sufficient` draws the same results from
their sufficient statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.detector import Detector
from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

SYMBOLS_IN_BLOCK = 1 << 15  # 512 KiB per array, so that several arrays fit a core's cache


@dataclass(frozen=True, eq=False)
class Readout:
    """The results of both parties for B images and the M rows of a layer.

    values: (B, M), the client's estimates of w·x̂ in the unit of the weights.
    statistics: the server's sums over verified symbols, of shape (B,), or (N,) if kept per mode;
        None if nothing was verified.
    """

    values: Real
    statistics: SymbolStatistics | None


@dataclass(frozen=True, eq=False)
class Transmission:
    """Light after one pass through the loop, in SNU^(1/2).

    inference: (...), X as the client's homodyne detector records it.
    returned: (..., N), amplitudes at the server's input, before its own detector.
    added: (...), what the client's optics added in the direction ξ: the noise ν, and with a loss
        imbalance what the tapped mode lost.
    """

    inference: Real
    returned: Complex
    added: Complex


def vacuum(shape: tuple[int, ...], rng: np.random.Generator, variance: float = 1.0) -> Complex:
    """Circular Gaussian amplitudes of the given `shape`, of `variance` (SNU) per quadrature."""
    parts = rng.standard_normal((*shape, 2))
    if variance != 1:
        parts *= math.sqrt(variance)
    return parts.view(np.complex128)[..., 0]


def transmit(link: Link, sent: Complex, xi: Complex, rng: np.random.Generator) -> Transmission:
    """Send coherent amplitudes (..., N) once through the loop of a client with ξ (..., N).

    `sent` and `xi` broadcast against each other; ξ has unit norm along its last axis. Source:
    PRX 15, 041056; each step below is one line of the derivation in docs/physics.md.
    """
    # At the server's output, coherent light is its mean plus vacuum.
    light = vacuum(np.broadcast_shapes(sent.shape, xi.shape), rng)
    light += sent
    return pass_through(link, light, xi, rng)


def pass_through(link: Link, light: Complex, xi: Complex, rng: np.random.Generator) -> Transmission:
    """Like `transmit`, for light of any state: (..., N) samples of its amplitudes with their noise.

    `light` is overwritten; ξ broadcasts to its shape.
    """
    # Loss mixes in vacuum.
    light = _attenuate(light, link.transmittance_out, 0.0, rng)
    light = _drift(light, link.phase_error, rng)

    # The client's U takes ⟨ξ, a⟩ into mode 1. The other modes come back through U† unchanged, so
    # the client only adds ξ·ν to the light, where ν is the change of mode 1.
    one = np.einsum("...k,...k->...", xi.conj(), light)
    tapped, kept = amplify_and_tap(one, link.gain, rng)
    if link.loss_imbalance:
        kept = _attenuate(kept, (1 - link.loss_imbalance) ** 2, 0.0, rng)
    nu = kept - one
    detector = link.client_detector
    noise = rng.standard_normal(light.shape[:-1])
    inference = math.sqrt(detector.efficiency) * tapped.real
    inference += math.sqrt(1 - detector.efficiency + detector.electronic_noise) * noise
    inference *= oscillator_factor(detector, inference.shape, rng)

    light += xi * nu[..., None]
    light = _attenuate(light, link.transmittance_back, link.excess_noise, rng)
    return Transmission(inference, _drift(light, link.phase_error, rng), nu)


def amplify_and_tap(
    light: Complex, gain: float, rng: np.random.Generator
) -> tuple[Complex, Complex]:
    """Amplify `light` (...) by the power gain G, then split off the fraction 1 − 1/G of it.

    Returns (tapped light, light that travels on), amplitudes of the same shape in SNU^(1/2).
    """
    idler, port = vacuum(light.shape, rng), vacuum(light.shape, rng)
    amplified = math.sqrt(gain) * light + math.sqrt(gain - 1) * idler.conj()
    tapped = math.sqrt(1 - 1 / gain) * amplified + math.sqrt(1 / gain) * port
    return tapped, math.sqrt(1 / gain) * amplified - math.sqrt(1 - 1 / gain) * port


def homodyne(
    link: Link, returned: Complex, measure_p: NDArray[np.bool_], rng: np.random.Generator
) -> Real:
    """Record (..., N) of the server's homodyne detector, in SNU^(1/2).

    It is P in rows where `measure_p` (...) is true and X in the others.
    """
    detector = link.server_detector
    y = np.where(measure_p[..., None], returned.imag, returned.real)
    y *= math.sqrt(detector.efficiency)
    added = 1 - detector.efficiency + detector.electronic_noise
    if added:
        y += math.sqrt(added) * rng.standard_normal(y.shape)
    if detector.oscillator_noise:
        y *= oscillator_factor(detector, (*measure_p.shape, 1), rng)
    return y


def oscillator_factor(
    detector: Detector, shape: tuple[int, ...], rng: np.random.Generator
) -> Real | float:
    """Factors 1 + r/2 by which the oscillator's power scales the record of each row, of `shape`.

    A quiet oscillator gives the number 1 and draws nothing.
    """
    if not detector.oscillator_noise:
        return 1.0
    return 1 + math.sqrt(detector.oscillator_variance) * rng.standard_normal(shape)


def read_symbols(
    link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator, verify: bool = True
) -> Readout:
    """Send all M `rows` for each of B directions ξ (B, N), symbol by symbol.

    The values are (B, M) and the statistics (B,). The server measures X or P of a whole row, chosen
    at random, so a client cannot hide its noise in the quadrature that is not measured. Without
    `verify` the returned light is not measured. The work is done in blocks that fit a processor's
    cache, so memory does not grow with the number of symbols.
    """
    images, modes = xi.shape
    sent = rows.x + 1j * rows.p
    values = np.empty((images, rows.rows))
    sums = np.zeros((3, images))
    step = max(1, SYMBOLS_IN_BLOCK // modes)
    for image in range(images):
        for block in range(0, rows.rows, step):
            block_sent = sent[block : block + step]
            light = transmit(link, block_sent, xi[image], rng)
            values[image, block : block + step] = light.inference
            if verify:
                measure_p = rng.random(len(block_sent)) < 0.5
                y = homodyne(link, light.returned, measure_p, rng)
                q = np.where(measure_p[:, None], block_sent.imag, block_sent.real)
                sums[:, image] += np.vdot(q, q), np.vdot(q, y), np.vdot(y, y)
    values *= link.inference_scale(rows.scale)
    if not verify:
        return Readout(values, None)
    count = np.full(images, rows.rows * modes)
    return Readout(values, SymbolStatistics(count, *sums))


def _attenuate(
    light: Complex, transmittance: float, excess_noise: float, rng: np.random.Generator
) -> Complex:
    """Apply loss with its vacuum, then Gaussian `excess_noise` (SNU per quadrature), in place."""
    added = 1 - transmittance + excess_noise
    if added:
        light *= math.sqrt(transmittance)
        light += vacuum(light.shape, rng, added)
    return light


def _drift(light: Complex, rms: float, rng: np.random.Generator) -> Complex:
    """Turn the phase of each row by a Gaussian angle of the given `rms` (rad), in place."""
    if rms:
        light *= np.exp(1j * rms * rng.standard_normal(light.shape[:-1]))[..., None]
    return light
