"""`shotveil compile`: a model of one's own becomes a network with a private head."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import (
    FILE,
    FOLDER,
    OneOf,
    data_bound_option,
    json_option,
    seed_option,
    weight_bound_option,
)
from shotveil.host.commands.output import print_json


def _labs() -> list[str]:
    from shotveil.host.compile.compiled import LABS

    return list(LABS)


@click.command()
@click.argument("model", type=FILE)
@click.option(
    "--samples",
    type=FILE,
    required=True,
    help="NumPy file with inputs, `.npy`, or `.npz` with inputs x and labels y; cuts are compared "
    "by them.",
)
@click.option(
    "--cut",
    default="auto",
    metavar="NODE",
    help="Name of the first linear layer that is private; `auto` tries all of them.",
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
@click.option(
    "--inferences",
    type=int,
    default=1,
    help="Number of inferences for which the budget of the weights holds (1 or more).",
)
@data_bound_option("that --data-budget limits")
@weight_bound_option("that --weight-budget limits")
@click.option(
    "--lab",
    type=OneOf("laboratory", _labs),
    default="ideal",
    help="Imperfections that the link is expected to have.",
)
@click.option(
    "--finetune",
    type=FILE,
    help="NumPy file `.npz` with inputs x and labels y, on which the private layers are trained "
    "through the noise.",
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
    samples: Path,
    cut: str,
    weight_budget: float,
    data_budget: float,
    inferences: int,
    data_bound: str,
    weight_bound: str,
    lab: str,
    finetune: Path | None,
    server: Path,
    client: Path,
    report: Path | None,
    seed: int,
    json: bool,
) -> None:
    """Turn MODEL, an ONNX file or a network, into a network whose head is private.

    What is before the cut runs in the clear at the client; linear layers behind it travel as light,
    with as much of it as the budgets allow. The command needs the extra `networks`.
    """
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.compile.compiled import Budget, report_text
    from shotveil.host.compile.compiled import compile as compiled
    from shotveil.host.compile.samples import load_samples
    from shotveil.host.reports.report import check_writable, template
    from shotveil.models.common.checks import RangeError
    from shotveil.models.common.files import write_atomically
    from shotveil.models.networks.network import load_network

    if report is not None:
        check_writable(report)
    inputs, labels = load_samples(samples)
    further = None
    if finetune is not None:
        x, y = load_samples(finetune)
        if y is None:
            raise RangeError(f"samples {finetune} have no labels y, which fine-tuning needs")
        further = x, y
    with progress_bar("cuts and epochs") as progress:
        private = compiled(
            model if model.suffix == ".onnx" else load_network(model),
            sample=inputs,
            labels=labels,
            cut=cut,
            budget=Budget(weight_budget, data_budget, data_bound, inferences, weight_bound),
            lab=lab,
            finetune=further,
            seed=seed,
            progress=lambda what, done, total: progress(1, total),
        )
    files = private.save(server, client)
    found = private.as_dict()
    if report is not None:
        page = template("compile.html").render(c=found, files=list(map(str, files)))
        write_atomically(report, page)
    if json:
        print_json({**found, "files": list(map(str, files))})
        return
    click.echo(report_text(found))
    click.echo(f"\n{files[0]}: the private weights, for `shotveil serve --network`")
    click.echo(f"{files[1]}: the public part, for `shotveil ask --part`")
