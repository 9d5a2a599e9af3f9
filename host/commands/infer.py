"""`shotveil infer`: a network of one's choice through a link of one's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import (
    json_option,
    link_of,
    link_options,
    print_json,
    seed_option,
)
from shotveil.host.commands.show import progress_bar, show
from shotveil.host.reports.report import check_writable, write_report
from shotveil.host.run.backends import backend_names
from shotveil.host.run.run import run
from shotveil.models.networks.network import load_network


@click.command()
@click.option("--network", default="mnist", show_default=True, help="Shipped name, or a file.")
@click.option("--images", type=int, help="How many test images, from the first. [default: all]")
@link_options
@click.option("--data", type=click.Path(path_type=Path), help="Folder of IDX files. [shipped]")
@click.option("--symbol-level", is_flag=True, help="Simulate every mode: slow, same distribution.")
@click.option(
    "--backend",
    type=click.Choice(backend_names()),
    default="optics",
    show_default=True,
    help="Symbol-level link, or both nodes: bit-true models, compiled gateware.",
)
@click.option(
    "--impairments",
    type=click.Choice(["ideal", "realistic"]),
    default="realistic",
    show_default=True,
    help="Of modulator, laser, mesh and detectors, with a backend other than optics.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML report there.")
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
    as_json: bool,
    **options: Any,
) -> None:
    """Classify test images layer by layer through the optical link."""
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
    if as_json:
        print_json(result.summary)
    else:
        show(result.summary)
