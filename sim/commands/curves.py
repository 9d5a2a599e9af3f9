"""`shotveil lab curves`: the curves of accuracy and extraction that ship with the networks."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import (
    FOLDER,
    data_option,
    json_option,
    network_option,
    out_option,
)
from shotveil.host.commands.output import print_json


@click.command()
@network_option()
@click.option(
    "--draws", type=int, default=4, help="Least number of clones behind an accuracy (from 2 to 16)."
)
@data_option
@out_option("reports", "Folder to write the two files to.", FOLDER)
@json_option
def curves(network: str, draws: int, data: Path | None, out: Path, json: bool) -> None:
    """Measure how good a network and its clones are, for the files that ship with it.

    The files belong into models/networks/data. This takes some minutes.
    """
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.run.curves import calibrated_curve, curve_key, written
    from shotveil.host.run.extraction_curve import measured
    from shotveil.host.run.extraction_curve import written as written_extraction
    from shotveil.host.run.shipped_curves import SHIPPED_POINTS, data_digest
    from shotveil.models.common.files import write_atomically
    from shotveil.models.networks.mnist import load_mnist
    from shotveil.models.networks.network import load_network

    chosen, (images, labels) = load_network(network), load_mnist(data, "test")
    digest = data_digest(images, labels)
    with progress_bar("images of the calibration") as progress:
        curve = calibrated_curve(
            chosen,
            images,
            labels,
            points=SHIPPED_POINTS,
            progress=lambda done: progress(done, len(images)),
        )
    with progress_bar("points of the extraction") as progress:
        extraction = measured(chosen, images, labels, draws=draws, progress=progress)
    key = curve_key(chosen, digest, SHIPPED_POINTS, 1)
    texts = {
        "accuracy": written(key, curve.accuracy.round(4), len(images)) + "\n",
        "extraction": written_extraction(extraction, chosen, digest),
    }
    files = {kind: str(out / f"{chosen.name}.{kind}.json") for kind in texts}
    for kind, text in texts.items():
        write_atomically(Path(files[kind]), text)
    if json:
        print_json(files)
        return
    for file in files.values():
        click.echo(file)
