"""`shotveil lab cosim`: MNIST test digits through both nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import FILE, json_option, network_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import (
    EXTRA,
    backend_option,
    f2_option,
    gain_option,
    impairments_option,
    record_frames_option,
    samples_option,
    store_option,
)


@click.command()
@network_option("mnist-paper")
@click.option(
    "--images",
    type=int,
    default=100,
    help="Number of test images to use, counted from the first (1 or more).",
)
@gain_option
@f2_option
@backend_option("rtl")
@click.option(
    "--processes",
    type=int,
    show_default="one for each processor",
    help="Number of processes that share the work (1 or more).",
)
@click.option(
    "--compare",
    type=int,
    default=10,
    help="Number of images that the models see as well, to compare every bit (0 or more).",
)
@impairments_option("realistic")
@samples_option
@store_option
@record_frames_option(20_000)
@click.option(
    "--report",
    type=FILE,
    default=Path("reports/cosim.html"),
    help="HTML file that the report is written to; the calibration is written beside it.",
)
@seed_option
@json_option
def cosim(report: Path, images: int, processes: int | None, json: bool, **settings: Any) -> None:
    """Classify MNIST test digits through both nodes with the optics between them.

    With 100 digits through the gateware this takes some minutes. Ends with exit code 1 where
    gateware and models differ in any bit.
    """
    with needs(EXTRA):
        from shotveil.host.commands.show import progress_bar, show
        from shotveil.models.common.checks import require
        from shotveil.sim.loop import cosim as work
        from shotveil.sim.loop.run import Disagreement

    if processes is not None:
        require("processes", processes, at_least=1)
    with progress_bar("images through both nodes") as advance:
        try:
            run, calibration = work.cosim(
                images=images, report=report, processes=processes, progress=advance, **settings
            )
        except Disagreement as error:
            raise Failed(str(error)) from None
    if json:
        print_json({**work.as_dict(run), "report": str(report), "calibration": str(calibration)})
        return
    show(run.summary)
    click.echo("\n".join([*work.channel_lines(run), *work.board_lines(run)]))
    click.echo(f"report: {report}\ncalibration: {calibration}")
