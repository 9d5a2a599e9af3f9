"""`shotveil train`: noise-aware training of a network of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shotveil.host.run.training import Progress, TrainingSettings, fetch_mnist
from shotveil.host.run.training import train as fit
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.mnist import load_mnist

_DEFAULTS = TrainingSettings()


def _widths(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",") if width.strip())
    except ValueError:
        raise RangeError(
            f"hidden = {text!r}; allowed: widths as integers ≥ 1, with commas between"
        ) from None


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of IDX files.")
@click.option("--download", is_flag=True, help="Fetch what --data lacks from a public mirror.")
@click.option("--f2", type=float, help="F² to train at. [default: train without noise]")
@click.option("--hidden", default="784", show_default=True, callback=_widths, help="784,…")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--name", help="Name of the network. [default: that of the file]")
@click.option("--bias/--no-bias", default=_DEFAULTS.bias)
@click.option("--int8/--no-int8", default=_DEFAULTS.int8, help="Round to a byte per weight.")
@click.option("--bfloat16", is_flag=True, help="Multiply in bfloat16: faster where in hardware.")
@click.option("--no-distortion", is_flag=True, help="Train on the images as they are.")
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True)
def train(
    data: Path,
    download: bool,
    out: Path,
    name: str | None,
    hidden: tuple[int, ...],
    no_distortion: bool,
    **settings: Any,
) -> None:
    """Train on MNIST with the loss taken through the noisy link. Needs the extra `train`."""
    if no_distortion:
        settings |= dict.fromkeys(("rotation", "scale", "shear", "shift", "elastic"), 0.0)
    chosen = TrainingSettings(hidden=hidden, **settings)
    if out.is_dir() or not out.parent.is_dir():
        raise RangeError(f"out = {out} is no file in a folder that exists")
    if download:
        fetch_mnist(data)
    images, labels = load_mnist(data, "train")

    def show(now: Progress) -> None:
        click.echo(
            f"epoch {now.epoch}/{now.epochs}: loss {now.loss:.4f}, accuracy {now.accuracy:.2%}",
            err=True,
        )

    network = fit(chosen, images, labels, name=name or out.stem, progress=show)
    network.save(out)
    click.echo(f"{out}: {network.weights:,} weights, digest {network.digest[:16]}")


# Every other setting of training is an option of the same name.
for _setting, _help in (
    ("f2_spread", "Each batch draws F² between f2/spread and f2·spread."),
    ("epochs", "Passes over the data."),
    ("batch", "Images a step."),
    ("learning_rate", "Of Adam at its peak."),
    ("weight_decay", "Decoupled, as in AdamW."),
    ("dropout", "Fraction of hidden activations."),
    ("label_smoothing", "Weight of the uniform target."),
    ("rotation", "Largest, degrees."),
    ("scale", "Largest, relative."),
    ("shear", "Largest, tangent."),
    ("shift", "Largest, pixels."),
    ("elastic", "Rms, pixels."),
    ("threads", "Of PyTorch; decides the last bits."),
):
    _default = getattr(_DEFAULTS, _setting)
    click.option(
        "--" + _setting.replace("_", "-"),
        type=type(_default),
        default=_default,
        show_default=True,
        help=_help,
    )(train)
