"""`shotveil serve`: the model owner's process, with its network and its ledger."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from shotveil.host.commands.adversaries import AdversaryName, ListsAdversaries, require_attack
from shotveil.host.commands.demo import DATA_BOUND, DATA_BUDGET, WEIGHT_BUDGET
from shotveil.host.commands.options import channel_of, channel_options
from shotveil.host.commands.parties import (
    DEMO_LINK,
    DEMO_SERVER,
    IDLE_SECONDS,
    SESSIONS,
    calibration_option,
    demo_option,
    device_option,
    folder_of,
    keys_option,
    log_to_stderr,
    reach,
    refusals,
    require_extra,
    require_node_options,
    run_until_told,
)
from shotveil.host.design.operating_point import within_budgets
from shotveil.host.ledger.accounts import Sense
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network, load_network

DEMO_BUDGET = 8.0  # bits: what a weight of the demo's networks has at most


@click.command(cls=ListsAdversaries)
@click.pass_context
@keys_option
@demo_option
@click.option("--address", default=DEMO_SERVER, show_default=True, help="HOST:PORT to listen on.")
@click.option("--link", "link_address", default=DEMO_LINK, show_default=True, help="Its HOST:PORT.")
@device_option
@calibration_option
@click.option("--network", default="mnist", show_default=True, help="Shipped name, or a file.")
@click.option("--ledger", type=click.Path(path_type=Path), help="What left, for ever.")
@click.option("--budget", type=float, help="Bits per weight over all clients. [as in the ledger]")
@click.option("--client-budget", type=float, help="The same for each client. [as in the ledger]")
@click.option(
    "--sense",
    type=click.Choice(["declared", "certified"]),
    default="declared",
    show_default=True,
    help="What --budget and --client-budget limit.",
)
@click.option("--gain", type=float, help="Granted to clients. [0.01 bit per weight and pixel]")
@click.option("--photons", type=float, help="Mean photons μ per mode.")
@click.option("--f2", type=float, help="Instead of --photons: F² as it arrives at the client.")
@channel_options
@click.option("--decoy-rate", type=float, default=1 / 16, show_default=True, help="Per row.")
@click.option("--false-alarm-probability", type=float, default=1e-6, show_default=True)
@click.option("--failure-probability", type=float, default=1e-10, show_default=True)
@click.option(
    "--attack",
    type=AdversaryName("server"),
    help="A test instrument: NAME of a dishonest server to play.",
)
@click.option("--strength", type=float, help="Of the attack; as for `shotveil attack NAME`.")
@click.option("--peak", type=float, default=64.0, show_default=True, help="Of a mode, over 1/N.")
def serve(
    context: click.Context,
    keys_folder: Path | None,
    demo: bool,
    address: str,
    link_address: str,
    device: str | None,
    calibration: Path | None,
    network: str,
    ledger: Path | None,
    budget: float | None,
    client_budget: float | None,
    sense: str,
    gain: float | None,
    photons: float | None,
    f2: float | None,
    decoy_rate: float,
    false_alarm_probability: float,
    failure_probability: float,
    attack: str | None,
    strength: float | None,
    peak: float,
    **channel: Any,
) -> None:
    """Serve a network through the optical link; charge every row before its light leaves.

    With --device the light goes out of this party's own node, and what returns is judged by the
    sums of its receiver, in units of --calibration.

    --attack makes it a server that is after the data, to see clients notice it; it needs
    `shotveil link --symbol-level`.
    """
    require_extra()
    from shotveil.host.adversaries.attacks import curious_server
    from shotveil.host.adversaries.curious_server import CuriousTransmitter
    from shotveil.host.ledger.budget import BudgetFilter
    from shotveil.host.parties.calibration import ServerCalibration
    from shotveil.host.parties.keys import SERVER, read_keys
    from shotveil.host.parties.node_transmitter import NodeTransmitter
    from shotveil.host.parties.rpc import RemoteServerPort, serve_model
    from shotveil.host.parties.server import ModelServer, ServerSettings
    from shotveil.host.parties.transmitter import transmitter_for
    from shotveil.host.verification.monitor import MonitorSettings

    log_to_stderr()
    receiver = "server_efficiency", "server_electronic_noise"
    without = "link_address", "attack", "strength", "phase_error", *receiver
    require_node_options(context, device, calibration, without)
    folder = folder_of(keys_folder, demo)
    keys = read_keys(folder, SERVER)
    served = load_network(network)
    monitor = MonitorSettings(
        false_alarm_probability=false_alarm_probability,
        failure_probability=failure_probability,
        peak=peak,
    )
    if device is not None and gain is None:
        raise RangeError("--gain is not given; allowed with --device: what the client amplifies by")
    settings = ServerSettings(_declared(served, gain, photons, f2, **channel), decoy_rate, monitor)
    known = None if calibration is None else ServerCalibration.load(calibration)
    if known is not None:
        own = known.distortion * settings.link.modulation_variance
        settings = replace(
            settings,
            link=replace(
                settings.link,
                server_detector=known.receiver.receiver,
                excess_noise=settings.link.excess_noise + own,
            ),
            sessions=SESSIONS,
            idle=IDLE_SECONDS,
        )
    require_attack(strength, attack)
    dishonest = None if attack is None else curious_server(attack, strength)
    if ledger is None:
        if not demo:
            raise RangeError("--ledger is not given; allowed: a file")
        ledger = folder / "ledger.db"
        budget = DEMO_BUDGET if budget is None else budget
    child = _own_link(link_address) if demo and device is None else None
    try:
        with refusals(), ExitStack() as stack:
            accounts = stack.enter_context(BudgetFilter(ledger))
            accounts.register(served)
            in_sense: Sense = "certified" if sense == "certified" else "declared"
            for bits, whose in ((budget, None), (client_budget, "")):
                if bits is not None:
                    accounts.set_budget(served.digest, bits, in_sense, whose)
            port_of_light: Any
            transmitter: Callable[..., Any] = transmitter_for
            if device is None:
                port_of_light = RemoteServerPort(link_address, keys)
                stack.callback(port_of_light.hang_up)
            else:
                port_of_light = reach(device)

                def transmitter(port: Any, rng: np.random.Generator) -> NodeTransmitter:
                    assert known is not None
                    through = NodeTransmitter(port, rng, known)
                    stack.callback(through.close)
                    return through

            if dishonest is not None:
                transmitter = partial(CuriousTransmitter, server=dishonest, link=settings.link)
            # Not from a seed: who can guess decoys can spare them.
            rng = np.random.default_rng(secrets.randbits(128))
            server = ModelServer(served, settings, accounts, port_of_light, rng, transmitter)
            answering, port = serve_model(server, address, keys)

            def stop() -> None:
                answering.stop(grace=2).wait()
                server.shut_down()

            run_until_told(
                f"{served.name} ready at {address.rpartition(':')[0]}:{port}, ledger {ledger}"
                + (f", light through {device}" if device else "")
                + (f", under the attack {attack}" if attack else ""),
                stop,
            )
    finally:
        if child is not None:
            child.terminate()
            child.wait()


def _declared(
    network: Network, gain: float | None, photons: float | None, f2: float | None, **channel: Any
) -> Link:
    """The link from the options, or the demo's operating point where no light is given."""
    if gain is None:
        if photons is not None or f2 is not None:
            raise RangeError("--photons or --f2 given without --gain; allowed: both or neither")
        dark = channel_of(**channel)
        return within_budgets(network, WEIGHT_BUDGET, DATA_BUDGET, DATA_BOUND, dark)
    from shotveil.host.commands.options import link_of

    require("gain", gain, above=1)
    return link_of(gain, photons, f2, **channel)


def _own_link(address: str) -> subprocess.Popen[str]:
    """The demo's link, in a process of its own."""
    command = [
        sys.executable,
        "-c",
        "from shotveil.host.commands.cli import main; main()",
        "link",
        "--demo",
    ]
    child = subprocess.Popen([*command, "--address", address], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if not child.stdout.readline().startswith("link ready"):
        child.wait()
        raise RangeError(f"the link at {address} did not start; is another one running there?")
    return child
