"""`shotveil sweep`: accuracy, leakage and verification over many settings."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, data_option, json_option, out_option
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import require


@click.command()
@click.argument("settings", type=FILE)
@out_option(None, "Parquet file that the results are written to.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    show_default="none, this machine does it",
    help="Address of the scheduler of a Dask cluster.",
)
@click.option(
    "--workers",
    type=int,
    show_default="one for each core",
    help="Number of processes on this machine (1 or more).",
)
@data_option
@json_option
def sweep(
    settings: Path,
    out: Path,
    scheduler: str | None,
    workers: int | None,
    data: Path | None,
    json: bool,
) -> None:
    """Compute accuracy, leakage and verification at every point of the TOML file SETTINGS.

    A sweep that was interrupted continues where it stopped. SETTINGS holds the table [settings] for
    all points, [grid] with lists whose product is taken, and [[points]] with further points;
    docs/design.md lists all settings. The command needs the extra `sweep`.
    """
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.design import sweep as sweeps

    if workers is not None:
        require("workers", workers, at_least=1)
    points = sweeps.read_points(settings)
    with progress_bar("points") as progress:
        computed = sweeps.run(
            points,
            out,
            data=None if data is None else str(data.resolve()),
            scheduler=scheduler,
            workers=workers,
            progress=lambda done: progress(done, len(points)),
        )
    if json:
        print_json({"out": str(out), "points": len(points), "computed": computed})
    else:
        click.echo(f"{out}: {len(points):,} points, {computed:,} of them computed now")
