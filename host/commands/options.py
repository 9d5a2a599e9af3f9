"""Options that several commands share, and the settings they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Detector, Link, split_transmittance

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
seed_option = click.option(
    "--seed", type=int, default=1, show_default=True, help="One seed, one result."
)

_LIGHT = (
    click.option("--gain", type=float, required=True, help="Power gain G > 1 of the client."),
    click.option("--photons", type=float, help="Mean photons μ per mode at the server's output."),
    click.option("--f2", type=float, help="Instead of --photons: F² as it arrives at the client."),
)
_CHANNEL = (
    click.option("--transmittance", type=float, help="Of the whole loop, in (0, 1]. [default: 1]"),
    click.option("--transmittance-out", type=float, help="Of the way out only."),
    click.option("--transmittance-back", type=float, help="Of the way back only."),
    click.option(
        "--excess-noise",
        type=float,
        default=0.0,
        show_default=True,
        help="Technical part (SNU), added to the amplifier's g/N.",
    ),
    click.option("--phase-error", type=float, default=0.0, show_default=True, help="Rms, rad."),
    click.option("--client-efficiency", type=float, default=1.0, show_default=True),
    click.option(
        "--client-electronic-noise", type=float, default=0.0, show_default=True, help="SNU."
    ),
    click.option("--server-efficiency", type=float, default=1.0, show_default=True),
    click.option(
        "--server-electronic-noise", type=float, default=0.0, show_default=True, help="SNU."
    ),
)


def channel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe fibre and detectors."""
    return _add(command, _CHANNEL)


def link_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the whole link: light, fibre, detectors."""
    return _add(command, _LIGHT + _CHANNEL)


def channel_of(
    transmittance: float | None,
    transmittance_out: float | None,
    transmittance_back: float | None,
    excess_noise: float,
    phase_error: float,
    client_efficiency: float,
    client_electronic_noise: float,
    server_efficiency: float,
    server_electronic_noise: float,
    *,
    gain: float = 2.0,
) -> Link:
    """A link without light from the values of `channel_options`; raises `RangeError`."""
    out, back = split_transmittance(transmittance, transmittance_out, transmittance_back)
    return Link(
        gain=gain,
        photons=0.0,
        transmittance_out=out,
        transmittance_back=back,
        excess_noise=excess_noise,
        phase_error=phase_error,
        client_detector=Detector(client_efficiency, client_electronic_noise),
        server_detector=Detector(server_efficiency, server_electronic_noise),
    )


def link_of(gain: float, photons: float | None, f2: float | None, **channel: Any) -> Link:
    """The link from the values of `link_options`; raises `RangeError`."""
    if (photons is None) == (f2 is None):
        given = "neither" if photons is None else "both"
        raise RangeError(f"{given} of --photons and --f2 given; allowed: exactly one of them")
    link = channel_of(gain=gain, **channel)
    if photons is not None:
        require("photons", photons, above=0)
        return replace(link, photons=photons)
    require("f2", f2, above=0)
    return link.with_f2(f2 or 0.0)


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object; not-a-number is refused, since JSON has none."""
    click.echo(json.dumps(values, indent=2, allow_nan=False))


def _add(command: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
