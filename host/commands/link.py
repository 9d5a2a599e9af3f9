"""`shotveil link`: the optical link as a process of its own, simulated."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.adversaries import AdversaryName, ListsAdversaries, require_attack
from shotveil.host.commands.options import channel_of, channel_options
from shotveil.host.commands.parties import (
    DEMO_LINK,
    demo_option,
    folder_of,
    keys_option,
    log_to_stderr,
    refusals,
    require_extra,
    run_until_told,
)
from shotveil.models.common.checks import require


@click.command(cls=ListsAdversaries)
@keys_option
@demo_option
@click.option("--address", default=DEMO_LINK, show_default=True, help="HOST:PORT to listen on.")
@channel_options
@click.option("--symbol-level", is_flag=True, help="All light as it is, mode by mode: slow.")
@click.option(
    "--attack",
    type=AdversaryName("fibre", "client"),
    help="A test instrument: NAME of an adversary inside, at symbol level.",
)
@click.option("--strength", type=float, help="Of the attack; as for `shotveil attack NAME`.")
@click.option("--shots", type=click.Path(path_type=Path), help="Append what was sent to this file.")
@click.option("--seed", type=int, help="One seed, one result. [default: a fresh one]")
def link(
    keys_folder: Path | None,
    demo: bool,
    address: str,
    symbol_level: bool,
    attack: str | None,
    strength: float | None,
    shots: Path | None,
    seed: int | None,
    **options: Any,
) -> None:
    """Simulate the fibre and both parties' optics; neither party sees more than its own end.

    --attack puts an adversary inside, to see the honest parties notice it.
    """
    require_extra()
    from threadpoolctl import threadpool_limits

    from shotveil.host.adversaries.attacks import interference, interference_bound
    from shotveil.host.parties.keys import LINK, read_keys
    from shotveil.host.parties.optical_link import SimulatedLink
    from shotveil.host.parties.rpc import serve_link
    from shotveil.host.protocol import messages_pb2 as pb

    log_to_stderr()
    folder = folder_of(keys_folder, demo)
    written = os.open(shots, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if shots else None

    def record(shot: Any) -> None:
        if written is not None:
            names = ("session", "batch", "layer", "part")
            # Rows where the server names them; at symbol level there are slots alone.
            rows = ("first", "stop", "images")
            slots = ("slots", "repetitions")
            entry = {
                name: getattr(shot, name)
                for name in (*names, *(rows if isinstance(shot, pb.Shot) else slots))
            }
            os.write(written, (json.dumps(entry) + "\n").encode())

    if seed is None:
        seed = secrets.randbits(128)
    require("seed", seed, at_least=0)
    require_attack(strength, attack)
    adversary = None if attack is None else interference(attack, strength)
    simulated = SimulatedLink(
        channel_of(**options),
        seed,
        symbol_level=symbol_level or adversary is not None,
        interference=adversary,
        record=record,
    )
    # Many calls run side by side, so the matrix products inside each must not.
    with refusals(), threadpool_limits(1, "blas"):
        server, port = serve_link(simulated, address, read_keys(folder, LINK))

        def stop() -> None:
            simulated.shut_down()
            server.stop(grace=2).wait()

        host = address.rpartition(":")[0]
        inside = f", under the attack {attack}" if attack else ""
        run_until_told(f"link ready at {host}:{port}{inside}", stop)
    if adversary is not None:
        click.echo(
            f"{attack} learned {adversary.learned():.5g} bits per weight and passage, "
            f"of {interference_bound(adversary):.5g} at most (holevo)"
        )
