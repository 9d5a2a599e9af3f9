"""`shotveil demo`: the main job on embedded defaults, with a report to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import images_option, json_option, out_option, seed_option
from shotveil.host.commands.output import print_json
from shotveil.host.leakage.default_bounds import CERTIFIED_BOUND, DATA_BOUND

NETWORK = "mnist"
DIGITS = ("mnist", "mnist-head", "mnist-lossy", "mnist-paper")  # shipped networks that read digits
WEIGHT_BUDGET, DATA_BUDGET = 0.05, 0.01
REALISTIC_WEIGHT_BUDGET = 0.1  # bits per weight, from any client; the data budget is the same
TRIED, REALISTIC_IMAGES = 500, 2000  # images to choose the network by, and to measure it by


@click.command()
@images_option
@out_option("reports/demo.html", "HTML file that the report is written to.")
@seed_option
@json_option
def demo(images: int | None, out: Path, seed: int, json: bool) -> None:
    """Classify MNIST images privately, and report what leaked.

    The light is so weak that at most 0.05 bit of each weight reaches the client and at most
    0.01 bit of each pixel reaches the server (under the bound holevo). The channel is ideal.

    Beside it stands what a realistic bench reaches (`--lab realistic`), with the shipped network
    that serves it best: at most 0.1 bit of each weight leaks to any client, also one that amplifies
    (holevo_amplified), and at most 0.01 bit of each value that the network takes.
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
    with progress_bar("images through a realistic bench") as progress:
        bench = realistic(images, seed, progress)
    if json:
        print_json({**result.summary, "realistic": bench})
    else:
        show(result.summary)
        data = bench["data_leakage_bits"][DATA_BOUND]
        weights = bench["weight_bounds_bits"][CERTIFIED_BOUND]
        best = f"with {bench['network']}, the best of {bench['tried']} shipped networks"
        click.echo(
            f"\na realistic bench    {bench['accuracy']:.2%} of {bench['images']:,} images right\n"
            f"                     {best}\n"
            f"                     {weights:.4g} bits per weight ({CERTIFIED_BOUND}) of "
            f"{REALISTIC_WEIGHT_BUDGET:g}\n"
            f"                     {data:.4g} bits per data element ({DATA_BOUND}) of "
            f"{DATA_BUDGET:g}\n"
            f"                     gain {bench['gain']:.4g}, μ = {bench['photons']:.4g} photons"
        )
    write_report(result, out)
    if not json:
        click.echo(f"\nreport: {out}")


def realistic(
    images: int | None, seed: int, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Return the summary of the shipped network that serves best in the realistic laboratory.

    Networks are compared by their first `TRIED` images, each at its own operating point. The winner
    is then run on `REALISTIC_IMAGES`, or on `images` where that is fewer, of which the first ones
    are those it was chosen by.
    """
    from shotveil.host.design.operating_point import Budgets, most_light
    from shotveil.host.run.run import run
    from shotveil.models.link.labs import REALISTIC
    from shotveil.models.networks.network import load_network

    most = REALISTIC_IMAGES if images is None else min(images, REALISTIC_IMAGES)
    budgets = Budgets(REALISTIC_WEIGHT_BUDGET, DATA_BUDGET, weight_bound=CERTIFIED_BOUND)
    channel = REALISTIC.channel()
    found = []
    for name in DIGITS:
        network = load_network(name)
        link = most_light(network, channel, budgets)
        tried = run(network, link, images=min(most, TRIED), seed=seed)
        found.append((tried.summary["accuracy"], network, link))
    _, network, link = max(found, key=lambda each: each[0])
    summary = run(network, link, images=most, seed=seed, progress=progress).summary
    return {**summary, "tried": len(found)}
