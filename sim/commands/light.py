"""`shotveil lab light`: two simulated nodes with light between them, each behind a TCP port."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import click

from shotveil.host.commands.options import FOLDER, json_option, seed_option
from shotveil.host.commands.output import print_event
from shotveil.host.extras import needs
from shotveil.sim.commands._options import (
    EXTRA,
    gain_option,
    impairments_option,
    record_frames_option,
    samples_option,
    store_option,
)


@click.command()
@click.option(
    "--host", default="127.0.0.1", metavar="ADDRESS", help="Address of this machine to listen on."
)
@click.option(
    "--server-port",
    type=int,
    default=7001,
    help="TCP port of the server's node; 0 takes one that is free (from 0 to 65535).",
)
@click.option(
    "--client-port",
    type=int,
    default=7002,
    help="TCP port of the client's node; 0 takes one that is free (from 0 to 65535).",
)
@gain_option
@click.option(
    "--full-scale",
    type=float,
    default=24.0,
    help="Field of the largest symbol, in square roots of shot-noise units (above 0, at most what "
    "the server's receiver takes: 29.3 where all light returns).",
)
@impairments_option("ideal")
@click.option(
    "--transmittance",
    type=float,
    show_default="that of the impairments",
    help="Transmittance of the whole loop; either way has its square root (above 0, at most 1).",
)
@click.option(
    "--excess-noise",
    type=float,
    show_default="that of the impairments",
    help="Technical excess noise of the channel, in shot-noise units (0 or more).",
)
@samples_option
@store_option
@seed_option
@record_frames_option(2000, lowest=100)
@click.option(
    "--calibration",
    type=FOLDER,
    help="Folder that the calibrations of both nodes are written to, as server.json and "
    "client.json.",
)
@json_option
def light(
    host: str,
    server_port: int,
    client_port: int,
    gain: float,
    full_scale: float,
    impairments: str,
    transmittance: float | None,
    excess_noise: float | None,
    samples_per_symbol: int,
    store: int,
    seed: int,
    record_frames: int,
    calibration: Path | None,
    json: bool,
) -> None:
    """Simulate the gateware of both nodes with light between them, each behind a TCP port.

    Hosts, such as `shotveil serve --device` and `shotveil ask --device`, take them for boards. Both
    nodes are calibrated first, which takes a minute, and then served until they are interrupted.
    With --json one object is printed when they are ready and one when they have stopped.
    """
    with needs(EXTRA):
        from shotveil.models.common.checks import RangeError, require
        from shotveil.models.node.spec import NodeSpec
        from shotveil.sim.loop import light as work

    for port in (server_port, client_port):
        require("port", port, at_least=0, at_most=65535)
    chosen = work.impaired(impairments, transmittance, excess_noise)
    server = NodeSpec.chosen("server", samples_per_symbol=samples_per_symbol, store=store)
    made = work.calibrate(gain, full_scale, chosen, seed, record_frames, samples_per_symbol)
    if calibration is not None:
        made.save(calibration)
    nodes = work.LiveNodes(made.table, server)  # made before any host can connect
    listeners: list[socket.socket] = []
    try:
        for port in (server_port, client_port):
            try:
                listeners.append(socket.create_server((host, port)))
            except OSError as error:
                raise RangeError(f"{host}:{port} cannot be listened on: {error}") from None
        roles = ("server", "client")
        urls = ["tcp:{}:{}".format(*listener.getsockname()[:2]) for listener in listeners]
        if json:
            print_event("ready", **dict(zip(roles, urls, strict=True)))
        else:
            loss = 10 * math.log10(1 / chosen.transmittance)
            click.echo(f"loop of {loss:.3g} dB, gain {gain:g}, full scale {full_scale:g} √SNU")
            for role, url in zip(roles, urls, strict=True):
                click.echo(f"a {role} at {url}")
        work.serve(nodes, (listeners[0], listeners[1]))
    except KeyboardInterrupt:
        if json:
            print_event("stopped")
        else:
            click.echo()
    finally:
        for listener in listeners:
            listener.close()
