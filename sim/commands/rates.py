"""`shotveil lab rates`: how fast boards would be, and where their time goes."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option, network_option
from shotveil.host.commands.output import print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA, f2_option, gain_option


@click.command()
@network_option("mnist-paper")
@gain_option
@f2_option
@click.option(
    "--images",
    type=int,
    default=1,
    help="Number of images that share a batch; the nodes of today take one (1 or more).",
)
@click.option(
    "--lead-in",
    type=int,
    show_default="that of the nodes",
    help="Number of frames before each layer, in which the receivers lock (from 4 to 4096).",
)
@json_option
def rates(
    network: str, gain: float, f2: float, images: int, lead_in: int | None, json: bool
) -> None:
    """Project how many images a second boards would classify, with 2 and with 4 samples a symbol.

    The figures are for all host links, with a network that stays at the node and with rows that
    come over the link, at the placed clock. For rows and sums in memory at the node, the command
    also tells what share of the time each part of the frames and of a batch
    takes.
    """
    with needs(EXTRA):
        from dataclasses import replace

        from shotveil.models.digitiser.spec import SAMPLES_PER_SYMBOL
        from shotveil.models.networks.network import load_network
        from shotveil.sim.loop.rate import projections
        from shotveil.sim.loop.session import Loop
        from shotveil.sim.loop.settings import realistic

    found = {}
    for samples in SAMPLES_PER_SYMBOL:
        settings = realistic(gain, f2).with_samples(samples)
        if lead_in is not None:
            settings = replace(settings, lead_in=lead_in)
        loop = Loop(load_network(network), settings)
        found[samples] = projections(loop, images)
    if json:
        print_json(
            {
                "network": network,
                "images": images,
                "lead_in": loop.settings.lead_in,
                "samples_per_symbol": {
                    str(samples): [
                        {
                            "link": p.link.name,
                            "stored": p.stored,
                            "images_a_second": p.images_a_second,
                            "feasible": p.feasible,
                            "bound_by": p.bound,
                            "shares": p.shares,
                        }
                        for p in projected
                    ]
                    for samples, projected in found.items()
                },
            }
        )
        return
    clock = found[SAMPLES_PER_SYMBOL[0]][0].clock
    click.echo(f"{network}, projected at {clock.hertz / 1e6:.4g} MHz ({clock.source})")
    for samples, projected in found.items():
        click.echo(f"{samples} samples a symbol:")
        for p in projected:
            short = "" if p.feasible else "; guards cannot be that long"
            click.echo(
                f"  {p.name:39} {p.images_a_second:.4g} images a second; bound by {p.bound}{short}"
            )
        parts = sorted(projected[0].shares.items(), key=lambda part: -part[1])
        click.echo("  in memory: " + ", ".join(f"{name} {share:.1%}" for name, share in parts))
