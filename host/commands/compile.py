"""`shotveil compile`: a model of one's own becomes a network with a private head."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import (
    DATA,
    FILE,
    FOLDER,
    OneOf,
    channel_of,
    channel_options,
    data_bound_option,
    json_option,
    label_option,
    max_image_bits_option,
    max_total_bits_option,
    seed_option,
    weight_bound_option,
)
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import RangeError


def _kinds() -> Iterable[str]:
    from shotveil.models.networks.tasks import KINDS

    return KINDS


SUFFIXES = (".onnx", ".npz", "")  # of files that hold a model; shipped networks have names


@click.command()
@click.argument("model", type=FILE)
@click.option(
    "--data",
    "--samples",
    type=DATA,
    required=True,
    help="Inputs by which cuts are compared, with or without labels: a file .npz, .npy, .csv or "
    ".parquet, or a folder (docs/data.md).",
)
@label_option
@click.option(
    "--cut",
    default="auto",
    metavar="NODE",
    help="Name of the first linear layer that is private; `auto` tries all of them.",
)
@click.option(
    "--task",
    type=OneOf("task", _kinds),
    show_default="what the model says",
    help="What the outputs mean: `class` the largest of them, `binary` one of two by a single "
    "output, `labels` each output above --threshold, `values` the outputs themselves.",
)
@click.option(
    "--threshold",
    type=float,
    default=0.0,
    help="Output above which --task binary and labels answer with yes (any number).",
)
@click.option(
    "--classes",
    metavar="A,B,…",
    default="",
    help="Names of the classes, in the order of the outputs, for --task class and binary.",
)
@click.option(
    "--weight-budget",
    type=float,
    default=0.1,
    help="Most that may leak of a weight, in bits (above 0).",
)
@click.option(
    "--data-budget",
    type=float,
    default=0.01,
    help="Most that may leak of an element of what the first private layer takes, in bits (above "
    "0).",
)
@max_total_bits_option("Most that may leak of all private weights together, in bits (above 0).")
@max_image_bits_option("Most that may leak of an input in one inference, in bits (above 0).")
@click.option(
    "--each-layer",
    is_flag=True,
    help="Let --weight-budget limit every private layer by itself, instead of the mean over them.",
)
@click.option(
    "--inferences",
    type=int,
    default=1,
    help="Number of inferences for which the budgets of the weights hold (1 or more).",
)
@data_bound_option("that --data-budget and --max-image-bits limit")
@weight_bound_option("that --weight-budget and --max-total-bits limit")
@channel_options
@click.option(
    "--finetune",
    type=DATA,
    help="Inputs, as --data, on which the private layers are trained through the noise; without "
    "labels they are trained to say what the model says.",
)
@click.option(
    "--server",
    type=FOLDER,
    default=Path("server"),
    help="Folder that the server's file, with the private weights, is written to.",
)
@click.option(
    "--client",
    type=FOLDER,
    default=Path("client"),
    help="Folder that the client's file, with the public part, is written to.",
)
@click.option("--report", type=FILE, help="HTML file that a report is written to.")
@seed_option
@json_option
def compile(
    model: Path,
    data: Path,
    label: str | None,
    cut: str,
    task: str | None,
    threshold: float,
    classes: str,
    weight_budget: float,
    data_budget: float,
    max_total_bits: float | None,
    max_image_bits: float | None,
    each_layer: bool,
    inferences: int,
    data_bound: str,
    weight_bound: str,
    finetune: Path | None,
    server: Path,
    client: Path,
    report: Path | None,
    seed: int,
    json: bool,
    **channel_settings: Any,
) -> None:
    """Turn MODEL, an ONNX file or a network, into a network whose head is private.

    What is before the cut runs in the clear at the client; linear layers behind it travel as light,
    with as much of it as the budgets allow. The command needs the extra `networks`.
    """
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.compile.compiled import Budget, budget_text, each, light_text, report_text
    from shotveil.host.compile.compiled import compile as compiled
    from shotveil.host.reports.report import check_writable, template
    from shotveil.host.run.samples import load_samples
    from shotveil.models.common.files import write_atomically
    from shotveil.models.networks.network import load_network
    from shotveil.models.networks.tasks import Task

    if report is not None:
        check_writable(report)
    meant = None
    if task is not None:
        meant = Task(task, threshold, tuple(classes.split(",")) if classes else ())
    elif classes or threshold:
        raise RangeError("--classes or --threshold is given without --task; allowed: with it")
    if model.suffix not in SUFFIXES:
        raise RangeError(
            f"model {model} ends in {model.suffix!r}; allowed: an ONNX file (.onnx), or a network "
            "(.npz, or a name); from Python, shotveil.compile takes a PyTorch module or a "
            "scikit-learn estimator as well"
        )
    inputs, labels = load_samples(data, "test", label)
    further = None
    if finetune is not None:
        further = load_samples(finetune, "train", label)
    stages, before = ["cuts", "inputs"] if further is None else ["cuts", "fine-tuning", "inputs"], 0
    with progress_bar("per cent of a stage: " + ", ".join(stages)) as progress:

        def told(what: str, done: int, total: int) -> None:
            nonlocal before
            now = 100 * stages.index(what) + 100 * done // total
            progress(now - before, 100 * len(stages))
            before = now

        private = compiled(
            model if model.suffix == ".onnx" else load_network(model),
            sample=inputs,
            labels=labels,
            cut=cut,
            budget=Budget(
                weight_budget,
                data_budget,
                data_bound,
                inferences,
                weight_bound,
                each_layer,
                max_total_bits,
                max_image_bits,
            ),
            lab=channel_of(**channel_settings),
            finetune=further,
            task=meant,
            seed=seed,
            progress=told,
        )
    files = private.save(server, client)
    found = private.as_dict()
    if report is not None:
        page = template("compile.html").render(
            c=found, budget=budget_text(found["budget"]), light=light_text(found),
            files=list(map(str, files)),
        )  # fmt: skip
        write_atomically(report, page)
    if json:
        print_json({**found, "files": list(map(str, files))})
        return
    click.echo(report_text(found))
    gain, photons = (",".join(f"{v:.10g}" for v in each(found[n])) for n in ("gain", "photons"))
    click.echo(
        f"\n{files[0]}: the private weights, for `shotveil serve --network {files[0]} "
        f"--gain {gain} --photons {photons}`"
    )
    click.echo(f"{files[1]}: the public part, for `shotveil ask --part`")
