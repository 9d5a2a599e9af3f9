"""`shotveil train`: noise-aware training of a network of one's own."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from json import dumps as to_json
from pathlib import Path
from typing import Any, cast

import click

from shotveil.host.commands.options import (
    DATA,
    FILE,
    PER_LAYER,
    json_option,
    label_option,
    out_option,
    weight_bound_option,
)
from shotveil.host.commands.output import print_json
from shotveil.host.run.training_settings import DIGIT_DISTORTIONS, TrainingSettings
from shotveil.models.common.checks import RangeError


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
    "--data",
    type=DATA,
    required=True,
    help="Images, or inputs of any kind, with their labels: a file .npz, .csv or .parquet, or a "
    "folder of IDX files or of pictures (docs/data.md).",
)
@label_option
@click.option(
    "--download",
    is_flag=True,
    help="Fetch MNIST's files that the folder lacks from a public mirror.",
)
@out_option(None, "File that the network is written to.")
@click.option(
    "--name", show_default="that of the file", help="Name of the network in reports and ledgers."
)
@click.option(
    "--distort",
    is_flag=True,
    help="Distort each image as suits digits, where no other size of a distortion is given.",
)
@click.option(
    "--front-end", type=FILE, help="File of `shotveil features`: what clients do to images first."
)
@click.option(
    "--classes",
    show_default="the labels themselves",
    help="Names of the classes 0, 1, …, with commas between.",
)
@click.option(
    "--weight-budget",
    type=float,
    show_default="no limit",
    help="Most that may leak of a weight in one inference, in bits; without --f2 the light is as "
    "much as that allows (above 0).",
)
@weight_bound_option("that --weight-budget limits")
@click.option("--metrics", type=FILE, help="File that gets a line of JSON after each epoch.")
@_setting_options
@json_option
def train(
    data: Path,
    label: str | None,
    download: bool,
    out: Path,
    name: str | None,
    distort: bool,
    front_end: Path | None,
    classes: str | None,
    weight_budget: float | None,
    weight_bound: str,
    metrics: Path | None,
    json: bool,
    **settings: Any,
) -> None:
    """Train a network on data of one's own, with the loss taken through the noisy link.

    The state after each epoch is kept beside the network, in a file that ends in `.state`. After
    an interruption, the same command goes on from there, and ends with the same network. The
    command needs the extra `train`.
    """
    from shotveil.host.design.operating_point import Budgets
    from shotveil.host.design.width import WANTED, light_for_training, limit_of, stand_in
    from shotveil.host.run.samples import load_samples
    from shotveil.host.run.training import Progress, fetch_mnist, normalisation
    from shotveil.host.run.training import train as fit
    from shotveil.models.networks.features import load_front_end
    from shotveil.models.networks.samples import class_numbers

    if distort:
        settings |= {key: settings[key] or size for key, size in DIGIT_DISTORTIONS.items()}
    chosen = TrainingSettings(**settings)
    if out.is_dir() or not out.parent.is_dir():
        raise RangeError(f"out = {out} is no file in a folder that exists")
    if download:
        fetch_mnist(data)
    samples = load_samples(data, "train", label)
    images, (_, found) = samples.flat, samples.labelled("training")
    numbers, named = class_numbers(found)
    if classes is not None:
        named = tuple(classes.split(","))
        numbers = found
    front = None if front_end is None else load_front_end(front_end)
    if weight_budget is not None:
        first = images.shape[1] if front is None else front.features
        widths = [first, *chosen.hidden, len(named)]
        budgets = Budgets(weight_bits=weight_budget, weight_bound=weight_bound)
        light = light_for_training(stand_in(widths, chosen.bias), chosen.f2, budgets)
        chosen = replace(chosen, f2=light)
    if chosen.f2 is not None and front is None:
        seen = normalisation(images).run(images)[0] if chosen.normalise else images
        rows = (*chosen.hidden, len(named))[0]
        limit = limit_of(seen, numbers, rows, chosen.f2_of_layers[0], chosen.bias)
        if limit.accuracy < WANTED:
            click.echo(f"too few columns for this light: {limit}", err=True)
    losses: list[float] = []

    def show(now: Progress) -> None:
        losses.append(now.loss)
        held = "" if now.held_out is None else f", held out {now.held_out:.2%}"
        click.echo(
            f"epoch {now.epoch}/{now.epochs}: loss {now.loss:.4f}, accuracy {now.accuracy:.2%}"
            + held,
            err=True,
        )
        if metrics is not None:
            with metrics.open("a") as file:
                file.write(to_json(asdict(now)) + "\n")

    network = fit(
        chosen,
        images,
        numbers,
        name=name or out.stem,
        classes=named,
        front_end=front,
        resume=out.with_name(out.name + ".state"),
        progress=show,
    )
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
