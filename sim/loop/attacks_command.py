"""Adversaries against the server's node, caught by its sums.

python -m shotveil.sim.loop.attacks_command
"""

from __future__ import annotations

import time

import click

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Network, load_network
from shotveil.sim.loop.attacks import FALSE_ALARM_PROBABILITY, attacks, probe, run_attack
from shotveil.sim.loop.backend import BACKENDS
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic


@click.command()
@click.option("--backend", type=click.Choice(BACKENDS), default="model", show_default=True)
@click.option("--attack", type=click.Choice(attacks()), help="One of them; all if none.")
@click.option("--modes", default=24, show_default=True, help="Of each random row.")
@click.option("--rows", default=1000, show_default=True, help="Of a batch.")
@click.option("--network", help="Send its first layer's rows instead of random ones.")
@click.option("--gain", default=1.3, show_default=True, help="Granted to the client.")
@click.option("--f2", default=2.4, show_default=True)
@click.option("--batches", default=10, show_default=True, help="The server looks after each one.")
@click.option("--record-frames", default=5000, show_default=True, help="Of calibration records.")
def main(
    backend: str,
    attack: str | None,
    modes: int,
    rows: int,
    network: str | None,
    gain: float,
    f2: float,
    batches: int,
    record_frames: int,
) -> None:
    """Run every adversary until the server rejects the channel, or the batches are over."""
    layer = load_network(network).layers[0] if network else probe(modes, rows)
    settings = realistic(gain, f2)
    records = Loop(Network("attacked", (layer,)), settings).records(record_frames)
    click.echo(
        f"{layer.rows} rows of {layer.modes} modes a batch, up to {batches} batches, {backend}; "
        f"shot-noise unit known to {records.server.shot_error:.2%}, "
        f"false alarms below {FALSE_ALARM_PROBABILITY:g} in all"
    )
    for name in [attack] if attack else attacks():
        start = time.perf_counter()
        found = run_attack(name, layer, settings, records, batches, backend=backend)
        seconds, seen = time.perf_counter() - start, found.verdict
        click.echo(
            f"{name}: {'accepted' if seen.accepted else 'caught'} after batch {found.batches}, "
            f"{seconds:.0f} s\n"
            f"  T̂ = {seen.transmittance:.4f} ± {seen.transmittance_error:.4f}, declared "
            f"{found.declared.transmittance:.4f}, tolerated {found.tolerated.transmittance:.4f}\n"
            f"  ε̂ = {seen.excess_noise:.4f} ± {seen.excess_noise_error:.4f} SNU, declared "
            f"{found.declared.excess_noise:.4f}, tolerated {found.tolerated.excess_noise:.4f}"
        )


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (RangeError, click.ClickException) as error:
        raise SystemExit(f"loop_attacks: {error}") from None
