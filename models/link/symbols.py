"""The optical link symbol by symbol: every mode of every row as a complex amplitude in SNU^(1/2).

An amplitude is A = X + iP with vacuum of variance 1 in either quadrature. Vacuum enters with the
coherent light itself, at every loss, at the amplifier's idler, at the tap's open port and at either
detector. This is the slow path that says what is true; `models.link.sufficient` draws the same
results from their sufficient statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

SYMBOLS_IN_BLOCK = 1 << 15  # 512 KiB an array: several fit a core's cache


@dataclass(frozen=True, eq=False)
class Readout:
    """What both parties hold after B images have met the M rows of a layer.

    values: (B, M) the client's estimates of w·x̂, in the weights' own unit.
    statistics: the server's accumulators over verified symbols, arrays of shape (B,), or None.
    """

    values: Real
    statistics: SymbolStatistics | None


@dataclass(frozen=True, eq=False)
class Transmission:
    """Light after one pass. inference: (...) X at the client's homodyne detector, in SNU^(1/2).

    returned: (..., N) amplitudes at the server's input, before its own detector. added: (...) ν,
    what the client's amplifier left in the direction ξ.
    """

    inference: Real
    returned: Complex
    added: Complex


def vacuum(shape: tuple[int, ...], rng: np.random.Generator, variance: float = 1.0) -> Complex:
    """Circular Gaussian amplitudes with the given `variance` (SNU) in either quadrature."""
    parts = rng.standard_normal((*shape, 2))
    if variance != 1:
        parts *= math.sqrt(variance)
    return parts.view(np.complex128)[..., 0]


def transmit(link: Link, sent: Complex, xi: Complex, rng: np.random.Generator) -> Transmission:
    """Send coherent amplitudes (..., N) once through the loop of a client of direction ξ (..., N).

    `sent` and `xi` broadcast against each other; ξ has unit norm along its last axis. Source:
    PRX 15, 041056; every step below is a row of the derivation in docs/physics.md.
    """
    # Server's output: coherent light is its mean plus vacuum.
    light = vacuum(np.broadcast_shapes(sent.shape, xi.shape), rng)
    light += sent
    return pass_through(link, light, xi, rng)


def pass_through(link: Link, light: Complex, xi: Complex, rng: np.random.Generator) -> Transmission:
    """As `transmit`, for any light: samples (..., N) of its amplitudes, their noise included.

    `light` is used up; ξ broadcasts to its shape.
    """
    # A loss mixes in vacuum.
    light = _attenuate(light, link.transmittance_out, 0.0, rng)
    light = _drift(light, link.phase_error, rng)

    # Client: U takes ⟨ξ, a⟩ into mode 1. Its other modes come back through U† as they were, so
    # that all it does to the light is to add ξ·ν, where ν is what mode 1 gained.
    one = np.einsum("...k,...k->...", xi.conj(), light)
    tapped, kept = amplify_and_tap(one, link.gain, rng)
    nu = kept - one
    detector = link.client_detector
    noise = rng.standard_normal(light.shape[:-1])
    inference = math.sqrt(detector.efficiency) * tapped.real
    inference += math.sqrt(1 - detector.efficiency + detector.electronic_noise) * noise

    light += xi * nu[..., None]
    light = _attenuate(light, link.transmittance_back, link.excess_noise, rng)
    return Transmission(inference, _drift(light, link.phase_error, rng), nu)


def amplify_and_tap(
    light: Complex, gain: float, rng: np.random.Generator
) -> tuple[Complex, Complex]:
    """Amplify `light` by the power gain G, then split it: (tapped 1 − 1/G, sent on 1/G)."""
    idler, port = vacuum(light.shape, rng), vacuum(light.shape, rng)
    amplified = math.sqrt(gain) * light + math.sqrt(gain - 1) * idler.conj()
    tapped = math.sqrt(1 - 1 / gain) * amplified + math.sqrt(1 / gain) * port
    return tapped, math.sqrt(1 / gain) * amplified - math.sqrt(1 - 1 / gain) * port


def homodyne(
    link: Link, returned: Complex, measure_p: NDArray[np.bool_], rng: np.random.Generator
) -> Real:
    """Record (..., N) of the server's homodyne detector: P where `measure_p` (...), else X."""
    detector = link.server_detector
    y = np.where(measure_p[..., None], returned.imag, returned.real)
    y *= math.sqrt(detector.efficiency)
    added = 1 - detector.efficiency + detector.electronic_noise
    if added:
        y += math.sqrt(added) * rng.standard_normal(y.shape)
    return y


def read_symbols(
    link: Link, rows: EncodedRows, xi: Complex, rng: np.random.Generator, verify: bool = True
) -> Readout:
    """Send all M `rows` for each of B directions ξ (B, N), symbol by symbol.

    The server measures X or P of a whole row, chosen at random: a client that does not know which
    can hide its noise in neither. Without `verify` the returned light is not measured. It works in
    blocks that fit a processor's cache, so memory does not grow with the number of symbols.
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
    values *= inference_scale(link, rows)
    if not verify:
        return Readout(values, None)
    count = np.full(images, rows.rows * modes)
    return Readout(values, SymbolStatistics(count, *sums))


def inference_scale(link: Link, rows: EncodedRows) -> float:
    """What turns the client's homodyne value into its estimate of w·x̂: see `Link`."""
    return link.inference_scale(rows.scale)


def _attenuate(
    light: Complex, transmittance: float, excess_noise: float, rng: np.random.Generator
) -> Complex:
    """Loss with its vacuum, and Gaussian excess noise behind it (SNU per quadrature)."""
    added = 1 - transmittance + excess_noise
    if added:
        light *= math.sqrt(transmittance)
        light += vacuum(light.shape, rng, added)
    return light


def _drift(light: Complex, rms: float, rng: np.random.Generator) -> Complex:
    """Turn each row's phase by a Gaussian angle of the given `rms` (rad)."""
    if rms:
        light *= np.exp(1j * rms * rng.standard_normal(light.shape[:-1]))[..., None]
    return light
