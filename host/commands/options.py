"""Options that several commands share, and the settings they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
seed_option = click.option(
    "--seed", type=int, default=1, show_default=True, help="One seed, one result."
)

_LIGHT = (
    click.option("--gain", type=float, required=True, help="Power gain G > 1 of the client."),
    click.option("--photons", type=float, help="Mean photons μ per mode at the server's output."),
    click.option("--f2", type=float, help="Instead of --photons: F² as it arrives at the client."),
)
_CHANNEL = tuple(
    click.option(
        f"--{each.name.replace('_', '-')}",
        type=float,
        default=each.default,
        show_default=each.default is not None,
        help=each.described,
    )
    for each in Channel.settings()
)


def channel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe fibre and detectors."""
    return _add(command, _CHANNEL)


def link_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the whole link: light, fibre, detectors."""
    return _add(command, _LIGHT + _CHANNEL)


def channel_of(**settings: float | None) -> Channel:
    """The channel from the values of `channel_options`; raises `RangeError`."""
    return Channel.of(**settings)


def link_of(gain: float, photons: float | None, f2: float | None, **channel: Any) -> Link:
    """The link from the values of `link_options`; raises `RangeError`."""
    if (photons is None) == (f2 is None):
        given = "neither" if photons is None else "both"
        raise RangeError(f"{given} of --photons and --f2 given; allowed: exactly one of them")
    require("photons" if f2 is None else "f2", photons if f2 is None else f2, above=0)
    return Link.through(channel_of(**channel), gain, photons=photons, f2=f2)


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object; not-a-number is refused, since JSON has none."""
    click.echo(json.dumps(values, indent=2, allow_nan=False))


def _add(command: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
