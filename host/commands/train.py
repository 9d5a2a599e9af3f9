"""`shotveil train`: noise-aware training of a network of one's own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import click

from shotveil.host.commands.options import FOLDER, PER_LAYER, json_option, out_option
from shotveil.host.commands.output import print_json
from shotveil.host.run.training_settings import TrainingSettings
from shotveil.models.common.checks import RangeError

DISTORTIONS = ("rotation", "scale", "shear", "shift", "elastic")


def _widths(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",") if width.strip())
    except ValueError:
        raise RangeError(
            f"hidden = {text!r}; allowed: widths as integers ≥ 1, with commas between"
        ) from None


def _setting_options(command: Any) -> Any:
    """Add an option for each field of `TrainingSettings`, with its help and its default."""
    for setting in reversed(fields(TrainingSettings)):
        name, default = "--" + setting.name.replace("_", "-"), cast(Any, setting.default)
        how: dict[str, Any] = {"default": default}
        if setting.name == "hidden":
            how = {"default": ",".join(map(str, default)), "callback": _widths, "metavar": "WIDTHS"}
        elif setting.name == "f2":
            how = {"type": PER_LAYER, "show_default": "train without noise"}
        elif isinstance(default, bool):
            name += f"/--no-{setting.name}"
        command = click.option(name, help=setting.metadata["help"], **how)(command)
    return command


@click.command()
@click.option(
    "--data", type=FOLDER, required=True, help="Folder of IDX files with the training images."
)
@click.option(
    "--download", is_flag=True, help="Fetch files that the folder lacks from a public mirror."
)
@out_option(None, "File that the network is written to.")
@click.option(
    "--name", show_default="that of the file", help="Name of the network in reports and ledgers."
)
@click.option(
    "--no-distortion", is_flag=True, help="Train on the images as they are, without distortions."
)
@_setting_options
@json_option
def train(
    data: Path,
    download: bool,
    out: Path,
    name: str | None,
    no_distortion: bool,
    json: bool,
    **settings: Any,
) -> None:
    """Train a network on MNIST, with the loss taken through the noisy link.

    The command needs the extra `train`.
    """
    from shotveil.host.run.training import Progress, fetch_mnist
    from shotveil.host.run.training import train as fit
    from shotveil.models.networks.mnist import load_mnist

    if no_distortion:
        settings |= dict.fromkeys(DISTORTIONS, 0.0)
    chosen = TrainingSettings(**settings)
    if out.is_dir() or not out.parent.is_dir():
        raise RangeError(f"out = {out} is no file in a folder that exists")
    if download:
        fetch_mnist(data)
    images, labels = load_mnist(data, "train")
    losses: list[float] = []

    def show(now: Progress) -> None:
        losses.append(now.loss)
        click.echo(
            f"epoch {now.epoch}/{now.epochs}: loss {now.loss:.4f}, accuracy {now.accuracy:.2%}",
            err=True,
        )

    network = fit(chosen, images, labels, name=name or out.stem, progress=show)
    network.save(out)
    if json:
        print_json(
            {
                "file": str(out),
                "network": network.name,
                "weights": network.weights,
                "digest": network.digest,
                "losses": losses,
            }
        )
    else:
        click.echo(f"{out}: {network.weights:,} weights, digest {network.digest[:16]}")
