"""`shotveil link`: the optical link as a process of its own, simulated."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.adversaries import require_attack, session_adversary_name
from shotveil.host.commands.options import (
    FILE,
    channel_of,
    channel_options,
    json_option,
)
from shotveil.host.commands.output import print_event
from shotveil.host.commands.parties import (
    DEMO_LINK,
    address_option,
    demo_option,
    folder_of,
    keys_option,
    log_option,
    log_to_stderr,
    refusals,
    require_extra,
    run_until_told,
    strength_option,
)
from shotveil.models.common.checks import require


@click.command()
@keys_option
@demo_option
@address_option("--address", DEMO_LINK, "Address to listen on; port 0 takes one that is free.")
@channel_options
@click.option(
    "--symbol-level",
    is_flag=True,
    help="Simulate every mode of the light as it is, which is slow.",
)
@click.option(
    "--attack",
    type=session_adversary_name("fibre", "client"),
    help="Adversary to put inside, for a test of the honest parties; implies --symbol-level.",
)
@strength_option
@click.option(
    "--shots", type=FILE, help="File that a line of JSON is added to for all light that is sent."
)
@click.option(
    "--seed",
    type=int,
    show_default="a fresh one",
    help="Seed of all random numbers; one seed gives one result (0 or more).",
)
@log_option
@json_option
def link(
    keys: Path | None,
    demo: bool,
    address: str,
    symbol_level: bool,
    attack: str | None,
    strength: float | None,
    shots: Path | None,
    seed: int | None,
    log: str,
    json: bool,
    **options: Any,
) -> None:
    """Simulate the fibre and the optics of both parties, as a process of its own.

    WHOEVER RUNS THIS PROCESS SEES WEIGHTS AND DATA. It simulates both parties' optics, so its
    machine holds what a real fibre would keep apart. Run it for tests, never between parties that
    do not trust it. Neither party sees more than its own end.

    With --attack there is an adversary in the client's optics or on the fibre, so that one can see
    whether the honest parties notice; `shotveil attack --list` names the attacks. What it learned
    is printed when the link has stopped.

    With --json one object is printed when the link is ready and one when it has stopped, each on a
    line of its own.
    """
    require_extra()
    from json import dumps

    from threadpoolctl import threadpool_limits

    from shotveil.host.adversaries.attacks import interference, interference_bound
    from shotveil.host.console.terminal import LightCounter, is_terminal
    from shotveil.host.parties.keys import LINK, read_keys
    from shotveil.host.parties.optical_link import SimulatedLink
    from shotveil.host.parties.receipts import Signer
    from shotveil.host.parties.rpc import serve_link
    from shotveil.host.protocol import messages_pb2 as pb

    log_to_stderr(log)
    folder = folder_of(keys, demo)
    if seed is None:
        seed = secrets.randbits(128)
    require("seed", seed, at_least=0)
    require_attack(strength, attack)
    adversary = None if attack is None else interference(attack, strength)
    channel = channel_of(**options)
    own_keys = read_keys(folder, LINK)
    with refusals():
        written = os.open(shots, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if shots else None

    counter = LightCounter()

    def record(shot: Any) -> None:
        counter.count(shot)
        if written is not None:
            names = ("session", "batch", "layer", "part")
            # The server names the rows that it sends, except at symbol level, where it sends slots.
            rows = ("first", "stop", "images")
            slots = ("slots", "repetitions")
            entry = {
                name: getattr(shot, name)
                for name in (*names, *(rows if isinstance(shot, pb.Shot) else slots))
            }
            os.write(written, (dumps(entry) + "\n").encode())

    simulated = SimulatedLink(
        channel,
        seed,
        symbol_level=symbol_level or adversary is not None,
        interference=adversary,
        record=record,
        sign=Signer(*own_keys[1:]),
    )
    # Many calls run in parallel, so the matrix products inside each must use a single thread.
    with refusals(), threadpool_limits(1, "blas"):
        server, port = serve_link(simulated, address, own_keys)

        def stop() -> None:
            simulated.shut_down()
            server.stop(grace=2).wait()

        host = address.rpartition(":")[0]
        inside = f", under the attack {attack}" if attack else ""
        ready = {"link": f"{host}:{port}", "attack": attack}
        view = counter.view if is_terminal() and not json else None
        run_until_told(f"link ready at {host}:{port}{inside}", stop, ready, json, view=view)
    learned = None if adversary is None else float(adversary.learned())
    most = None if adversary is None else float(interference_bound(adversary))
    if json:
        print_event("stopped", learned_bits=learned, bound_bits=most)
    elif adversary is not None:
        click.echo(
            f"{attack} learned {learned:.5g} bits per weight and passage, "
            f"of {most:.5g} at most (holevo)"
        )
