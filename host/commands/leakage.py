"""`shotveil leakage`: what a layer of given size leaks under given optical settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from shotveil.host.commands.options import json_option, link_of, link_options
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import require


@click.command()
@link_options
@click.option(
    "--modes",
    type=int,
    required=True,
    help="Number of complex modes of a row, half the number of its weights (1 or more).",
)
@click.option(
    "--rows", type=int, required=True, help="Number of rows sent with the same data (1 or more)."
)
@click.option(
    "--inferences",
    type=int,
    default=1,
    help="Number of inferences with the same weights (1 or more).",
)
@click.option(
    "--rotate",
    type=int,
    default=1,
    help="Number of networks that take turns in the inferences; what is printed is of one of them "
    "(1 or more).",
)
@json_option
def leakage(
    modes: int, rows: int, inferences: int, rotate: int, json: bool, **options: Any
) -> None:
    """Compute how much one layer leaks in both directions, under every bound.

    Nothing is simulated: the bounds follow from the settings, in bits per weight and per data
    element, and in bits of the whole layer and of one image. The light is given by --gain and one
    of --photons and --f2.

    With --rotate E, each of E networks serves every E-th inference. The bounds hold for each of
    them. That what leaks of one tells nothing of the others is not certified.
    """
    from shotveil.host.leakage.catalogue import DATA_BOUNDS, FURTHER_WEIGHT_BOUNDS, WEIGHT_BOUND
    from shotveil.host.leakage.declared import layer_leakage
    from shotveil.host.run.summary import settings_of
    from shotveil.models.link.light import links_of

    (link,) = links_of(link_of(**options), 1)
    require("modes", modes, at_least=1)
    require("inferences", inferences, at_least=1)
    require("rotate", rotate, at_least=1)
    turns = -(-inferences // rotate)  # of the network that serves most
    layer = layer_leakage(link, rows, 2 * modes, turns)
    result = {
        **asdict(layer),
        "inferences": inferences,
        "rotate": rotate,
        "declared_excess_noise": link.declared_excess_noise(modes),
        "f2": link.f2,
        **settings_of(link),
    }
    del result["columns"]
    if json:
        print_json(result)
        return
    click.echo(
        f"F² = {link.f2:.4g} with G = {link.gain:.6g}, μ = {link.photons:.6g} photons per mode, "
        f"T = {link.transmittance:.4g}, ε = {result['declared_excess_noise']:.4g} SNU"
    )
    turn = f", of each of {rotate:,} networks that take turns" if rotate > 1 else ""
    for name in (WEIGHT_BOUND, *FURTHER_WEIGHT_BOUNDS):
        side = "weights → client" if name == WEIGHT_BOUND else ""
        click.echo(
            f"{side:<19}{layer.weight_bounds_bits[name]:.6g} bits per weight, "
            f"{layer.total_weight_bits[name]:.6g} bits of all ({name})"
        )
        if inferences > 1:
            click.echo(
                f"{'':<19}{layer.weight_bounds_bits_after[name]:.6g} bits per weight, "
                f"{layer.total_weight_bits_after[name]:.6g} bits of all ({name}) "
                f"after {inferences:,} inferences{turn}"
            )
    for name, bits in layer.data_leakage_bits.items():
        kind = name if DATA_BOUNDS[name].theorem else f"{name}, an estimate"
        click.echo(
            f"{'data → server':<19}{bits:.6g} bits per data element, "
            f"{layer.image_bits[name]:.6g} bits per image ({kind})"
        )
