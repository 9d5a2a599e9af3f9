"""`shotveil ask`: the data owner's process: images in, predictions out."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shotveil.host.commands.options import (
    DATA,
    FILE,
    GAIN_RANGE,
    channel_of,
    client_optics_options,
    data_bound_option,
    false_alarm_option,
    images_option,
    json_option,
    label_option,
    max_image_bits_option,
)
from shotveil.host.commands.output import print_json
from shotveil.host.commands.parties import (
    DEMO_CLIENT,
    DEMO_LINK,
    DEMO_SERVER,
    LAYER_SECONDS,
    address_option,
    calibration_option,
    demo_option,
    device_option,
    folder_of,
    keys_option,
    pins_of,
    reach,
    refusals,
    require_extra,
    require_node_options,
)
from shotveil.models.common.checks import RangeError, require

if TYPE_CHECKING:
    from shotveil.host.parties.node_port import NodePort
    from shotveil.host.parties.rpc import RemoteClientPort


@click.command()
@click.pass_context
@keys_option
@demo_option
@click.option(
    "--name",
    show_default="demo with --demo",
    help="Name of this client, as in its certificate.",
)
@address_option("--server", DEMO_SERVER, "Address of the server's process, `shotveil serve`.")
@address_option("--link", DEMO_LINK, "Address of the link's process, `shotveil link`.")
@device_option
@calibration_option
@click.option(
    "--network",
    default="",
    metavar="NAME",
    show_default="the one that is served",
    help="Network to be evaluated, by its name or its digest.",
)
@click.option(
    "--part",
    type=FILE,
    help="The client's part of the network, which `shotveil compile` wrote, or the name of a "
    "shipped network; needed where the client does more than ReLU between layers.",
)
@images_option
@click.option(
    "--data",
    "--inputs",
    type=DATA,
    show_default="the 10,000 MNIST images that are shipped",
    help="Images, or inputs of any kind, with or without labels: a file .npz, .npy, .csv or "
    ".parquet, or a folder of IDX files or of pictures (docs/data.md).",
)
@label_option
@click.option(
    "--batch",
    type=int,
    default=256,
    help="Number of images that are sent through the link together (from 1 to 1024).",
)
@click.option(
    "--max-gain",
    type=float,
    show_default="what the server grants, up to 2 + √2",
    help="Largest power gain to amplify any layer with. Without it, a server that grants more than "
    f"2 + √2 is refused ({GAIN_RANGE}).",
)
@client_optics_options
@click.option(
    "--ledger",
    type=FILE,
    help="File that keeps for all time what has leaked of the images.",
)
@click.option(
    "--data-budget",
    type=float,
    show_default="no limit",
    help="Most that may leak of a data element of any image over all time, in bits (0 or more).",
)
@click.option(
    "--receipts",
    type=FILE,
    help="File that keeps the receipts of the server's ledger, by which a ledger that was put back "
    "as it was earlier is noticed.",
)
@click.option(
    "--journal",
    type=FILE,
    help="File that progress, the last images and their outputs are added to, for `shotveil "
    "console --journal`; it holds data of this client.",
)
@max_image_bits_option(
    "Most that may leak of any image as a whole, in bits: in one inference, and over all time with "
    "--ledger. Without it, an inference may tell 8 bits of each element, by holevo (0 or more)."
)
@data_bound_option("that --data-budget and --max-image-bits limit")
@click.option(
    "--check-rate",
    type=float,
    default=0.02,
    help="Number of checks of the server's light for each image, at least two in a batch; with 0 "
    "there are none (from 0 to 1).",
)
@false_alarm_option
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Accept, and remember from now on, what the server declares of its network, light and "
    "decoys, although it declared something else when it was first used.",
)
@json_option
def ask(
    context: click.Context,
    keys: Path | None,
    demo: bool,
    name: str | None,
    server: str,
    link: str,
    device: str | None,
    calibration: Path | None,
    network: str,
    part: Path | None,
    images: int | None,
    data: Path | None,
    label: str | None,
    batch: int,
    max_gain: float | None,
    ledger: Path | None,
    data_budget: float | None,
    receipts: Path | None,
    journal: Path | None,
    max_image_bits: float | None,
    data_bound: str,
    check_rate: float,
    false_alarm_probability: float,
    accept_changes: bool,
    json: bool,
    loss_imbalance: float | None,
    **receiver: Any,
) -> None:
    """Classify images with a network that another process serves, as the data owner's process.

    With --device this party's own node measures the light, in the units of --calibration. Images
    are then sent one at a time, and the server's light is not checked.
    """
    require_extra()
    import numpy as np

    from shotveil.host.commands.show import progress_bar, rate
    from shotveil.host.console.journal import Journal
    from shotveil.host.leakage.catalogue import DATA_BOUNDS
    from shotveil.host.ledger.data_ledger import DataLedger
    from shotveil.host.parties.calibration import ClientCalibration
    from shotveil.host.parties.client import DataClient
    from shotveil.host.parties.kept_receipts import KeptReceipts
    from shotveil.host.parties.keys import CLIENT, read_keys, require_client_name
    from shotveil.host.parties.node_port import NodePort
    from shotveil.host.parties.pins import Pins
    from shotveil.host.parties.routing import RoutedParties, routes
    from shotveil.host.parties.rpc import RemoteClientPort, RemoteModel
    from shotveil.host.run.samples import load_samples
    from shotveil.models.link.amplifier import require_gain
    from shotveil.models.link.light import one_or_each
    from shotveil.models.networks.network import load_client_part
    from shotveil.models.networks.tasks import Task

    without = "link", "batch", "check_rate", "max_gain", *receiver
    require_node_options(context, device, calibration, without)
    if max_gain is not None:
        require_gain(max_gain, "max gain")
    if max_image_bits is not None:
        require("max image bits", max_image_bits, at_least=0)
    if data_budget is not None and ledger is None:
        raise RangeError("--data-budget is given without --ledger; allowed: both or neither")
    folder = folder_of(keys, demo)
    name = name or (DEMO_CLIENT if demo else "")
    require_client_name(name)
    own_keys = read_keys(folder, f"{CLIENT}-{name}")
    samples = load_samples(data, "test", label).first(images)
    pixels, labels = samples.flat, samples.labels
    own_part = None if part is None else load_client_part(part)
    task = own_part.plan.task if own_part else Task()
    truth = None
    pins = Pins(pins_of(folder, name))
    detector = channel_of(**receiver).client_detector
    known = None if calibration is None else ClientCalibration.load(calibration)
    if known is not None:
        detector, max_gain, batch, check_rate = known.receiver.receiver, known.gain, 1, 0.0
    kept = None if receipts is None else KeptReceipts(receipts)
    accounts = DataLedger(ledger, data_budget, data_bound, max_image_bits) if ledger else None
    with refusals(), ExitStack() as stack:
        progress = stack.enter_context(progress_bar("images through the link"))
        notes = None if journal is None else Journal(journal)
        if notes is not None:
            stack.callback(notes.close)
        light: NodePort | RemoteClientPort | RoutedParties
        model: RemoteModel | RoutedParties
        how: dict[str, Any] = {}
        prepare = []
        if device is None or known is None:
            found = routes(server, link)
            if len(found) > 1:
                model = light = RoutedParties(found, own_keys)
            else:
                model = RemoteModel(server, own_keys)
                light = RemoteClientPort(link, own_keys)
        else:
            model = RemoteModel(server, own_keys, deadline=LAYER_SECONDS)
            light = NodePort(reach(device), known)
            how = {"in_flight": 1, "late": True}
            prepare.append(light.prepare)
        stack.callback(model.hang_up)
        stack.callback(light.hang_up)

        def welcomed(welcome: Any) -> None:
            nonlocal truth
            pins.check(server, welcome, accept_changes)
            if labels is not None:  # before any light is spent on them
                truth = task.truth(labels, welcome.layers[-1].rows)
            for step in prepare:
                step(welcome)

        client = DataClient(
            model,
            light,
            # No seed is used here: a server that could predict the checks could send honest light
            # only for them.
            np.random.default_rng(secrets.randbits(128)),
            network=network or (own_part.digest if own_part else ""),
            plan=own_part.plan if own_part else None,
            max_gain=max_gain,
            max_image_bits=max_image_bits,
            data_bound=data_bound,
            detector=detector,
            loss_imbalance=loss_imbalance or 0.0,
            ledger=accounts,
            check_rate=check_rate,
            false_alarm_probability=false_alarm_probability,
            checkpoint="" if kept is None else kept.last,
            prepare=welcomed,
            **how,
        )
        told = client.image_bits[data_bound]
        gains = ", ".join(f"{gain:.6g}" for gain in dict.fromkeys(client.gains))
        if not json:
            click.echo(
                f"an image leaks at most {told:.4g} bits in an inference ({data_bound}), "
                f"at gain {gains}"
            )
        start = time.perf_counter()

        def advance(done: int) -> None:
            progress(done, len(pixels))
            if notes is not None:
                notes.progress(done, len(pixels))

        outputs = client.classify(pixels, batch, advance)
        seconds = time.perf_counter() - start
        receipt = client.close()
        if kept is not None:
            kept.add(receipt.checkpoint)
        predictions = task.of(outputs)
        if notes is not None:
            notes.answers(pixels, outputs, predictions, client.welcome.network)
            notes.checks(
                {
                    "count": int(client.check.count),
                    "variance": client.check.variance if client.check.count else None,
                    "expected": client.check.expected,
                    "brightness": client.brightness.ratio if client.brightness.layers else None,
                    "warnings": len(client.warnings),
                    "image_bits": told,
                    "bound": data_bound,
                }
            )
    score = None if truth is None else task.score(outputs, truth)
    result = {
        "network": client.welcome.network,
        "images": len(pixels),
        "accuracy": score,
        "predictions": predictions.tolist(),
        "gain": one_or_each(client.gains),
        "photons": one_or_each([layer.photons for layer in client.welcome.layers]),
        "decoy_rate": client.welcome.decoy_rate,
        "warnings": len(client.warnings),
        "checkpoint": receipt.checkpoint,
        "probe_variance": client.check.variance if client.check.count else None,
        "probe_variance_expected": client.check.expected,
        "brightness": client.brightness.ratio if client.brightness.layers else None,
        "image_bits": client.image_bits,
        "data_leakage_bits": accounts.leakage() if accounts else None,
        "seconds": seconds,
        "images_per_second": len(pixels) / seconds,
    }
    if accounts is not None:
        accounts.close()
    if json:
        print_json(result)
        return
    click.echo(
        f"{result['network']}: {len(pixels):,} images, "
        + ("" if score is None else f"{task.measure} {score:.2%}, ")
        + f"{rate(len(pixels) / seconds)} images a second"
    )
    elements = pixels.shape[1]
    click.echo(
        f"leaked of each image: at most {told:.4g} bits ({data_bound}), {told / elements:.4g} bits "
        f"for each of its {elements:,} elements; of all images {told * len(pixels):,.6g} bits"
    )
    others = ", ".join(
        f"{bits:.4g} ({name})"
        for name, bits in client.image_bits.items()
        if name != data_bound and not DATA_BOUNDS[name].theorem
    )
    click.echo(f"estimates: {others} bits of an image")
    if client.check.count:
        click.echo(
            f"probe check: variance {client.check.variance:.5g} SNU, "
            f"coherent light has {client.check.expected:.5g}; brightness "
            f"{client.brightness.ratio:.3g} of what is declared"
        )
