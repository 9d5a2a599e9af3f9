"""`shotveil lab node`: a simulated node behind a TCP port, which hosts take for a board."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import print_event
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA, samples_option

if TYPE_CHECKING:
    from shotveil.models.node.spec import Role


@click.command()
@click.option(
    "--role",
    type=click.Choice(["server", "client"]),
    default="server",
    help="Party whose node is simulated: the server's or the client's.",
)
@click.option(
    "--host", default="127.0.0.1", metavar="ADDRESS", help="Address of this machine to listen on."
)
@click.option(
    "--port",
    type=int,
    default=5025,
    help="TCP port to listen on; 0 takes one that is free (from 0 to 65535).",
)
@click.option(
    "--delay",
    type=int,
    default=0,
    help="Delay of the loopback from DAC to ADC, in samples (0 or more).",
)
@samples_option
@json_option
def node(role: Role, host: str, port: int, delay: int, samples_per_symbol: int, json: bool) -> None:
    """Simulate the gateware of one node behind a TCP port, with its output looped back.

    It serves one host at a time until it is interrupted; `shotveil device info tcp:HOST:PORT` talks
    to it. With --json one object is printed when it is ready and one when it has stopped.
    """
    with needs(EXTRA):
        from shotveil.models.common.checks import RangeError, require
        from shotveil.models.node.chain import Loopback
        from shotveil.models.node.spec import NodeSpec
        from shotveil.sim.loop.node_device import NodePipe
        from shotveil.sim.loop.node_server import serve

    require("port", port, at_least=0, at_most=65535)
    spec = NodeSpec.chosen(role, samples_per_symbol=samples_per_symbol)
    pipe = NodePipe(spec, Loopback(spec, delay))
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise RangeError(f"{host}:{port} cannot be listened on: {error}") from None
    with listener:
        at = "tcp:{}:{}".format(*listener.getsockname()[:2])
        if json:
            print_event("ready", role=role, device=at)
        else:
            click.echo(f"a {role} at {at}")
        try:
            serve(pipe, listener)
        except KeyboardInterrupt:
            if json:
                print_event("stopped", device=at)
            else:
                click.echo()
