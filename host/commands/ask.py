"""`shotveil ask`: the data owner's process: images in, predictions out."""

from __future__ import annotations

import math
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shotveil.host.commands.options import json_option, print_json
from shotveil.host.commands.parties import (
    DEMO_CLIENT,
    DEMO_LINK,
    DEMO_SERVER,
    LAYER_SECONDS,
    calibration_option,
    demo_option,
    device_option,
    folder_of,
    keys_option,
    reach,
    refusals,
    require_extra,
    require_node_options,
)
from shotveil.host.leakage.catalogue import DATA_BOUND, DATA_BOUNDS
from shotveil.host.run.schedule import IMAGES_IN_BATCH
from shotveil.host.verification.probe_check import CHECK_RATE
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Detector
from shotveil.models.networks.mnist import load_mnist


@click.command()
@click.pass_context
@keys_option
@demo_option
@click.option("--name", help="Of the client, as in its certificate.")
@click.option("--server", default=DEMO_SERVER, show_default=True, help="Its HOST:PORT.")
@click.option("--link", default=DEMO_LINK, show_default=True, help="Its HOST:PORT.")
@device_option
@calibration_option
@click.option("--network", default="", help="Name or digest. [default: what is served]")
@click.option("--images", type=int, help="How many test images, from the first. [default: all]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of IDX files. [shipped]")
@click.option("--batch", type=int, default=IMAGES_IN_BATCH, show_default=True, help="Images each.")
@click.option("--max-gain", type=float, help="The most to amplify. [default: what is granted]")
@click.option("--client-efficiency", type=float, default=1.0, show_default=True)
@click.option("--client-electronic-noise", type=float, default=0.0, show_default=True, help="SNU.")
@click.option("--ledger", type=click.Path(path_type=Path), help="What leaked of the images.")
@click.option("--data-budget", type=float, help="Bits per data element and image, over all time.")
@click.option(
    "--data-bound",
    type=click.Choice(list(DATA_BOUNDS)),
    default=DATA_BOUND,
    show_default=True,
    help="That the budget is under.",
)
@click.option(
    "--check-rate",
    type=float,
    default=CHECK_RATE,
    show_default=True,
    help="Of the server's light, per image; two a batch at least, 0: none.",
)
@click.option("--false-alarm-probability", type=float, default=1e-6, show_default=True)
@json_option
def ask(
    context: click.Context,
    keys_folder: Path | None,
    demo: bool,
    name: str | None,
    server: str,
    link: str,
    device: str | None,
    calibration: Path | None,
    network: str,
    images: int | None,
    data: Path | None,
    batch: int,
    max_gain: float | None,
    client_efficiency: float,
    client_electronic_noise: float,
    ledger: Path | None,
    data_budget: float | None,
    data_bound: str,
    check_rate: float,
    false_alarm_probability: float,
    as_json: bool,
) -> None:
    """Classify images with a network that another process serves.

    With --device this party's own node measures the light, in units of --calibration: one image at
    a time, without checks of the probe.
    """
    require_extra()
    from shotveil.host.ledger.data_ledger import DataLedger
    from shotveil.host.parties.calibration import ClientCalibration
    from shotveil.host.parties.client import DataClient
    from shotveil.host.parties.keys import CLIENT, read_keys, require_client_name
    from shotveil.host.parties.node_port import NodePort
    from shotveil.host.parties.rpc import RemoteClientPort, RemoteModel

    own = "client_efficiency", "client_electronic_noise"
    without = "link", "batch", "check_rate", "max_gain", *own
    require_node_options(context, device, calibration, without)
    if max_gain is not None:
        require("max gain", max_gain, above=1)
    if data_budget is not None and ledger is None:
        raise RangeError("--data-budget is given without --ledger; allowed: both")
    folder = folder_of(keys_folder, demo)
    name = name or (DEMO_CLIENT if demo else "")
    require_client_name(name)
    keys = read_keys(folder, f"{CLIENT}-{name}")
    pixels, labels = load_mnist(data, "test")
    if images is not None:
        require("images", images, at_least=1, at_most=len(pixels))
        pixels, labels = pixels[:images], labels[:images]
    detector = Detector(client_efficiency, client_electronic_noise)
    known = None if calibration is None else ClientCalibration.load(calibration)
    if known is not None:
        detector, max_gain, batch, check_rate = known.receiver.receiver, known.gain, 1, 0.0
    accounts = DataLedger(ledger, data_budget, data_bound) if ledger else None
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with refusals(), ExitStack() as stack:
        bar = Progress(*columns, console=console, disable=not console.is_terminal)
        stack.enter_context(bar)
        light: NodePort | RemoteClientPort
        how: dict[str, Any] = {}
        if device is None or known is None:
            model = RemoteModel(server, keys)
            light = RemoteClientPort(link, keys)
        else:
            model = RemoteModel(server, keys, deadline=LAYER_SECONDS)
            light = NodePort(reach(device), known)
            how = {"in_flight": 1, "prepare": light.prepare, "late": True}
        stack.callback(model.hang_up)
        stack.callback(light.hang_up)
        client = DataClient(
            model,
            light,
            # Not from a seed: a server that can guess when it is checked can behave then.
            np.random.default_rng(secrets.randbits(128)),
            network=network,
            max_gain=math.inf if max_gain is None else max_gain,
            detector=detector,
            ledger=accounts,
            check_rate=check_rate,
            false_alarm_probability=false_alarm_probability,
            **how,
        )
        task = bar.add_task("images through the link", total=len(pixels))
        start = time.perf_counter()
        outputs = client.classify(pixels, batch, lambda done: bar.advance(task, done))
        seconds = time.perf_counter() - start
        client.close()
    predictions = outputs.argmax(axis=1)
    result = {
        "network": client.welcome.network,
        "images": len(pixels),
        "accuracy": float((predictions == labels).mean()),
        "predictions": predictions.tolist(),
        "gain": client.gain,
        "photons": client.welcome.photons,
        "decoy_rate": client.welcome.decoy_rate,
        "warnings": len(client.warnings),
        "probe_variance": client.check.variance if client.check.count else None,
        "probe_variance_expected": client.check.expected,
        "data_leakage_bits": accounts.leakage() if accounts else None,
        "seconds": seconds,
        "images_per_second": len(pixels) / seconds,
    }
    if accounts is not None:
        accounts.close()
    if as_json:
        print_json(result)
        return
    rate = len(pixels) / seconds
    click.echo(
        f"{result['network']}: {len(pixels):,} images, accuracy {result['accuracy']:.2%}, "
        f"{f'{rate:,.0f}' if rate >= 10 else f'{rate:.2g}'} images a second"
    )
    if client.check.count:
        click.echo(
            f"probe check: variance {client.check.variance:.5g} SNU, "
            f"coherent light has {client.check.expected:.5g}"
        )
