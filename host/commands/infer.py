"""`shotveil infer`: a network of one's choice through a link of one's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import (
    FILE,
    OneOf,
    backends,
    data_option,
    images_option,
    json_option,
    link_of,
    link_options,
    network_option,
    seed_option,
)
from shotveil.host.commands.output import print_json


@click.command()
@network_option()
@images_option
@link_options
@data_option
@click.option(
    "--symbol-level",
    is_flag=True,
    help="Simulate every mode of the light; this is slow and gives the same distribution.",
)
@click.option(
    "--backend",
    type=OneOf("backend", backends),
    default="optics",
    help="What the light goes through: `optics` is the link symbol by symbol, `model` both nodes "
    "as bit-true models, `rtl` their compiled gateware.",
)
@click.option(
    "--impairments",
    type=click.Choice(["ideal", "realistic"]),
    default="realistic",
    help="Imperfections of modulator, laser, mesh and detectors, for all backends but `optics`.",
)
@click.option("--report", type=FILE, help="HTML file that a report is written to.")
@seed_option
@json_option
def infer(
    network: str,
    images: int | None,
    data: Path | None,
    symbol_level: bool,
    backend: str,
    impairments: str,
    report: Path | None,
    seed: int,
    json: bool,
    **options: Any,
) -> None:
    """Classify test images, layer by layer, through the optical link.

    The light is given by --gain and one of --photons and --f2. Each takes one value, or one for
    each layer, as in --f2 0.7,40.
    """
    from shotveil.host.commands.show import progress_bar, show
    from shotveil.host.reports.report import check_writable, write_report
    from shotveil.host.run.run import run
    from shotveil.models.networks.network import load_network

    if report is not None:
        check_writable(report)
    with progress_bar("images through the link") as progress:
        result = run(
            load_network(network),
            link_of(**options),
            images=images,
            data=data,
            seed=seed,
            symbol_level=symbol_level,
            backend=backend,
            impairments=impairments,
            progress=progress,
        )
    if report is not None:
        write_report(result, report)
    if json:
        print_json(result.summary)
    else:
        show(result.summary)
