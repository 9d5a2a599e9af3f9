"""What `serve`, `link` and `ask` share: addresses, keys, the demo's folder, running until told."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError

DEMO_SERVER, DEMO_LINK, DEMO_CLIENT = "127.0.0.1:47101", "127.0.0.1:47102", "demo"

# Of a party whose light goes through a node.
SESSIONS, IDLE_SECONDS = 1, 10.0  # a node's fibre leads to one client
PATIENCE = 60.0  # seconds that a node may stand still while it waits for the other party
LAYER_SECONDS = 3600.0  # simulated nodes take their time

device_option = click.option("--device", help="URL of the party's own node, instead of --link.")
calibration_option = click.option(
    "--calibration", type=click.Path(path_type=Path), help="Of the node: a JSON file."
)
keys_option = click.option(
    "--keys", "keys_folder", type=click.Path(path_type=Path), help="Folder `shotveil keys` made."
)
demo_option = click.option("--demo", is_flag=True, help="Everything by itself, on loopback.")


def require_extra() -> None:
    """Raise `ModuleNotFoundError` where packages that the parties talk with are not installed."""
    for package in ("grpc", "google.protobuf", "cryptography"):
        import_extra(package, "parties")


def demo_folder() -> Path:
    """A folder of this user's for the demo, with keys made once; raises `RangeError`."""
    from shotveil.host.parties.keys import make_keys

    folder = Path(tempfile.gettempdir()) / f"shotveil-demo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise RangeError(f"{folder} belongs to somebody else; remove it")
    make_keys(folder, [DEMO_CLIENT])
    return folder


def folder_of(keys_folder: Path | None, demo: bool) -> Path:
    """Where the keys are; raises `RangeError` unless exactly one of --keys and --demo is given."""
    if demo == (keys_folder is not None):
        raise RangeError(f"{'both' if demo else 'neither'} of --keys and --demo given")
    return demo_folder() if keys_folder is None else keys_folder


@contextmanager
def refusals() -> Iterator[None]:
    """One line for what a peer refuses, or for an address or a node that cannot be used."""
    from shotveil.host.devices.device import DeviceError
    from shotveil.host.protocol.wire import ProtocolError

    try:
        yield
    except (ProtocolError, DeviceError, OSError) as error:
        raise RangeError(str(error)) from None


def require_node_options(
    context: click.Context, device: str | None, calibration: Path | None, without: Sequence[str]
) -> None:
    """Raise `RangeError` unless --device and --calibration come together, and without options that
    say what the node or its calibration says already."""
    if (device is None) != (calibration is None):
        given, other = ("device", "calibration") if device else ("calibration", "device")
        how = (
            "; for simulated nodes, `python -m shotveil.sim.loop.light` writes one"
            if device
            else ""
        )
        raise RangeError(f"--{given} is given without --{other}; allowed: both{how}")
    if device is None:
        return
    for name in without:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + {"link_address": "link"}.get(name, name).replace("_", "-")
            raise RangeError(f"{option} is given with --device; allowed: one of them")


def reach(url: str) -> Callable[[], Any]:
    """What opens the node at a URL."""
    from shotveil.host.devices.node import Node
    from shotveil.host.devices.opening import open_device

    return lambda: Node(open_device(url), patience=PATIENCE)


def run_until_told(what: str, stop: Callable[[], Any]) -> None:
    """Print one line that says it is ready, wait for SIGINT or SIGTERM, then `stop`."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    click.echo(what)
    told.wait()
    stop()


def log_to_stderr() -> None:
    """Refusals and sessions, one line each."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
