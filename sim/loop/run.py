"""A whole run of hardware in the loop, with everything that its report shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.run.inference import infer
from shotveil.host.run.summary import summarise
from shotveil.host.verification.estimation import Estimate
from shotveil.models.link.encoding import directions
from shotveil.models.link.light import Values, light_through, links_of
from shotveil.models.networks.network import Network
from shotveil.models.node.spec import LARGEST_STORE
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop.backend import NodesOutcome, through_nodes
from shotveil.sim.loop.budget import budget
from shotveil.sim.loop.pool import infer_in_processes
from shotveil.sim.loop.rate import Counted, Projection, counted, projections
from shotveil.sim.loop.session import (
    LoopInference,
    ModelPlayed,
    PooledChannel,
    channel,
    pooled_channel,
)


@dataclass(frozen=True, eq=False)
class LoopRun:
    """The results of a run: `images` has shape (n, pixels), `labels` (n,).

    `ideal` are the ideal link's predictions at the same F². `channels` has T̂ and ε̂ of each layer
    over all images; from the gateware's sums they still include phase noise. `true` is the true T,
    and the true ε of each layer. `growing` has numbers of images and the first layer's estimate
    from so many. For `budget` see `sim.loop.budget`. `probe` is the first layer of the first image,
    sample by sample, on the models. `rates` says how fast boards would be, and `counted` has the
    clocks of the gateware if it ran.
    """

    network: Network
    images: NDArray[np.floating]
    labels: NDArray[np.integer]
    outcome: NodesOutcome
    ideal: NDArray[np.int64]
    channels: tuple[Estimate | PooledChannel, ...]
    true_transmittance: float
    true_excess: tuple[float, ...]
    growing: tuple[tuple[int, Estimate | PooledChannel], ...]
    budget: dict[str, float]
    probe: ModelPlayed
    rates: tuple[Projection, ...]
    counted: Counted | None
    compared: int
    seconds: float
    summary: dict[str, Any]

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.outcome.inference.predictions == self.labels))

    @property
    def ideal_accuracy(self) -> float:
        return float(np.mean(self.ideal == self.labels))

    @property
    def impairments(self) -> Impairments:
        return self.outcome.loop.settings.impairments


def loop_run(
    network: Network,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    gain: Values,
    f2: Values,
    impairments: Impairments,
    preset: str,
    *,
    backend: str = "model",
    samples_per_symbol: int = 4,
    store: int = LARGEST_STORE,
    seed: int = 1,
    record_frames: int = 20_000,
    processes: int | None = None,
    compare: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> LoopRun:
    """Classify images through both nodes, and analyse the run.

    Gain and F² are for all layers, or sequences with one for each.

    The first `compare` images of gateware go through the models as well, from the same seed. Raises
    `Disagreement` if a bit of any sum or inference value differs.
    """
    link = light_through(impairments.channel, gain, f2=f2)
    start = time.perf_counter()
    outcome = through_nodes(
        network, images, link, seed,
        backend=backend, impairments=preset, samples_per_symbol=samples_per_symbol, store=store,
        record_frames=record_frames, processes=processes, progress=progress,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    compared = min(compare, len(images)) if backend == "rtl" else 0
    if compared:
        loop, records = outcome.loop, outcome.seen.records
        require_agreement(
            outcome.seen, infer_in_processes(loop, images[:compared], records, processes=processes)
        )
    plain = light_through(Impairments().channel, gain, f2=f2)
    ideal = infer(network, images, plain, np.random.default_rng(seed), verify=False)
    loop, seen = outcome.loop, outcome.seen
    layers = range(len(network.layers))
    own = loop.back_to_back()

    def of_layer(number: int, frames: int | None = None) -> Estimate | PooledChannel:
        if backend == "rtl":  # the gateware has no sums of single frames
            return pooled_channel(loop, seen.sums[number][:frames], number, seen.records)
        return channel(loop, seen, number, frames)

    rows = len(seen.sums[0]) // len(images)  # frames with sums for each image
    counts = sorted({*np.unique(np.geomspace(1, len(images), 12).astype(int)), len(images)})
    growing = tuple((int(n), of_layer(0, n * rows)) for n in counts)
    xi, _ = directions(network.layers[0].inputs_of(np.asarray(images[:1])))
    return LoopRun(
        network=network,
        images=images,
        labels=labels,
        outcome=outcome,
        ideal=ideal.predictions,
        channels=tuple(of_layer(number) for number in layers),
        true_transmittance=loop.settings.impairments.transmittance,
        true_excess=tuple(
            each.returned_excess_noise(layer.modes) + back.excess
            for each, layer, back in zip(
                links_of(link, len(network.layers)), network.layers, own, strict=True
            )
        ),
        growing=growing,
        budget=budget(network, loop.settings),
        probe=loop.play(0, xi[0], seen.records, np.random.default_rng([seed, 3, 0, 0])),
        rates=projections(loop),
        counted=counted(loop, seen.records) if backend == "rtl" else None,
        compared=compared,
        seconds=seconds,
        summary=summarise(network, labels, outcome.link, outcome.inference, seconds, seed),
    )


class Disagreement(RuntimeError):
    """Gateware and models give different bits."""


def require_agreement(gateware: LoopInference, models: LoopInference) -> None:
    """Raise `Disagreement` unless the gateware gave exactly what the models give for their images.

    The gateware gives a layer's sums over all frames together, so those of the models are added up.
    """
    images = len(models.outputs)
    for layer, (ours, theirs) in enumerate(zip(gateware.sums, models.sums, strict=True), 1):
        whole = theirs.reshape(images, -1, *theirs.shape[1:]).sum(axis=1)
        for name, a, b in (
            ("sums", ours[:images], whole),
            ("inference values", gateware.read[layer - 1][:images], models.read[layer - 1]),
        ):
            (wrong,) = np.nonzero((a != b).reshape(images, -1).any(axis=1))
            if len(wrong):
                raise Disagreement(
                    f"gateware and models differ in the {name} of layer {layer}, image {wrong[0]}"
                )
