"""`shotveil bench`: accuracy curves here against dense forward passes in PyTorch."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option, network_option
from shotveil.host.commands.output import Failed, print_json


@click.command()
@network_option("mnist-paper")
@click.option(
    "--points", type=int, default=32, help="Number of values of F² on the curve (2 or more)."
)
@click.option(
    "--rounds",
    type=int,
    default=5,
    help="Number of rounds, of which the median is taken (1 or more).",
)
@json_option
def bench(network: str, points: int, rounds: int, json: bool) -> None:
    """Time accuracy curves against the published way of computing them.

    The published way is one dense noisy forward pass in PyTorch for each point. The exit code is 1
    if the accuracies of both ways disagree. The command needs the extra `train`.
    """
    from shotveil.host.design.bench import agrees, measure, show
    from shotveil.models.common.checks import require

    require("points", points, at_least=2)
    require("rounds", rounds, at_least=1)
    result = measure(network, points, rounds)
    if json:
        print_json(result)
    else:
        show(result)
    if not agrees(result):
        raise Failed("the accuracies of both ways differ by more than the counting error")
