"""`shotveil link`: the optical link as a process of its own, simulated."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import click

from host.commands.options import channel_of, channel_options
from host.commands.parties import (
    DEMO_LINK,
    demo_option,
    folder_of,
    keys_option,
    log_to_stderr,
    refusals,
    require_extra,
    run_until_told,
)
from models.checks import require


@click.command()
@keys_option
@demo_option
@click.option("--address", default=DEMO_LINK, show_default=True, help="HOST:PORT to listen on.")
@channel_options
@click.option("--symbol-level", is_flag=True, help="Simulate every mode: slow, same distribution.")
@click.option("--shots", type=click.Path(path_type=Path), help="Append what was sent to this file.")
@click.option("--seed", type=int, help="One seed, one result. [default: a fresh one]")
def link(
    keys_folder: Path | None,
    demo: bool,
    address: str,
    symbol_level: bool,
    shots: Path | None,
    seed: int | None,
    **options: Any,
) -> None:
    """Simulate the fibre and both parties' optics; neither party sees more than its own end."""
    require_extra()
    from threadpoolctl import threadpool_limits

    from host.keys import LINK, read_keys
    from host.optical_link import SimulatedLink
    from host.protocol.rpc import serve_link

    log_to_stderr()
    folder = folder_of(keys_folder, demo)
    written = os.open(shots, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if shots else None

    def record(shot: Any) -> None:
        if written is not None:
            entry = {
                name: getattr(shot, name)
                for name in ("session", "batch", "layer", "part", "first", "stop", "images")
            }
            os.write(written, (json.dumps(entry) + "\n").encode())

    if seed is None:
        seed = secrets.randbits(128)
    require("seed", seed, at_least=0)
    simulated = SimulatedLink(channel_of(**options), seed, symbol_level=symbol_level, record=record)
    # Many calls run side by side, so the matrix products inside each must not.
    with refusals(), threadpool_limits(1, "blas"):
        server, port = serve_link(simulated, address, read_keys(folder, LINK))

        def stop() -> None:
            simulated.shut_down()
            server.stop(grace=2).wait()

        host = address.rpartition(":")[0]
        run_until_told(f"link ready at {host}:{port}", stop)
