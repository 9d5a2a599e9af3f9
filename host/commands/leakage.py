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
@json_option
def leakage(modes: int, rows: int, inferences: int, json: bool, **options: Any) -> None:
    """Compute how much one layer leaks in both directions, under every bound.

    Nothing is simulated: the bounds follow from the settings, in bits per weight and per data
    element, and in bits of the whole layer and of one image. The light is given by --gain and one
    of --photons and --f2.
    """
    from shotveil.host.leakage.catalogue import DATA_BOUNDS, FURTHER_WEIGHT_BOUNDS, WEIGHT_BOUND
    from shotveil.host.leakage.declared import layer_leakage
    from shotveil.host.run.summary import settings_of
    from shotveil.models.link.light import links_of

    (link,) = links_of(link_of(**options), 1)
    require("modes", modes, at_least=1)
    layer = layer_leakage(link, rows, 2 * modes, inferences)
    result = {
        **asdict(layer),
        "inferences": inferences,
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
                f"after {inferences:,} inferences"
            )
    for name, bits in layer.data_leakage_bits.items():
        kind = name if DATA_BOUNDS[name].theorem else f"{name}, an estimate"
        click.echo(
            f"{'data → server':<19}{bits:.6g} bits per data element, "
            f"{layer.image_bits[name]:.6g} bits per image ({kind})"
        )
