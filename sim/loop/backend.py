"""Inference through both nodes: the backends `model` and `rtl` of `host.run.backends`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shotveil.host.devices.calibration import NodeCalibration
from shotveil.host.extras import import_extra
from shotveil.host.run.backends import InferenceResult, InferenceTask
from shotveil.host.run.inference import Inference
from shotveil.models.common.checks import RangeError
from shotveil.models.link.light import Light, links_of, one_or_each
from shotveil.models.networks.network import Network
from shotveil.models.node.spec import LARGEST_STORE
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop import pool
from shotveil.sim.loop.bench import calibrated
from shotveil.sim.loop.session import Loop, LoopInference, Records, verified
from shotveil.sim.loop.settings import REALISTIC, LoopSettings, prepare

BACKENDS = ("model", "rtl")
MANY = 8  # images from which on it is faster to play them side by side
PRESETS = {"ideal": Impairments(), "realistic": REALISTIC}
# Frames of the vacuum and of the dark record, and the symbols that are enough for them: records of
# the longest frames would fill the memory.
RECORD_FRAMES, RECORD_SYMBOLS = 2000, 864_000


@dataclass(frozen=True, eq=False)
class NodesOutcome:
    """The result of a run through the nodes.

    `link` is the link to declare, for all layers or for each: it has the server's detectors as
    calibrated, and the technical noise that the impairments cause. `calibration` was made before
    the run.
    """

    inference: Inference
    link: Light
    calibration: NodeCalibration
    loop: Loop
    seen: LoopInference


def model(task: InferenceTask) -> InferenceResult:
    """Carry a run through the bit-true models of both nodes."""
    return _run(task, "model")


def rtl(task: InferenceTask) -> InferenceResult:
    """Carry a run through the compiled gateware of both nodes."""
    return _run(task, "rtl")


def _run(task: InferenceTask, backend: str) -> InferenceResult:
    outcome = through_nodes(
        task.network, task.images, task.link, task.seed,
        backend=backend, impairments=task.impairments, progress=task.progress,
    )  # fmt: skip
    calibration = outcome.calibration.as_dict()
    return InferenceResult(outcome.inference, outcome.link, True, calibration)


def through_nodes(
    network: Network,
    images: NDArray[np.floating],
    link: Light,
    seed: int,
    *,
    backend: str = "model",
    impairments: str = "realistic",
    samples_per_symbol: int = 4,
    store: int = LARGEST_STORE,
    record_frames: int | None = None,
    processes: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> NodesOutcome:
    """Run images (n, inputs) through both nodes; losses and detectors are those of `link`.

    `samples_per_symbol` are those of both nodes, 2 or 4. `store` row symbols stay at the server's
    compiled node; the results are the same. If `processes` is None, there are as many as
    processors. If `record_frames` is None, vacuum and dark record have `RECORD_SYMBOLS` symbols
    each, in at most `RECORD_FRAMES` frames.

    Raises `RangeError` for an unknown backend or preset, for light that exceeds the range of the
    converters, and for a layer that does not fit a frame.
    """
    if backend not in BACKENDS:
        raise RangeError(f"backend = {backend!r} is none of {', '.join(BACKENDS)}")
    if impairments not in PRESETS:
        raise RangeError(f"impairments = {impairments!r} is none of {', '.join(PRESETS)}")
    # This comes first, so that a user who lacks a package need not wait for a calibration to know.
    rtl = import_extra("shotveil.sim.loop.rtl", "rtl") if backend == "rtl" else None
    links = links_of(link, len(network.layers))
    asked = LoopSettings.of(links[0], PRESETS[impairments], seed=seed, paced=True, store=store)
    asked = asked.with_samples(samples_per_symbol)
    if any(asked.impairments.over(each) != asked.impairments for each in links):
        raise RangeError(
            "technical noise or detectors differ from layer to layer; allowed: one set"
        )
    # The drive starts with the values of the modulator's data sheet and measures the true ones.
    settings, calibration = calibrated(asked, prepare(asked, network.layers[0]), asked.arms)
    loop = Loop(network, settings, light=links)
    if record_frames is None:
        length = loop.layers[0].setup.layout.length
        record_frames = min(RECORD_FRAMES, -(-RECORD_SYMBOLS // length))
    records = loop.records(record_frames)
    if rtl is None:
        seen = pool.infer_in_processes(loop, images, records, progress, processes=processes)
    elif len(images) < MANY:
        seen = pool.infer_in_processes(
            loop, images, records, progress, player_of=rtl.compiled(loop), processes=processes
        )
    else:
        side_by_side = import_extra("shotveil.sim.loop.side_by_side", "rtl")
        seen = pool.infer_in_crowds(
            loop, images, records, progress,
            makers_of=side_by_side.compiled(loop), processes=processes,
        )  # fmt: skip
    statistics = tuple(verified(loop, seen, number) for number in range(len(loop.layers)))
    return NodesOutcome(
        Inference(seen.outputs, statistics),
        declared(loop, records),
        calibration,
        loop,
        seen,
    )


def declared(loop: Loop, records: Records) -> Light:
    """The link as the server declares it.

    Its receiver is as calibrated, including the back-to-back response, and distortion counts as
    technical noise. Both depend on the light. Layers with the same light share the values of the
    first of them.
    """
    own = loop.back_to_back()
    return one_or_each(
        [
            replace(
                link,
                server_detector=records.of_layer(first).receiver,
                excess_noise=link.excess_noise + own[first].excess,
            )
            for link, first in ((link, loop.links.index(link)) for link in loop.links)
        ]
    )
