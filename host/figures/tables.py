"""The numbers that the figures show, as columns.

The *published* convention is that of the authors' figures (`host.leakage.published`): the accuracy
curve is evaluated at √(μ/D), a channel of power transmittance η enters the bound as √η, and the
rows of all layers count as if they met the same data. The *consistent* convention is used in all
other code: F² = 2μ/D, T = η of the whole loop, and M is the number of rows of the input layer.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shotveil.host.design.bisection import greatest
from shotveil.host.design.operating_point import weight_bits
from shotveil.host.leakage.catalogue import (
    DATA_BOUND,
    DATA_BOUNDS,
    FURTHER_WEIGHT_BOUNDS,
    WEIGHT_BOUND,
    WEIGHT_BOUNDS,
)
from shotveil.host.leakage.data import data_leakage, image_bits
from shotveil.host.leakage.data_bounds.crb_prx import crb_prx
from shotveil.host.leakage.data_bounds.crb_v1 import crb_v1
from shotveil.host.leakage.published import (
    accuracy_argument,
    loss_transmittance,
    weight_leakage_prx,
    weight_leakage_v1,
)
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.link.amplifier import inference_noise, noise_quantum
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import Network

Convention = Literal["published", "consistent"]
CONVENTIONS: tuple[Convention, ...] = ("published", "consistent")
Columns = dict[str, NDArray[np.float64]]

# The operating point of the paper's leakage figures: V = 2μ + 1 = 13 SNU, a 784-784-10 network.
GAIN, PHOTONS = 1.3, 6.0
MODES = 392
INPUT_ROWS, OUTPUT_ROWS = 784, 10  # rows of a network whose hidden layer is as wide as its input

IDEAL = Channel()


def accuracy_against_f2(curve: AccuracyCurve) -> Columns:
    """Return the measured accuracy, the fitted logistic function and their difference."""
    fit = curve.logistic(curve.f2)
    return {
        "f2": curve.f2,
        "accuracy": curve.accuracy,
        "counting_error": np.sqrt(curve.accuracy * (1 - curve.accuracy) / curve.images),
        "logistic": fit,
        "residual": curve.accuracy - fit,
    }


def accuracy_over_light(curve: AccuracyCurve, convention: Convention, points: int = 161) -> Columns:
    """Return the accuracy at photon numbers 10⁻¹ to 10³ and G − 1 from 10⁻³ to 10, gain by gain."""
    photons, excess_gain = _grid(np.geomspace(1e-1, 1e3, points), np.geomspace(1e-3, 10, points))
    return {
        "photons": photons,
        "excess_gain": excess_gain,
        "accuracy": _accuracy(curve, convention, photons, 1 + excess_gain),
    }


def accuracy_over_leakage(
    network: Network,
    curve: AccuracyCurve,
    convention: Convention,
    bound: str = "crb_prx",
    points: int = 161,
) -> Columns:
    """Return the accuracy over the leakage of weights and data, at T = 1.

    Weights leak 10⁻³ to 1 bit and data 10⁻⁴ to 0.3 bit under `bound`. The leakage of the data
    determines the gain, and that of the weights then determines the photon number. In the published
    convention, M counts the rows of all layers, and all weights leak like those of the input layer.
    In the consistent one, M counts the rows of the input layer, and the leakage of the weights is
    the mean over the network.
    """
    weights, data = _grid(np.geomspace(1e-3, 1, points), np.geomspace(1e-4, 0.3, points))
    gain, photons = light_at_leakage(network, convention, bound, weights, data)
    return {
        "weight_leakage_bits": weights,
        "data_leakage_bits": data,
        "gain": gain,
        "photons": photons,
        "accuracy": _accuracy(curve, convention, photons, gain),
    }


def light_at_leakage(
    network: Network,
    convention: Convention,
    bound: str,
    weights: NDArray[np.float64],
    data: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gain and photons per mode at which `weights` and `data` bits leak.

    All are arrays of one shape. Gains end at 1 + 10³ and photons at 10⁹, far beyond the figures.
    """
    layer = network.layers[0]
    published = convention == "published"
    rows = sum(each.rows for each in network.layers) if published else layer.rows

    def data_at(excess_gain: NDArray[np.float64]) -> NDArray[np.float64]:
        return DATA_BOUNDS[bound](noise_quantum(1 + excess_gain), rows, layer.modes)

    gain = 1 + greatest(data_at, data, 1e-7, 1e3)

    def weights_at(photons: NDArray[np.float64]) -> NDArray[np.float64]:
        if published:
            return weight_leakage_prx(1 + 2 * photons, 1.0, noise_quantum(gain) / layer.modes)
        return weight_bits(network, IDEAL, gain, photons)

    return gain, greatest(weights_at, weights, 1e-9, 1e9)


def leakage_against_dimension(
    convention: Convention, gain: float = GAIN, photons: float = PHOTONS, points: int = 101
) -> Columns:
    """Return the leakage of an n-n-10 network with n from 10² to 10⁴, at fixed light and T = 1."""
    modes = np.unique(np.rint(np.geomspace(50, 5000, points)))
    dimension = {"dimension": 2 * modes}
    return dimension | _leakage(convention, gain, photons, modes, 2 * modes, 1.0)


def leakage_against_loss(
    convention: Convention, gain: float = GAIN, photons: float = PHOTONS, points: int = 161
) -> Columns:
    """Return the leakage of a 784-784-10 network at 0 to 8 dB of channel loss, all untrusted.

    In the consistent convention, the loss is that of the loop and split evenly between both ways.
    It has columns for a constant photon number, and for constant F², which needs more light.
    """
    loss = np.linspace(0, 8, points)
    transmittance = 10 ** (-loss / 10)
    rows = np.full(points, float(INPUT_ROWS))
    columns: Columns = {"loss_db": loss}
    columns |= _leakage(convention, gain, photons, np.full(points, MODES), rows, transmittance)
    if convention == "consistent":
        excess = noise_quantum(gain) / MODES
        more = photons / np.sqrt(transmittance)
        columns["weight_leakage_bits_at_fixed_f2"] = WEIGHT_BOUNDS[WEIGHT_BOUND](
            1, 2 * more, transmittance, excess
        )
    return columns


def leakage_over_loss_and_noise(
    convention: Convention, gain: float = GAIN, photons: float = PHOTONS, points: int = 81
) -> Columns:
    """Return the weight leakage at 0 to 8 dB of channel loss and 0 to 0.2 SNU of excess noise."""
    loss, noise = _grid(np.linspace(0, 8, points), np.linspace(0, 0.2, points))
    columns: Columns = {"loss_db": loss, "technical_noise_snu": noise}
    transmittance, excess = 10 ** (-loss / 10), noise_quantum(gain) / MODES + noise
    if convention == "published":
        bits = weight_leakage(1 + 2 * photons, loss_transmittance(transmittance), excess)
        return columns | {"weight_leakage_bits": bits}
    return columns | _weight_bounds(photons, transmittance, excess)


def _weight_bounds(
    photons: float, transmittance: NDArray[np.float64] | float, excess: NDArray[np.float64] | float
) -> Columns:
    """Return the bound that budgets are held against, then each further one under its name."""
    return {
        f"weight_leakage{'' if name == WEIGHT_BOUND else f'_{name}'}_bits": WEIGHT_BOUNDS[name](
            1, 2 * photons, transmittance, excess
        )
        for name in (WEIGHT_BOUND, *FURTHER_WEIGHT_BOUNDS)
    }


def _leakage(
    convention: Convention,
    gain: float,
    photons: float,
    modes: NDArray[np.float64],
    input_rows: NDArray[np.float64],
    transmittance: NDArray[np.float64] | float,
) -> Columns:
    """Return the leakage of weights and data in bits, under each bound of that convention.

    In the consistent convention, the last two columns are the bits of all weights of the input
    layer and of a whole image, both under the bounds that budgets are held against.
    """
    g, variance = noise_quantum(gain), 1 + 2 * photons
    if convention == "published":
        channel = loss_transmittance(transmittance), g / modes
        rows = input_rows + OUTPUT_ROWS
        return {
            "weight_leakage_v1_bits": weight_leakage_v1(variance, *channel),
            "weight_leakage_prx_bits": weight_leakage_prx(variance, *channel),
            **{
                f"data_leakage_{bound.name}_bits": bound(g, rows, modes)
                for bound in (crb_v1, crb_prx)
            },
        }
    data, images = data_leakage(g, input_rows, modes), image_bits(g, input_rows, modes)
    weights = _weight_bounds(photons, transmittance, g / modes)
    every = input_rows * 2 * modes
    return {
        **weights,
        **{f"data_leakage_{name}_bits": bits for name, bits in data.items()},
        "weights_in_all_bits": every * weights["weight_leakage_bits"],
        "image_bits": images[DATA_BOUND],
    }


def _accuracy(
    curve: AccuracyCurve,
    convention: Convention,
    photons: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> NDArray[np.float64]:
    if convention == "published":
        return curve.logistic(accuracy_argument(photons, inference_noise(gain)))
    return curve.at(IDEAL.f2_at(gain, photons))


def _grid(
    across: NDArray[np.float64], down: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all pairs as two columns; the first changes fastest."""
    first, second = np.meshgrid(across, down)
    return first.ravel(), second.ravel()
