"""`shotveil attack`: an adversary against an honest counterpart."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import click

from shotveil.host.commands.adversaries import AdversaryName, ListsAdversaries
from shotveil.host.commands.options import (
    channel_options,
    json_option,
    link_of,
    print_json,
    seed_option,
)


@click.command(cls=ListsAdversaries)
@click.argument("name", type=AdversaryName("fibre", "client", "server"))
@click.option("--strength", type=float, help="How strong it is. [default: as listed below]")
@click.option("--gain", type=float, default=1.3, show_default=True, help="Granted to the client.")
@click.option("--photons", type=float, help="Mean photons μ per mode. [default: 6]")
@click.option("--f2", type=float, help="Instead of --photons.")
@channel_options
@click.option("--sessions", type=int, default=1000, show_default=True, help="Simulated.")
@click.option("--images", type=int, default=10_000, show_default=True, help="In a session.")
@click.option("--modes", type=int, default=392, show_default=True, help="Of a row.")
@click.option("--rows", type=int, default=1568, show_default=True, help="Of weights, per image.")
@click.option("--decoys", type=int, default=98, show_default=True, help="Per image.")
@click.option("--false-alarm-probability", type=float, default=1e-6, show_default=True)
@seed_option
@json_option
def attack(
    name: str,
    strength: float | None,
    gain: float,
    photons: float | None,
    f2: float | None,
    sessions: int,
    images: int,
    modes: int,
    rows: int,
    decoys: int,
    false_alarm_probability: float,
    seed: int,
    as_json: bool,
    **channel: Any,
) -> None:
    """Run the adversary NAME: what it learned, against which bound, and when it was noticed."""
    from shotveil.host.adversaries.attacks import HonestLayer, run_attack
    from shotveil.host.verification.monitor import MonitorSettings
    from shotveil.models.adversaries.adversary import Adversary, adversary
    from shotveil.models.common.checks import require

    require("seed", seed, at_least=0)
    link = link_of(gain, 6.0 if photons is None and f2 is None else photons, f2, **channel)
    monitor = MonitorSettings(false_alarm_probability=false_alarm_probability)
    setting = HonestLayer(link, modes, rows, decoys, images, sessions, monitor)
    outcome = run_attack(name, strength, setting, seed)
    result = asdict(outcome)
    if math.isnan(outcome.bound_bits):
        result["bound_bits"] = None
    if as_json:
        print_json(result)
        return
    who = adversary(name, Adversary)
    meant = f", {who.strength.meaning} {who.strong(strength):g}" if who.strength else ""
    click.echo(name + meant)
    bound = f"of {outcome.bound_bits:.5g} ({outcome.bound})" if outcome.bound else "(no bound)"
    click.echo(f"learned per element and image: {outcome.learned_bits:.5g} bits {bound}")
    if outcome.images_median is None:
        click.echo(f"noticed in no session, by {outcome.by}")
        return
    click.echo(
        f"noticed in {outcome.detected:.2%} of the sessions, after {outcome.images_median:,.0f} "
        f"images (median), {outcome.images_most:,.0f} at most, by {outcome.by}"
    )
