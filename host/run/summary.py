"""The summary of a run, as plain values with stable keys, for `--json` and the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.leakage.declared import network_leakage, with_spectra
from shotveil.host.run.counting import wilson
from shotveil.host.run.extraction_curve import clone_of
from shotveil.host.run.inference import Inference
from shotveil.host.verification.levels import FAILURE_PROBABILITY, FALSE_ALARM_PROBABILITY
from shotveil.host.verification.verdict import Verification, verify
from shotveil.models.common.checks import RangeError
from shotveil.models.link.light import Light, links_of, one_or_each
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

SENSES = ("declared", "estimated", "certified")


def summarise(
    network: Network,
    labels: NDArray[Any],
    link: Light,
    inference: Inference,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Return accuracy, settings, leakage under every bound and the server's verdict on a run.

    labels: Classes of the images as the network's task names them, shape (n,).
    link: The link that the server declared, for all layers or for each.
    seconds: Duration of the inference.

    The error and the interval of the accuracy are those of counting (Wilson, one standard error).
    Leakage is given for one inference, and for K inferences together with K = n, because the same
    weights were sent once for each image. So is the clone that is possible by plain use, where the
    network has a curve of it.
    """
    images = len(labels)
    accuracy = network.plan.task.score(inference.outputs, labels)
    leakage = with_spectra(network_leakage(network, link, images), network, link)
    links = links_of(link, len(network.layers))
    low, high = wilson(accuracy, images)
    clone = clone_of(network.digest, images, [each.f2 for each in links])
    return {
        "network": network.name,
        "digest": network.digest,
        "images": images,
        "accuracy": accuracy,
        "accuracy_error": float(high - low) / 2,
        "accuracy_interval": [float(low), float(high)],
        "f2": one_or_each([each.f2 for each in links]),
        **settings_of(link),
        "inferences": leakage.inferences,
        "weight_leakage_bits": leakage.weight_leakage_bits,
        "weight_leakage_bits_after": leakage.weight_leakage_bits_after,
        "weight_bounds_bits": leakage.weight_bounds_bits,
        "weight_bounds_bits_after": leakage.weight_bounds_bits_after,
        "data_leakage_bits": leakage.data_leakage_bits,
        "total_weight_bits": leakage.total_weight_bits,
        "total_weight_bits_after": leakage.total_weight_bits_after,
        "image_bits": leakage.image_bits,
        "layers": [
            {"gain": each.gain, "photons": each.photons, "f2": each.f2, **asdict(layer)}
            for layer, each in zip(leakage.layers, links, strict=True)
        ],
        "extraction": None if clone is None else asdict(clone),
        "verification": verification_of(network, link, inference),
        "seed": seed,
        "seconds": seconds,
        "images_per_second": images / seconds,
    }


def settings_of(link: Light) -> dict[str, Any]:
    """Return the settings of a link, and its loop transmittance, as plain values.

    A setting that differs from layer to layer is a list with a value for each of them.
    """
    links = [link] if isinstance(link, Link) else link
    each = [{**asdict(one), "transmittance": one.transmittance} for one in links]
    return {name: one_or_each([one[name] for one in each]) for name in each[0]}


def verdicts(
    network: Network, link: Light, inference: Inference, inferences: int = 1
) -> tuple[Verification, ...]:
    """Return the server's verdict on the light of an inference, one for each layer.

    A verdict compares what came back with what `link` declares. Leakages are in bits per weight,
    for as many `inferences` together. The probabilities `FAILURE_PROBABILITY` and
    `FALSE_ALARM_PROBABILITY` hold for all layers together. The result is empty where `infer` was
    told not to verify. Raises `RangeError` where the inference comes from a network with another
    number of layers.

    >>> from shotveil import infer, load_mnist, load_network
    >>> network, link = load_network("mnist-paper"), Link(gain=1.02, photons=20)
    >>> seen = infer(network, load_mnist()[0][:8], link, np.random.default_rng(seed=1))
    >>> [(layer.accepted, layer.symbols) for layer in verdicts(network, link, seen)]
    [(True, 2458624), (True, 31360)]
    """
    if not inference.statistics:
        return ()
    if len(inference.statistics) != len(network.layers):
        raise RangeError(
            f"inference has statistics of {len(inference.statistics)} layers; "
            f"allowed: {len(network.layers)}, as network {network.name} has"
        )
    return tuple(
        verify(
            statistics,
            declared=ChannelEstimate(
                each.declared_transmittance_at(layer.modes),
                each.declared_excess_noise(layer.modes),
            ),
            modulation_variance=each.modulation_variance,
            receiver=each.server_detector,
            inferences=inferences * layer.patches,
            failure_probability=FAILURE_PROBABILITY / len(network.layers),
            false_alarm_probability=FALSE_ALARM_PROBABILITY / len(network.layers),
            lit_share=layer.lit_share,
        )
        for layer, each, statistics in zip(
            network.layers,
            links_of(link, len(network.layers)),
            inference.statistics,
            strict=True,
        )
    )


def verification_of(network: Network, link: Light, inference: Inference) -> dict[str, Any]:
    """Return the server's verdict on all layers together and on each; {} if nothing was verified.

    The error probabilities are split over the layers. For all layers together, transmittance and
    excess noise are means over the symbols, and leakages are means over the weights. Leakages are
    given in bits per weight and of all weights, for one inference and for all that were verified.
    """
    layers = verdicts(network, link, inference)
    if not layers:
        return {}
    after = verdicts(network, link, inference, max(1, len(inference.outputs)))
    links = links_of(link, len(network.layers))
    symbols = [layer.symbols for layer in layers]
    weights = [layer.weights.size for layer in network.layers]

    quadratures = [layer.rows * 2 * layer.modes for layer in network.layers]

    def mean(values: list[float], over: list[int]) -> float:
        return float(np.average(values, weights=over))

    def bits(of: tuple[Verification, ...]) -> dict[str, float]:
        return {
            sense: mean([getattr(one.weight_leakage, sense) for one in of], weights)
            for sense in SENSES
        }

    def times(size: int, each: dict[str, float]) -> dict[str, float]:
        return {sense: size * value for sense, value in each.items()}

    def total(of: tuple[Verification, ...]) -> dict[str, float]:
        return {
            s: float(np.dot([getattr(one.weight_leakage, s) for one in of], quadratures))
            for s in SENSES
        }

    return {
        "accepted": all(layer.accepted for layer in layers),
        "symbols": sum(symbols),
        "transmittance": mean([layer.transmittance for layer in layers], symbols),
        "excess_noise": mean([layer.excess_noise for layer in layers], symbols),
        "transmittance_min": mean([layer.transmittance_min for layer in layers], symbols),
        "excess_noise_max": mean([layer.excess_noise_max for layer in layers], symbols),
        "declared_transmittance": min(
            link.declared_transmittance_at(layer.modes)
            for layer, link in zip(network.layers, links, strict=True)
        ),
        "declared_excess_noise": mean(
            [
                each.declared_excess_noise(layer.modes)
                for layer, each in zip(network.layers, links, strict=True)
            ],
            symbols,
        ),
        "false_alarm_probability": FALSE_ALARM_PROBABILITY,
        "failure_probability": FAILURE_PROBABILITY,
        "weight_leakage_bits": bits(layers),
        "weight_leakage_bits_after": bits(after),
        "total_weight_bits": total(layers),
        "total_weight_bits_after": total(after),
        "layers": [
            {
                **asdict(one),
                "weight_leakage_after": asdict(later.weight_leakage),
                "total_weight_bits": times(size, asdict(one.weight_leakage)),
                "total_weight_bits_after": times(size, asdict(later.weight_leakage)),
            }
            for one, later, size in zip(layers, after, quadratures, strict=True)
        ],
    }
