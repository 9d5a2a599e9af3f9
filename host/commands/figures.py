"""`shotveil figures`: the paper's figures, from the networks and bounds of this project."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from shotveil.host.commands.options import (
    FOLDER,
    GAIN_RANGE,
    NETWORK,
    data_bound_option,
    data_option,
    images_option,
    json_option,
    out_option,
)
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import require


@click.command()
@out_option(None, "Folder that the figures are written to, as PNG, SVG and CSV.", FOLDER)
@click.option(
    "--network",
    type=NETWORK,
    multiple=True,
    default=("mnist-paper", "mnist"),
    help="Network to draw: the name of a shipped one, or a file; the option may be repeated.",
)
@click.option(
    "--gain",
    type=float,
    default=1.3,
    help=f"Power gain of the client's amplifier in the figures of leakage ({GAIN_RANGE}).",
)
@click.option(
    "--photons",
    type=float,
    default=6.0,
    help="Mean number of photons per mode in the figures of leakage (above 0).",
)
@data_bound_option("in the figure of accuracy over leakage", "crb_prx")
@images_option
@data_option
@json_option
def figures(
    out: Path,
    network: tuple[str, ...],
    gain: float,
    photons: float,
    data_bound: str,
    images: int | None,
    data: Path | None,
    json: bool,
) -> None:
    """Draw the paper's figures, in the published convention and in the consistent one."""
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.figures.collection import (
        Drawing,
        accuracy_drawings,
        leakage_drawings,
        save_all,
    )
    from shotveil.host.run.curves import calibrated_curve
    from shotveil.host.run.run import classified
    from shotveil.host.run.samples import load_samples
    from shotveil.models.link.amplifier import require_gain
    from shotveil.models.networks.network import load_network

    require_gain(gain)
    require("photons", photons, above=0)
    samples = load_samples(data, "test").first(images)
    chosen = [load_network(name) for name in network]
    drawings: Iterable[Drawing] = ()
    written: list[str] = []
    for one in chosen:
        pixels, labels = classified(one, samples)
        with progress_bar(f"images of the curve of {one.name}") as progress:
            curve = calibrated_curve(
                one, pixels, labels, progress=lambda done: progress(done, len(samples.inputs))
            )
        drawings = chain(drawings, accuracy_drawings(one, curve, data_bound))
    for files in save_all(chain(drawings, leakage_drawings(gain, photons)), out):
        written += map(str, files)
        if not json:
            click.echo(f"{files[0].with_suffix('')}.{{png,svg,csv}}")
    if json:
        print_json({"files": written})
