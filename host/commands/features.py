"""`shotveil features`: a public front end, learned from images without their labels."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FOLDER, json_option, out_option
from shotveil.host.commands.output import print_json


@click.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of IDX files with the images.")
@out_option(None, "File that the front end is written to.")
@click.option(
    "--images", type=int, default=6000, help="Number of images to learn from (2 or more)."
)
@click.option(
    "--patch", type=int, default=8, help="Height and width of a patch, in pixels (1 or more)."
)
@click.option(
    "--dictionary", type=int, default=192, help="Number of patches in the dictionary (1 or more)."
)
@click.option("--seed", type=int, default=1, help="Seed of the choice of patches (0 or more).")
@json_option
def features(
    data: Path, out: Path, images: int, patch: int, dictionary: int, seed: int, json: bool
) -> None:
    """Learn a front end from the training images in a folder; labels are not used.

    Take images of another kind than those of the private task, because clients get the front end.
    """
    from shotveil.models.common.checks import require
    from shotveil.models.networks.features import learn_front_end
    from shotveil.models.networks.mnist import load_mnist

    pixels, _ = load_mnist(data, "train")
    require("images", images, at_least=2, at_most=len(pixels), integer=True)
    made = learn_front_end(pixels[:images], patch=patch, dictionary=dictionary, seed=seed)
    made.save(out)
    if json:
        print_json({"front_end": str(out), "features": made.features, "digest": made.digest})
        return
    click.echo(f"{out}: {made.features:,} features, digest {made.digest[:16]}")
