"""`shotveil demo`: the main job on embedded defaults, with a report to look at."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import json_option, print_json, seed_option
from shotveil.host.commands.show import progress_bar, show
from shotveil.host.design.operating_point import within_budgets
from shotveil.host.leakage.catalogue import DATA_BOUND
from shotveil.host.reports.report import check_writable, write_report
from shotveil.host.run.run import run
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import load_network

NETWORK = "mnist"
WEIGHT_BUDGET, DATA_BUDGET = 0.01, 0.01


@click.command()
@click.option("--images", type=int, help="How many of the 10,000 test images. [default: all]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reports/demo.html"),
    show_default=True,
    help="Where the report goes.",
)
@seed_option
@json_option
def demo(images: int | None, out: Path, seed: int, as_json: bool) -> None:
    """Classify MNIST privately, and report what leaked.

    The budgets are 0.01 bit per weight and 0.01 bit per pixel (qcrb), the loop is ideal.
    """
    check_writable(out)
    network = load_network(NETWORK)
    link = within_budgets(network, WEIGHT_BUDGET, DATA_BUDGET, DATA_BOUND, Channel())
    with progress_bar("images through the link") as progress:
        result = run(network, link, images=images, seed=seed, progress=progress)
    if as_json:
        print_json(result.summary)
    else:
        show(result.summary)
    write_report(result, out)
    if not as_json:
        click.echo(f"\nreport: {out}")
