"""MNIST test digits through both nodes, the report of such a run, and its results as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network
from shotveil.sim.loop.backend import PRESETS
from shotveil.sim.loop.report import write_report
from shotveil.sim.loop.run import LoopRun, loop_run


def cosim(
    network: str,
    images: int,
    gain: float,
    f2: float,
    impairments: str,
    report: Path,
    *,
    progress: Callable[[int, int], None],
    backend: str = "rtl",
    **how: Any,
) -> tuple[LoopRun, Path]:
    """Send the first `images` digits through both nodes, write the report and the calibration.

    Further settings are those of `loop_run`. Returns the run and the path of the calibration.
    """
    pixels, labels = load_mnist(None, "test")
    run = loop_run(
        load_network(network), pixels[:images], labels[:images], gain, f2,
        PRESETS[impairments], impairments,
        backend=backend, progress=lambda done: progress(done, images), **how,
    )  # fmt: skip
    write_report(run, report, backend)
    calibration = report.with_name(f"{report.stem}-calibration.json")
    run.outcome.calibration.save(calibration)
    return run, calibration


def channel_lines(run: LoopRun) -> list[str]:
    """Lines on what the server's sums say about the channel, and on the causes of excess noise."""
    lines = []
    if run.compared:
        lines.append(
            f"gateware and models: same bits in all sums and values of {run.compared} images"
        )
    lines.append(f"\nideal link at the same F²: {run.ideal_accuracy:.1%}")
    for number, (found, true) in enumerate(zip(run.channels, run.true_excess, strict=True), 1):
        t, e = found.transmittance, found.excess_noise
        lines.append(
            f"layer {number}: T̂ = {t.value:.5f} ± {t.error:.5f} (true "
            f"{run.true_transmittance:.5f}), "
            f"ε̂ = {e.value:.5f} ± {e.error:.5f} SNU (true {true:.5f})"
        )
    return lines + [f"  {name:22} {value:+.1e} SNU" for name, value in run.budget.items()]


def board_lines(run: LoopRun) -> list[str]:
    """Lines on how fast boards would be."""
    clock = run.rates[0].clock
    lines = [f"on boards, projected at {clock.hertz / 1e6:.4g} MHz ({clock.source}):"]
    for p in run.rates:
        latencies = ", ".join(f"{1e3 * layer.seconds:.3g}" for layer in p.layers)
        short = "" if p.feasible else "; guards cannot be that long, rows have to be at the node"
        lines.append(
            f"  {p.link.name:22} {p.images_a_second:.3g} images a second; layers {latencies} ms; "
            f"bound by {p.bound}{short}"
        )
    if run.counted:
        apart = ", ".join(map(str, run.counted.periods))
        lines.append(
            f"  counted in gateware: {run.counted.frames} frames {apart} clocks apart, "
            f"{run.counted.tail} clocks from the last one's end to the last sum at a byte a clock "
            f"({run.counted.projected} without the host's questions)"
        )
    return lines


def as_dict(run: LoopRun) -> dict[str, Any]:
    """The run as a JSON object: its summary, the channels by layer, the budget of excess noise."""
    layers = [
        {
            "transmittance": found.transmittance.value,
            "transmittance_error": found.transmittance.error,
            "true_transmittance": float(run.true_transmittance),
            "excess_noise": found.excess_noise.value,
            "excess_noise_error": found.excess_noise.error,
            "true_excess_noise": float(true),
        }
        for found, true in zip(run.channels, run.true_excess, strict=True)
    ]
    boards = [
        {
            "link": rate.link.name,
            "images_a_second": rate.images_a_second,
            "layer_seconds": [layer.seconds for layer in rate.layers],
            "bound_by": rate.bound,
            "feasible": rate.feasible,
        }
        for rate in run.rates
    ]
    return {
        **run.summary,
        "compared": run.compared,
        "ideal_accuracy": float(run.ideal_accuracy),
        "channels": layers,
        "excess_noise_budget": {name: float(value) for name, value in run.budget.items()},
        "boards": boards,
    }
