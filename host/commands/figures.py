"""`shotveil figures`: the paper's figures, from the networks and bounds of this project."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from shotveil.host.commands.options import json_option, print_json
from shotveil.host.commands.show import progress_bar
from shotveil.host.figures.collection import Drawing, accuracy_drawings, leakage_drawings, save_all
from shotveil.host.figures.tables import GAIN, PHOTONS
from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.run.curves import calibrated_curve
from shotveil.models.common.checks import require
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for PNG, SVG and CSV."
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    default=("mnist-paper", "mnist"),
    show_default=True,
    help="Shipped name, or a file; may be given several times.",
)
@click.option("--gain", type=float, default=GAIN, show_default=True, help="Of the leakage figures.")
@click.option(
    "--photons", type=float, default=PHOTONS, show_default=True, help="Of the leakage figures."
)
@click.option(
    "--data-bound",
    type=click.Choice(list(DATA_BOUNDS)),
    default="crb_prx",
    show_default=True,
    help="Of the figure of accuracy over leakage.",
)
@click.option("--images", type=int, help="How many test images, from the first. [default: all]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of IDX files. [shipped]")
@json_option
def figures(
    out: Path,
    networks: tuple[str, ...],
    gain: float,
    photons: float,
    data_bound: str,
    images: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Draw the paper's figures, in the published convention and in the consistent one."""
    require("gain", gain, above=1)
    require("photons", photons, above=0)
    pixels, labels = load_mnist(data, "test")
    if images is not None:
        require("images", images, at_least=1, at_most=len(pixels))
        pixels, labels = pixels[:images], labels[:images]
    chosen = [load_network(name) for name in networks]
    drawings: Iterable[Drawing] = ()
    written: list[str] = []
    for network in chosen:
        with progress_bar(f"images of the curve of {network.name}") as progress:
            curve = calibrated_curve(
                network, pixels, labels, progress=lambda done: progress(done, len(pixels))
            )
        drawings = chain(drawings, accuracy_drawings(network, curve, data_bound))
    for files in save_all(chain(drawings, leakage_drawings(gain, photons)), out):
        written += map(str, files)
        if not as_json:
            click.echo(f"{files[0].with_suffix('')}.{{png,svg,csv}}")
    if as_json:
        print_json({"files": written})
