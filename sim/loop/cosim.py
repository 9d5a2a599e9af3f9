"""`make cosim`: MNIST test digits through both nodes, and the report of it."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.show import progress_bar, show
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network
from shotveil.sim.loop.backend import BACKENDS, PRESETS
from shotveil.sim.loop.report import write_report
from shotveil.sim.loop.run import Disagreement, LoopRun, loop_run


@click.command()
@click.option("--network", default="mnist-paper", show_default=True)
@click.option("--images", default=100, show_default=True)
@click.option("--gain", default=1.3, show_default=True)
@click.option("--f2", default=2.4, show_default=True, help="As it arrives at the client.")
@click.option("--backend", type=click.Choice(BACKENDS), default="rtl", show_default=True)
@click.option("--processes", type=click.IntRange(1), help="[default: one a processor]")
@click.option(
    "--compare",
    default=10,
    show_default=True,
    help="Digits that the models see as well: same bits.",
)
@click.option(
    "--impairments", type=click.Choice(list(PRESETS)), default="realistic", show_default=True
)
@click.option("--record-frames", default=20_000, show_default=True, help="Of calibration records.")
@click.option("--report", type=click.Path(path_type=Path), default=Path("reports/cosim.html"))
@click.option("--seed", default=1, show_default=True)
def main(
    network: str,
    images: int,
    gain: float,
    f2: float,
    backend: str,
    processes: int | None,
    compare: int,
    impairments: str,
    record_frames: int,
    report: Path,
    seed: int,
) -> None:
    """Classify MNIST test digits through both nodes with the optics between them."""
    pixels, labels = load_mnist(None, "test")
    with progress_bar("images through both nodes") as advance:
        run = loop_run(
            load_network(network), pixels[:images], labels[:images], gain, f2,
            PRESETS[impairments], impairments,
            backend=backend, seed=seed, record_frames=record_frames, processes=processes,
            compare=compare, progress=lambda done: advance(done, images),
        )  # fmt: skip
    write_report(run, report, backend)
    calibration = report.with_name(f"{report.stem}-calibration.json")
    run.outcome.calibration.save(calibration)
    show(run.summary)
    if run.compared:
        click.echo(
            f"gateware and models: same bits in all sums and values of {run.compared} images"
        )
    click.echo(f"\nideal link at the same F²: {run.ideal_accuracy:.1%}")
    for number, (found, true) in enumerate(zip(run.channels, run.true_excess, strict=True), 1):
        t, e = found.transmittance, found.excess_noise
        click.echo(
            f"layer {number}: T̂ = {t.value:.5f} ± {t.error:.5f} (true "
            f"{run.true_transmittance:.5f}), "
            f"ε̂ = {e.value:.5f} ± {e.error:.5f} SNU (true {true:.5f})"
        )
    for name, value in run.budget.items():
        click.echo(f"  {name:22} {value:+.1e} SNU")
    click.echo("\n".join(described(run)))
    click.echo(f"report: {report}\ncalibration: {calibration}")


def described(run: LoopRun) -> list[str]:
    """Lines on what boards would do."""
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


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (RangeError, Disagreement, click.ClickException) as error:
        raise SystemExit(f"cosim: {error}") from None
