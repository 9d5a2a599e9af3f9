"""`python -m sim.loop_attacks`: adversaries against the server's node, caught by its sums."""

from __future__ import annotations

import click

from models.network import load_network
from sim.loop.attacks import attacks, run_attack
from sim.loop.session import Loop
from sim.loop.settings import realistic


@click.command()
@click.option("--network", default="mnist-paper", show_default=True)
@click.option("--gain", default=1.3, show_default=True, help="Granted to the client.")
@click.option("--f2", default=2.4, show_default=True)
@click.option("--batches", default=60, show_default=True, help="Of the first layer's rows.")
@click.option("--record-frames", default=20_000, show_default=True)
def main(network: str, gain: float, f2: float, batches: int, record_frames: int) -> None:
    """Run every adversary until the server rejects the channel."""
    whole = load_network(network)
    settings = realistic(gain, f2)
    records = Loop(whole, settings).records(record_frames)
    for name in attacks(gain):
        found = run_attack(name, whole.layers[0], settings, records, batches)
        click.echo(f"{name}: after {found.batches} batches, {found.verdict.reason}")


if __name__ == "__main__":
    main()
