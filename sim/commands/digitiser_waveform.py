"""`shotveil lab digitiser-waveform`: a waveform and a picture of the simulated digitiser."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FOLDER, json_option, out_option
from shotveil.host.commands.output import print_files
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@out_option("reports", "Folder that digitiser.vcd and digitiser.png are written to.", FOLDER)
@json_option
def digitiser_waveform(out: Path, json: bool) -> None:
    """Simulate some frames of the digitiser, as a waveform file and a picture."""
    with needs(EXTRA):
        from shotveil.sim.figures.digitiser_waveform import write_waveform

    print_files(write_waveform(out), json)
