"""`shotveil attack`: an adversary against an honest counterpart."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shotveil.host.commands.adversaries import attack_name, print_adversaries
from shotveil.host.commands.options import (
    GAIN_RANGE,
    NETWORK,
    channel_options,
    data_option,
    f2_option,
    false_alarm_option,
    json_option,
    link_of,
    photons_option,
    seed_option,
)
from shotveil.host.commands.output import print_json

if TYPE_CHECKING:
    from shotveil.models.link.optics import Link


@click.command()
@click.argument("name", required=False, type=attack_name())
@click.option(
    "--list",
    is_flag=True,
    help="Print all attacks, their usual strength and what it means, and run none.",
)
@click.option(
    "--strength",
    type=float,
    show_default="the attack's usual one",
    help="Strength of the attack; what it means and its range depend on the attack (any number).",
)
@click.option(
    "--gain",
    type=float,
    default=1.3,
    help=f"Power gain that the client is granted ({GAIN_RANGE}).",
)
@photons_option
@f2_option
@channel_options
@click.option(
    "--sessions", type=int, default=1000, help="Number of sessions to simulate (1 or more)."
)
@click.option(
    "--images", type=int, default=10_000, help="Number of images in a session (1 or more)."
)
@click.option(
    "--modes", type=int, default=392, help="Number of complex modes of a row (1 or more)."
)
@click.option(
    "--rows",
    type=int,
    show_default="1568; 64 for matching",
    help="Number of rows of weights for an image (1 or more).",
)
@click.option(
    "--decoys", type=int, default=98, help="Number of decoy rows for an image (1 or more)."
)
@click.option(
    "--network",
    type=NETWORK,
    show_default="weights that suit the attack best; mnist for extraction",
    help="Network whose first layer has the components of the weights, for attacks on components, "
    "or that extraction clones or matching reads: the name of one that comes with Shotveil, or a "
    "file.",
)
@data_option
@false_alarm_option
@seed_option
@json_option
def attack(
    name: str | None,
    list: bool,
    strength: float | None,
    gain: float,
    photons: float | None,
    f2: float | None,
    sessions: int,
    images: int,
    modes: int,
    rows: int | None,
    decoys: int,
    network: str | None,
    data: Path | None,
    false_alarm_probability: float,
    seed: int,
    json: bool,
    **channel: Any,
) -> None:
    """Run the attack NAME against an honest counterpart.

    The output is what the adversary learned, what the bound allows at the declared settings and at
    what the adversary really does, and how soon it was noticed. With --list, the names of all
    attacks are printed. Without --photons and --f2 the light has 6 photons per mode.

    Matching is played against a server that sends its hidden units in a fresh order in each
    inference. Its strength is the number of inferences. What the order hides is not certified.

    Extraction is played against a network, not a single layer: a client that keeps to the protocol
    clones the network from what it reads of data of its choice. It is told apart from no other
    client, so only the number of inferences limits it.
    """
    from shotveil.host.adversaries.attacks import HonestLayer, run_attack, spectrum_of
    from shotveil.host.verification.monitor import MonitorSettings
    from shotveil.models.adversaries.adversary import Adversary, adversary, plain_uses
    from shotveil.models.common.checks import require
    from shotveil.models.link.light import links_of
    from shotveil.models.networks.network import load_network

    if list:
        print_adversaries(json)
        return
    if name is None:
        raise click.UsageError("neither NAME nor --list is given; allowed: one of them")
    require("seed", seed, at_least=0)
    usual = 6.0 if photons is None and f2 is None else photons
    (link,) = links_of(link_of(gain, usual, f2, **channel), 1)
    if name in plain_uses():
        if name == "matching":
            _matching(network, link, modes, 64 if rows is None else rows, strength, seed, json)
        else:
            _extraction(network or "mnist", link, strength, data, seed, json)
        return
    monitor = MonitorSettings(false_alarm_probability=false_alarm_probability)
    spectrum = None if network is None else spectrum_of(load_network(network).layers[0])
    modes = modes if spectrum is None else len(spectrum)
    rows = 1568 if rows is None else rows
    setting = HonestLayer(link, modes, rows, decoys, images, sessions, monitor, spectrum)
    outcome = run_attack(name, strength, setting, seed)
    result = asdict(outcome)
    if math.isnan(outcome.bound_bits):
        result["bound_bits"] = None
    if json:
        print_json(result)
        return
    who = adversary(name, Adversary)
    meant = f", {who.strength.meaning} {who.strong(strength):g}" if who.strength else ""
    click.echo(name + meant)
    held = "" if outcome.held_bits is None else f", {outcome.held_bits:.5g} with a quantum memory"
    click.echo(f"learned of each {outcome.of}: {outcome.learned_bits:.5g} bits{held}")
    covered = (
        f"{outcome.bound_bits:.5g} at what it does ({outcome.bound})"
        if outcome.bound
        else "no bound at what it does"
    )
    click.echo(f"allowed: {outcome.declared_bits:.5g} bits at what is declared, {covered}")
    if outcome.recognised is not None:
        click.echo(
            f"decoys recognised with an area under the curve of {outcome.recognised:.3f} "
            "(0.5 is guessing)"
        )
    if outcome.images_median is None:
        click.echo(f"noticed in no session, by {outcome.by}")
        return
    if not outcome.images_most:
        click.echo(f"refused in {outcome.detected:.2%} of the sessions, by {outcome.by}")
        return
    click.echo(
        f"noticed in {outcome.detected:.2%} of the sessions, after {outcome.images_median:,.0f} "
        f"images (median), {outcome.images_most:,.0f} at most, by {outcome.by}"
    )


def _extraction(
    name: str, link: Link, inferences: float | None, data: Path | None, seed: int, json: bool
) -> None:
    """Clone a network, and print how good the clone is and what its readings hold."""
    from shotveil.host.run.cloning import extract
    from shotveil.host.run.curves import require_own_images
    from shotveil.models.networks.mnist import load_mnist
    from shotveil.models.networks.network import load_network

    network, (images, labels) = load_network(name), load_mnist(data, "test")
    if data is None:
        require_own_images(network, images, labels)
    outcome = extract(network, link, inferences, images, labels, seed)
    if json:
        print_json(asdict(outcome))
        return
    click.echo(f"{outcome.attack}, number of inferences {outcome.inferences:,}")
    expected = "" if outcome.curve is None else f"; its curve says {outcome.curve:.1%}"
    click.echo(
        f"clone of {outcome.network}: {outcome.accuracy:.1%} of {outcome.images:,} images right at "
        f"F² = {outcome.f2:.4g}, the original {outcome.original:.1%}{expected}"
    )
    for number, each in enumerate([*outcome.layers, outcome.bits], 1):
        whose = f"layer {number}" if number <= len(outcome.layers) else "network"
        click.echo(
            f"learned, {whose}: {each.learned:.4g} bits per weight of {each.bound:.4g} "
            f"({outcome.bound}), {each.total_learned:,.6g} of {each.total_bound:,.6g} bits in all"
        )
    click.echo("noticed in no session: the client keeps to the protocol")


def _matching(
    name: str | None,
    link: Link,
    modes: int,
    rows: int,
    inferences: float | None,
    seed: int,
    json: bool,
) -> None:
    """Match rows that come in fresh orders, and print what that recovers of the weights."""
    import numpy as np

    from shotveil.host.adversaries.matching import match, matched_inferences
    from shotveil.host.commands.show import progress_bar
    from shotveil.models.common.checks import require
    from shotveil.models.networks.network import Layer, Network, load_network

    require("modes", modes, at_least=1)
    require("rows", rows, at_least=1)
    if name is None:
        matched_inferences(inferences, rows, 2 * modes)  # before so much is drawn
        rng = np.random.default_rng([seed, 1])
        shapes = (rows, 2 * modes), (1, rows)
        drawn = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        network = Network("Gaussian weights", tuple(map(Layer, drawn)))
    else:
        network = load_network(name)
    with progress_bar("steps of expectation maximisation") as progress:
        outcome = match(network, link, inferences, seed, progress)
    if json:
        print_json(asdict(outcome))
        return
    click.echo(
        f"{outcome.attack}, number of inferences {outcome.inferences:,}, each in a fresh order of "
        f"{outcome.rows:,} rows of {outcome.columns:,} weights"
    )
    click.echo(
        f"of the weights' variance {outcome.recovered:.1%} recovered, {outcome.in_order:.1%} if "
        f"rows came in one order, {outcome.recovered_from_truth:.1%} by who knew them before"
    )
    click.echo(
        f"learned: {outcome.learned_bits:.4g} bits per weight; allowed: {outcome.bound_bits:.4g} "
        f"({outcome.bound})"
    )
    click.echo(
        f"not certified: an order hides {outcome.most_hidden_bits:.2g} bits per weight at most, "
        "and no budget counts it"
    )
    click.echo("noticed in no session: its noise is within what is declared")
