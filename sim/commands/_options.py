"""Options that several commands of the lab share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from shotveil.host.commands.options import GAIN_RANGE, OneOf
from shotveil.host.extras import needs

EXTRA = "lab"


def backends() -> Iterable[str]:
    """The names of the backends, which take the place of the nodes."""
    with needs(EXTRA):
        from shotveil.sim.loop.backend import BACKENDS
    return BACKENDS


def impairments() -> Iterable[str]:
    """The names of all sets of impairments."""
    with needs(EXTRA):
        from shotveil.sim.loop.backend import PRESETS
    return PRESETS


def backend_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--backend`."""
    return click.option(
        "--backend",
        type=OneOf("backend", backends),
        default=default,
        help="What the nodes are: `rtl` is their compiled gateware, `model` their bit-true models.",
    )


def impairments_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--impairments`."""
    return click.option(
        "--impairments",
        type=OneOf("impairments", impairments),
        default=default,
        help="Imperfections of modulator, laser, mesh and detectors: `ideal` or `realistic`.",
    )


gain_option = click.option(
    "--gain",
    type=float,
    default=1.3,
    help=f"Power gain of the client's amplifier ({GAIN_RANGE}).",
)
f2_option = click.option(
    "--f2",
    type=float,
    default=2.4,
    help="Optical signal-to-noise scale F² as it arrives at the client (above 0).",
)

samples_option = click.option(
    "--samples-per-symbol",
    type=int,
    default=4,
    help="Number of samples that a symbol lasts; with 2 there are twice as many symbols a second "
    "(any of 2 and 4).",
)

# `LARGEST_STORE` and the row buffer of `models/node/spec.py`, which loads NumPy; a test holds them
# together.
MOST_STORED = 1 << 20
STORE_RANGE = f"(from 0 to {MOST_STORED}, a multiple of 4096)"

store_option = click.option(
    "--store",
    type=int,
    default=MOST_STORED,
    help="Number of row symbols that stay at the server's node; rows that do not fit are sent each "
    f"time, all of them with 0 {STORE_RANGE}.",
)


def record_frames_option(
    default: int, lowest: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--record-frames`."""
    return click.option(
        "--record-frames",
        type=int,
        default=default,
        help="Number of frames in each of the records that a calibration is made from; with more "
        f"the shot noise is known better ({lowest} or more).",
    )
