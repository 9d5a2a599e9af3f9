"""`shotveil serve`: the model owner's process, with its network and its ledger."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from shotveil.host.commands.adversaries import require_attack, session_adversary_name
from shotveil.host.commands.demo import DATA_BUDGET, WEIGHT_BUDGET
from shotveil.host.commands.options import (
    GAIN_RANGE,
    LEDGER,
    PER_LAYER,
    channel_of,
    channel_options,
    f2_option,
    false_alarm_option,
    json_option,
    link_of,
    max_image_bits_option,
    max_total_bits_option,
    network_option,
    photons_option,
    sense_option,
)
from shotveil.host.commands.output import print_event
from shotveil.host.commands.parties import (
    DEMO_LINK,
    DEMO_SERVER,
    IDLE_SECONDS,
    PARENT_PIPE,
    SESSIONS,
    address_option,
    calibration_option,
    demo_option,
    device_option,
    folder_of,
    forget_demo,
    keys_option,
    log_option,
    log_to_stderr,
    reach,
    refusals,
    require_extra,
    require_node_options,
    run_until_told,
    strength_option,
)
from shotveil.host.verification.levels import FAILURE_PROBABILITY
from shotveil.models.common.checks import RangeError, require

if TYPE_CHECKING:
    import numpy as np

    from shotveil.host.design.clone_budget import CloneBudget
    from shotveil.host.design.operating_point import Budgets
    from shotveil.host.ledger.accounts import Budget, Sense
    from shotveil.host.run.extraction_curve import PossibleClone
    from shotveil.models.link.light import Light, Values
    from shotveil.models.networks.network import Network

DEMO_BUDGET = 8.0  # bits per weight; no weight of the demo's networks holds more


@click.command()
@click.pass_context
@keys_option
@demo_option
@address_option("--address", DEMO_SERVER, "Address to listen on; port 0 takes one that is free.")
@address_option("--link", DEMO_LINK, "Address of the link's process, `shotveil link`.")
@device_option
@calibration_option
@network_option()
@click.option(
    "--ledger",
    type=LEDGER,
    help="File that keeps for all time what has leaked of the network, which "
    "`shotveil ledger init` made, or postgresql://USER@HOST/DATABASE?key=FILE for one that many "
    "servers share; needed unless --demo is given.",
)
@click.option(
    "--lineage",
    metavar="NAME",
    show_default="by the weights",
    help="Network in the ledger, by its name or digest, whose account this one's light is charged "
    "to.",
)
@click.option(
    "--new-account",
    is_flag=True,
    help="Open an account of its own although the weights are like those of another network; only "
    "where what they share is no secret.",
)
@click.option(
    "--budget",
    type=float,
    show_default="as in the ledger; for a network that is new to it, what leaks before a clone is "
    "as good as the network",
    help="Most that may leak of each weight to all clients together, in bits (0 or more).",
)
@click.option(
    "--client-budget",
    type=float,
    show_default="as in the ledger",
    help="Most that may leak of each weight to any one client, in bits (0 or more).",
)
@click.option(
    "--client-share",
    type=float,
    default=0.25,
    show_default="0.25, and with --demo 1",
    help="Share of the budget that any one client may take where no client budget is set (above 0, "
    "at most 1).",
)
@max_total_bits_option(
    "Most that may leak of all weights together, to all clients and over all time, in bits "
    "(above 0).",
    "no limit besides --budget",
)
@max_image_bits_option(
    "Most that the gain granted may leak of a client's image in one inference, in bits, decoys "
    "included (above 0)."
)
@sense_option
@click.option(
    "--gain",
    type=PER_LAYER,
    show_default="that of 0.05 bit per weight and 0.01 bit per pixel",
    help="Power gain that clients are granted, for all layers, or one for each with commas between "
    f"({GAIN_RANGE}).",
)
@photons_option
@f2_option
@channel_options
@click.option(
    "--decoy-rate",
    type=float,
    default=1 / 16,
    help="Number of decoy rows for each row of weights, to test what returns (above 0, at most 1).",
)
@click.option(
    "--fresh-orders",
    is_flag=True,
    help="Send the hidden units of a dense network in a new order for each image, one image at a "
    "time. The attack that we know then learns less, but nothing certifies it.",
)
@false_alarm_option
@click.option(
    "--failure-probability",
    type=float,
    default=FAILURE_PROBABILITY,
    help="Probability that any certificate of the light to a client is ever wrong (between 0 and "
    "1).",
)
@click.option(
    "--peak",
    type=float,
    default=64.0,
    help="Largest share of the excess noise that one of the N modes of a row may have over all "
    "sessions of a client, in units of 1/N (1 or more).",
)
@click.option(
    "--attack",
    type=session_adversary_name("server"),
    help="Dishonest server to play, for a test of the clients; needs `shotveil link "
    "--symbol-level`.",
)
@strength_option
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    show_default="none",
    help="Loopback address at which Prometheus finds this server's metrics over HTTP; port 0 takes "
    "one that is free.",
)
@click.option(
    "--drain",
    type=float,
    default=300.0,
    help="Most seconds that a server which is told to stop by SIGTERM waits for the clients that "
    "it has; a second signal ends it at once (0 or more).",
)
@log_option
@json_option
def serve(
    context: click.Context,
    keys: Path | None,
    demo: bool,
    address: str,
    link: str,
    device: str | None,
    calibration: Path | None,
    network: str,
    ledger: Path | str | None,
    lineage: str | None,
    new_account: bool,
    budget: float | None,
    client_budget: float | None,
    client_share: float,
    max_total_bits: float | None,
    max_image_bits: float | None,
    sense: str,
    gain: Values | None,
    photons: Values | None,
    f2: Values | None,
    decoy_rate: float,
    fresh_orders: bool,
    false_alarm_probability: float,
    failure_probability: float,
    attack: str | None,
    strength: float | None,
    peak: float,
    metrics: str | None,
    drain: float,
    log: str,
    json: bool,
    **channel: Any,
) -> None:
    """Serve a network through the optical link, as the model owner's process.

    Every row is charged to the ledger before its light leaves. With --demo a link is started as
    well, and a new ledger lies in the demonstration's folder.

    Any client can clone the network from what it reads. Where a curve that ships with the network
    tells how good a clone is, the budget of a network that is new to the ledger ends where a clone
    is as good as the network to within a point; what follows is said in a line. --demo has a budget
    of its own, and with --device there is none, since a node needs room for whole layers.

    With --device the light leaves through this party's own node, and what returns is judged by the
    sums of its receiver, in the units of --calibration.

    With --attack the server tries to learn the data, so that one can see whether clients notice;
    `shotveil attack --list` names the attacks.

    SIGTERM lets the clients that the server has finish, and new ones are told to ask elsewhere.
    The standard health service of gRPC answers on the server's own port.

    With --json one object is printed when the server is ready and one when it has stopped, each on
    a line of its own.
    """
    require_extra()
    import numpy as np

    from shotveil.host.adversaries.attacks import curious_server
    from shotveil.host.adversaries.curious_server import CuriousTransmitter
    from shotveil.host.console.terminal import server_display
    from shotveil.host.design.clone_budget import clone_budget, inferences_within
    from shotveil.host.design.operating_point import Budgets, counted_weights
    from shotveil.host.extras import needs
    from shotveil.host.ledger.stores import open_filter
    from shotveil.host.operations.health import Health
    from shotveil.host.parties.calibration import ServerCalibration
    from shotveil.host.parties.certificates import Revocations
    from shotveil.host.parties.keys import SERVER, read_keys
    from shotveil.host.parties.node_transmitter import NodeTransmitter
    from shotveil.host.parties.rpc import MODEL, RemoteServerPort, refused, serve_model
    from shotveil.host.parties.server import ModelServer, ServerSettings
    from shotveil.host.parties.transmitter import transmitter_for
    from shotveil.host.run.extraction_curve import clone_of
    from shotveil.host.verification.monitor import MonitorSettings
    from shotveil.models.link.light import links_of, one_or_each
    from shotveil.models.networks.network import load_network

    log_to_stderr(log)
    require("drain", drain, at_least=0)
    receiver = [name for name in channel if name.startswith("server_")]
    without = "link", "attack", "strength", "phase_error", *receiver
    require_node_options(context, device, calibration, without)
    folder = folder_of(keys, demo)
    own_keys = read_keys(folder, SERVER)
    served = load_network(network)
    monitor = MonitorSettings(
        false_alarm_probability=false_alarm_probability,
        failure_probability=failure_probability,
        peak=peak,
    )
    if device is not None and gain is None:
        raise RangeError(
            "--gain is not given with --device; allowed: the gain that the client is set to"
        )
    require("client share", client_share, above=0, at_most=1)
    if lineage is not None and new_account:
        raise RangeError("both --lineage and --new-account given; allowed: one of them")
    if max_total_bits is not None:
        require("max total bits", max_total_bits, above=0)
    limits = Budgets(WEIGHT_BUDGET, DATA_BUDGET, image_bits=max_image_bits, decoy_rate=decoy_rate)
    declared = _declared(served, limits, gain, photons, f2, **channel)
    settings = ServerSettings(declared, decoy_rate, monitor, fresh_orders=fresh_orders)
    known = None if calibration is None else ServerCalibration.load(calibration)
    if known is not None:
        settings = replace(
            settings,
            link=one_or_each(
                [
                    replace(
                        link,
                        server_detector=known.receiver.receiver,
                        excess_noise=link.excess_noise
                        + known.distortion * link.modulation_variance,
                    )
                    for link in links_of(settings.link, len(served.layers))
                ]
            ),
            sessions=SESSIONS,
            idle=IDLE_SECONDS,
        )
    require_attack(strength, attack)
    dishonest = None if attack is None else curious_server(attack, strength)
    demo_ledger = ledger is None
    if ledger is None:
        if not demo:
            raise RangeError("neither --ledger nor --demo is given; allowed: a file as --ledger")
        ledger = folder / "ledger.db"
        budget = DEMO_BUDGET if budget is None else budget
        if context.get_parameter_source("client_share") is ParameterSource.DEFAULT:
            client_share = 1.0  # it has one client
    if max_total_bits is not None:
        # The ledger keeps the tighter of both limits, in bits per weight.
        allowed = max_total_bits / counted_weights(served)
        budget = allowed if budget is None else min(budget, allowed)
    child = _own_link(link) if demo and device is None else None
    try:
        with refusals(), ExitStack() as stack:
            if demo_ledger:
                forget_demo(Path(ledger))
            accounts = stack.enter_context(open_filter(ledger, create=demo_ledger))
            new = accounts.accounts.account_of(served.digest) is None
            account = accounts.register(served, lineage=lineage, new_account=new_account)
            follows = None
            if budget is None and new and account.budget is None and device is None:
                follows = clone_budget(served, settings.link)
                if follows is not None:
                    # A clone comes of plain use, whose readings tell what is declared.
                    accounts.set_budget(served.digest, follows.bits, "declared")
            in_sense: Sense = "certified" if sense == "certified" else "declared"
            for bits, whose in ((budget, None), (client_budget, "")):
                if bits is not None:
                    accounts.set_budget(served.digest, bits, in_sense, whose, may_raise=False)
            if account.budget is not None and account.default_client_budget is None:
                share = client_share * account.budget.bits
                accounts.set_budget(served.digest, share, account.budget.sense, "")
            port_of_light: Any
            transmitter: Callable[..., Any] = transmitter_for
            if device is None:
                port_of_light = RemoteServerPort(link, own_keys)
                stack.callback(port_of_light.hang_up)
            else:
                port_of_light = reach(device)

                def transmitter(port: Any, rng: np.random.Generator) -> NodeTransmitter:
                    assert known is not None
                    through = NodeTransmitter(port, rng, known)
                    stack.callback(through.close)
                    return through

            if dishonest is not None:
                first = links_of(settings.link, len(served.layers))[0]
                transmitter = partial(CuriousTransmitter, server=dishonest, link=first)
            # No seed is used here: a client that could predict the decoy rows could behave honestly
            # only on them.
            rng = np.random.default_rng(secrets.randbits(128))
            server = ModelServer(served, settings, accounts, port_of_light, rng, transmitter)
            health, measured = Health(MODEL), None
            if metrics is not None:
                with needs("parties"):
                    from shotveil.host.operations.metrics import ServerMetrics, metrics_at
                known_here = ServerMetrics(accounts, server, refused, lambda: health.serving)
                measured = stack.enter_context(metrics_at(metrics, known_here))
            answering, port = serve_model(
                server, address, own_keys, [health.add_to], Revocations(folder).has
            )
            health.begin()

            def finish(hurry: threading.Event) -> None:
                health.drain()
                server.drain(hurry, drain)

            def stop() -> None:
                answering.stop(grace=2).wait()
                server.shut_down()

            at = f"{address.rpartition(':')[0]}:{port}"
            ready = {"network": served.name, "digest": served.digest, "server": at}
            limit = account.budget
            fitting = None if limit is None else inferences_within(served, declared, limit.bits)
            lights = [link.f2 for link in links_of(declared, len(served.layers))]
            clone = clone_of(served.digest, fitting, lights) if fitting else None
            if not json:
                click.echo(_budget_line(limit, follows, fitting, clone))
            run_until_told(
                f"{served.name} ready at {at}, ledger {ledger}"
                + (f", light through {device}" if device else "")
                + (f", under the attack {attack}" if attack else "")
                + (f", metrics at {measured}" if measured else ""),
                stop,
                {
                    **ready,
                    "ledger": str(ledger),
                    "device": device,
                    "attack": attack,
                    "budget": None if limit is None else asdict(limit),
                    "extraction": None if clone is None else asdict(clone),
                    "metrics": measured,
                },
                json,
                finish,
                None if json else stack.enter_context(server_display(ledger)),
            )
    finally:
        if child is not None:
            child.terminate()
            child.wait()
    if json:
        print_event("stopped", ledger=str(ledger))


def _budget_line(
    budget: Budget | None,
    follows: CloneBudget | None,
    inferences: int | None,
    clone: PossibleClone | None,
) -> str:
    """Return what a server says of its budget, and of the clone that is possible within it.

    follows: The budget that followed from the network's curve, where none was given.
    inferences: Number of inferences that a budget allows from the first one on.
    """
    if follows is not None:
        return f"budget {follows}; --budget sets another"
    if budget is None or inferences is None:
        return "no budget: any number of inferences, and so any clone, is allowed"
    # They are counted at the declared channel, and the certified one is never better.
    most = "at most " if budget.sense == "certified" else ""
    said = f"budget {budget.bits:.4g} bits per weight ({budget.sense}), "
    said += f"{most}{inferences:,} inferences"
    return said if clone is None else f"{said}: {clone}"


def _declared(
    network: Network,
    limits: Budgets,
    gain: Values | None,
    photons: Values | None,
    f2: Values | None,
    **channel: Any,
) -> Light:
    """Return the link from the options, or the brightest inside `limits` if no light is given.

    Raises `RangeError` where an image would leak more than `limits` allow.
    """
    from shotveil.host.design.operating_point import image_bits, most_light
    from shotveil.models.link.light import links_of

    if gain is None:
        if photons is not None or f2 is not None:
            raise RangeError("--photons or --f2 given without --gain; allowed: both or neither")
        return most_light(network, channel_of(**channel), limits)
    light = link_of(gain, photons, f2, **channel)
    links = links_of(light, len(network.layers))
    gains, brightness = [link.gain for link in links], [link.photons for link in links]
    leaked = float(
        image_bits(network, gains, limits.data_bound, limits.decoy_rate, links[0], brightness)
    )
    if limits.image_bits is not None and leaked > limits.image_bits:
        raise RangeError(
            f"gain = {', '.join(f'{each:g}' for each in gains)} leaks {leaked:.4g} bits of an "
            f"image ({limits.data_bound}), decoys included; allowed: at most "
            f"{limits.image_bits:g}, as --max-image-bits says"
        )
    return light


def _own_link(address: str) -> subprocess.Popen[str]:
    """Start the demo's link in a process of its own, and return it once the link is ready.

    Raises `RangeError` where the link does not start.
    """
    command = [
        sys.executable,
        "-c",
        "from shotveil.host.commands.cli import main; main()",
        "link",
        "--demo",
        "--json",
    ]
    child = subprocess.Popen(
        [*command, "--address", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, PARENT_PIPE: str(os.getpid())},
    )
    assert child.stdout is not None
    if not child.stdout.readline():
        child.wait()
        raise RangeError(f"the link at {address} did not start; is another one running there?")
    return child
