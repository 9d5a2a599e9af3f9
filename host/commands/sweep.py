"""`shotveil sweep`: accuracy, leakage and verification over many settings."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import json_option, print_json
from shotveil.host.commands.show import progress_bar
from shotveil.host.design import sweep as sweeps
from shotveil.models.common.checks import require


@click.command()
@click.argument("settings", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write."
)
@click.option("--scheduler", help="Address of a Dask cluster. [default: this machine's cores]")
@click.option("--workers", type=int, help="Local processes. [default: one a core]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of IDX files. [shipped]")
@json_option
def sweep(
    settings: Path,
    out: Path,
    scheduler: str | None,
    workers: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Compute every point of the TOML file SETTINGS, and go on where an earlier start ended.

    SETTINGS holds [settings] for all points, [grid] with lists whose product is taken, and
    [[points]] with further points; docs/design-space.md names what can be set.
    """
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
    if as_json:
        print_json({"out": str(out), "points": len(points), "computed": computed})
    else:
        click.echo(f"{out}: {len(points):,} points, {computed:,} of them computed now")
