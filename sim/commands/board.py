"""`shotveil lab board`: nodes built for a board."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from shotveil.host.commands.options import OneOf, json_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import STORE_RANGE, samples_option

if TYPE_CHECKING:
    from shotveil.models.node.spec import Role

EXTRA = "boards"


def names() -> Iterable[str]:
    """The names of all boards."""
    with needs(EXTRA):
        from shotveil.gateware.boards.board import boards
    return boards()


def links() -> Iterable[str]:
    """The names of the host links that any board offers."""
    with needs(EXTRA):
        from shotveil.gateware.boards.board import boards
    return sorted({link.name for board in boards().values() for link in board.links})


@click.command()
@click.argument("board", type=OneOf("board", names))
@click.option(
    "--role",
    type=click.Choice(["server", "client"]),
    multiple=True,
    show_default="all that the board has",
    help="Party whose node is built; the option may be repeated.",
)
@click.option(
    "--loopback",
    is_flag=True,
    help="Build nodes without converters, which hear the codes that they send.",
)
@click.option(
    "--link",
    type=OneOf("link", links),
    show_default="the board's usual one",
    help="How the board is reached from its host, such as `uart` or `usb`.",
)
@click.option(
    "--seed",
    type=int,
    multiple=True,
    show_default="1 to 8",
    help="Seed of the placement, where the board's tools take one; the option may be repeated, and "
    "the first seed that meets the clocks is taken (0 or more).",
)
@click.option(
    "--store",
    type=int,
    show_default="what the board has memory for",
    help="Number of row symbols that the server's node keeps; with 0 all rows are sent to it each "
    f"time {STORE_RANGE}.",
)
@samples_option
@json_option
def board(
    board: str,
    role: tuple[Role, ...],
    loopback: bool,
    link: str | None,
    seed: tuple[int, ...],
    store: int | None,
    samples_per_symbol: int,
    json: bool,
) -> None:
    """Build the nodes of both parties for BOARD, such as ecpix5 or red_pitaya.

    Any other word makes the command name all boards. A board with an ECP5 gets a bitstream, made by
    tools from PyPI alone; a node takes a quarter of an hour. A board that Vivado builds gets
    Verilog, constraints and a script, and a check that the node fits; where the host link ends in
    the board's own Linux, also the program that serves the node there, and an installer. Ends with
    exit code 1 where a node does not fit or does not meet its clocks.
    """
    with needs(EXTRA):
        from shotveil.gateware.boards.board import boards
        from shotveil.sim.synthesis.boards import build_all

    made = []
    try:
        for name, found in build_all(
            boards()[board],
            role,
            loopback,
            link or "",
            seed,
            lambda line: click.echo(line, err=True),
            samples_per_symbol,
            store,
        ):
            made.append({"node": name, "found": found})
            if not json:
                click.echo(f"{board} {name}: {found}")
    except (RuntimeError, ModuleNotFoundError) as error:
        raise Failed(str(error)) from None
    if json:
        print_json({"board": board, "nodes": made})
