"""`shotveil demo`: the main job on embedded defaults, with a report to look at."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import images_option, json_option, out_option, seed_option
from shotveil.host.commands.output import print_json
from shotveil.host.leakage.default_bounds import DATA_BOUND

NETWORK = "mnist"
WEIGHT_BUDGET, DATA_BUDGET = 0.01, 0.01


@click.command()
@images_option
@out_option("reports/demo.html", "HTML file that the report is written to.")
@seed_option
@json_option
def demo(images: int | None, out: Path, seed: int, json: bool) -> None:
    """Classify MNIST images privately, and report what leaked.

    The light is so weak that at most 0.01 bit of each weight reaches the client and at most
    0.01 bit of each pixel reaches the server (under the bound holevo). The channel is ideal.
    """
    from shotveil.host.commands.show import progress_bar, show
    from shotveil.host.design.operating_point import within_budgets
    from shotveil.host.reports.report import check_writable, write_report
    from shotveil.host.run.run import run
    from shotveil.models.link.channel import Channel
    from shotveil.models.networks.network import load_network

    check_writable(out)
    network = load_network(NETWORK)
    link = within_budgets(network, WEIGHT_BUDGET, DATA_BUDGET, DATA_BOUND, Channel())
    with progress_bar("images through the link") as progress:
        result = run(network, link, images=images, seed=seed, progress=progress)
    if json:
        print_json(result.summary)
    else:
        show(result.summary)
    write_report(result, out)
    if not json:
        click.echo(f"\nreport: {out}")
