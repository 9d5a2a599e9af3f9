"""`shotveil lab attacks`: adversaries against the server's node, caught by its sums."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click

from shotveil.host.commands.options import NETWORK, OneOf, json_option
from shotveil.host.commands.output import print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import (
    EXTRA,
    backend_option,
    f2_option,
    gain_option,
    record_frames_option,
)


def names() -> Iterable[str]:
    """The names of all adversaries that play in the loop, and of the honest client."""
    with needs(EXTRA):
        from shotveil.sim.loop.attacks import attacks
    return attacks()


@click.command()
@backend_option("model")
@click.option(
    "--attack",
    type=OneOf("attack", names),
    show_default="all of them, one after the other",
    help="Adversary to run, by its name.",
)
@click.option(
    "--modes", type=int, default=24, help="Number of modes of each random row (8 or more)."
)
@click.option(
    "--rows", type=int, default=1000, help="Number of random rows in a batch (1 or more)."
)
@click.option(
    "--network",
    type=NETWORK,
    show_default="random rows",
    help="Network whose first layer is sent in place of random rows.",
)
@gain_option
@f2_option
@click.option(
    "--batches",
    type=int,
    default=10,
    help="Number of batches to send; the server looks at its sums after each (1 or more).",
)
@record_frames_option(5000)
@json_option
def attacks(
    backend: str,
    attack: str | None,
    modes: int,
    rows: int,
    network: str | None,
    gain: float,
    f2: float,
    batches: int,
    record_frames: int,
    json: bool,
) -> None:
    """Run adversaries against the server's node until it rejects the channel.

    One of them is an honest client, who should be accepted in every batch.
    """
    with needs(EXTRA):
        from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
        from shotveil.models.networks.network import Network, load_network
        from shotveil.sim.loop.attacks import probe, run_attack
        from shotveil.sim.loop.session import Loop
        from shotveil.sim.loop.settings import realistic

    layer = load_network(network).layers[0] if network else probe(modes, rows)
    settings = realistic(gain, f2)
    records = Loop(Network("attacked", (layer,)), settings).records(record_frames)
    if not json:
        click.echo(
            f"{layer.rows} rows of {layer.modes} modes a batch, up to {batches} batches, "
            f"{backend}; shot-noise unit known to {records.server.shot_error:.2%}, "
            f"false alarms below {FALSE_ALARM_PROBABILITY:g} in all"
        )
    results = {}
    for name in [attack] if attack else names():
        start = time.perf_counter()
        found = run_attack(name, layer, settings, records, batches, backend=backend)
        seconds, seen = time.perf_counter() - start, found.verdict
        results[name] = {
            "accepted": bool(seen.accepted),
            "batches": found.batches,
            "transmittance": float(seen.transmittance),
            "transmittance_declared": float(found.declared.transmittance),
            "excess_noise": float(seen.excess_noise),
            "excess_noise_declared": float(found.declared.excess_noise),
            "reason": seen.reason,
            "seconds": seconds,
        }
        if json:
            continue
        click.echo(
            f"{name}: {'accepted' if seen.accepted else 'caught'} after batch {found.batches}, "
            f"{seconds:.0f} s\n"
            f"  T̂ = {seen.transmittance:.4f} ± {seen.transmittance_error:.4f}, declared "
            f"{found.declared.transmittance:.4f}, tolerated {found.tolerated.transmittance:.4f}\n"
            f"  ε̂ = {seen.excess_noise:.4f} ± {seen.excess_noise_error:.4f} SNU, declared "
            f"{found.declared.excess_noise:.4f}, tolerated {found.tolerated.excess_noise:.4f}"
        )
    if json:
        print_json({"backend": backend, "attacks": results})
