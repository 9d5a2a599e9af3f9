"""Code that `serve`, `link` and `ask` share: addresses, keys, the demo's folder, running."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shotveil.host.commands.options import FILE, FOLDER, URL, Decorator
from shotveil.host.commands.output import print_event
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError

DEMO_SERVER, DEMO_LINK, DEMO_CLIENT = "127.0.0.1:47101", "127.0.0.1:47102", "demo"

# Settings of a party whose light goes through a node of its own.
SESSIONS, IDLE_SECONDS = 1, 10.0  # a node's fibre leads to a single client
PATIENCE = 60.0  # seconds for which a node may stand still while it waits for the other party
LAYER_SECONDS = 3600.0  # a layer through simulated nodes takes minutes

PARENT_PIPE = "SHOTVEIL_PARENT"  # environment: process that holds the other end of standard input

device_option = click.option(
    "--device",
    type=URL,
    help="URL of this party's own node, which the light then goes through in place of --link.",
)
calibration_option = click.option(
    "--calibration", type=FILE, help="JSON file with the calibration of the node of --device."
)
keys_option = click.option(
    "--keys", type=FOLDER, help="Folder with this party's keys, which `shotveil keys` made."
)
demo_option = click.option(
    "--demo",
    is_flag=True,
    help="Use keys and addresses of a demonstration on this machine, made when they are missing.",
)

strength_option = click.option(
    "--strength",
    type=float,
    show_default="the attack's usual one",
    help="Strength of the attack, as for `shotveil attack`; its range depends on the attack (any "
    "number).",
)


def address_option(name: str, default: str, help: str) -> Decorator:
    """Add an option that is an address."""
    return click.option(name, default=default, metavar="HOST:PORT", help=help)


def require_extra() -> None:
    """Raise `ModuleNotFoundError` if the packages for communication are not installed."""
    for package in ("grpc", "grpc_health", "google.protobuf", "cryptography"):
        import_extra(package, "parties")


def demo_folder() -> Path:
    """Return this user's folder for the demo, with its keys. Raises `RangeError`."""
    from shotveil.host.parties.keys import make_keys

    folder = Path(tempfile.gettempdir()) / f"shotveil-demo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise RangeError(f"{folder} belongs to somebody else; remove it")
    make_keys(folder, [DEMO_CLIENT])
    return folder


def pins_of(folder: Path, client: str) -> Path:
    """Return the file in which a client keeps what it knows of servers."""
    from shotveil.host.parties.keys import CLIENT

    return folder / f"{CLIENT}-{client}.servers.json"


def forget_demo(ledger: Path) -> None:
    """Remove the last demonstration's ledger, and what its client knows of the server.

    A demonstration begins anew each time that it starts. Raises `RangeError` where one is running.
    """
    from shotveil.host.ledger.event_log import discard

    discard(ledger)
    pins_of(ledger.parent, DEMO_CLIENT).unlink(missing_ok=True)


def folder_of(keys: Path | None, demo: bool) -> Path:
    """Return the folder of the keys. Raises `RangeError` unless --keys or --demo is given alone."""
    if demo == (keys is not None):
        given = "both" if demo else "neither"
        raise RangeError(f"{given} of --keys and --demo given; allowed: exactly one of them")
    return demo_folder() if keys is None else keys


@contextmanager
def refusals() -> Iterator[None]:
    """Report as one line what a peer refuses, or an address or node that cannot be used."""
    from shotveil.host.devices.device import DeviceError
    from shotveil.host.protocol.wire import ProtocolError

    try:
        yield
    except (ProtocolError, DeviceError, OSError) as error:
        raise RangeError(str(error)) from None


def require_node_options(
    context: click.Context, device: str | None, calibration: Path | None, without: Sequence[str]
) -> None:
    """Raise `RangeError` for options that do not fit --device.

    --device and --calibration need each other, and exclude options whose values the node or its
    calibration determines.
    """
    if (device is None) != (calibration is None):
        given, other = ("device", "calibration") if device else ("calibration", "device")
        how = "; for simulated nodes, `shotveil lab light` writes one" if device else ""
        raise RangeError(f"--{given} is given without --{other}; allowed: both{how}")
    if device is None:
        return
    for name in without:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "--" + name.replace("_", "-")
            raise RangeError(f"{option} is given with --device; allowed: one of them")


def reach(url: str) -> Callable[[], Any]:
    """Return a function that opens the node at a URL."""
    from shotveil.host.devices.node import Node
    from shotveil.host.devices.opening import open_device

    return lambda: Node(open_device(url), patience=PATIENCE)


def run_until_told(
    what: str,
    stop: Callable[[], Any],
    ready: Mapping[str, Any],
    json: bool,
    drain: Callable[[threading.Event], Any] = lambda hurry: None,
    view: Callable[[], Any] | None = None,
) -> None:
    """Print one line when the party is ready, wait until it is told to stop, then call `stop`.

    SIGINT, SIGTERM and SIGHUP tell it so. A party that another one started, with a pipe from it as
    standard input, also stops when that one has ended in any way.

    drain: Function that is called before `stop` after SIGTERM. The event that it is given is set
        by a second signal.

    The line is `what`, or with `json` the object `ready`. What `view` returns is shown below it, on
    a terminal, and kept up to date.
    """
    from shotveil.host.console.terminal import shown

    told, hurry = threading.Event(), threading.Event()

    def tell(number: int, _: object) -> None:
        if told.is_set() or number != signal.SIGTERM:
            hurry.set()
        told.set()

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, tell)
    if os.environ.get(PARENT_PIPE) == str(os.getppid()):
        threading.Thread(target=_wait_for_parent, args=[told, hurry], daemon=True).start()
    if json:
        print_event("ready", **ready)
    else:
        click.echo(what)
    with shown(view):
        told.wait()
    if not hurry.is_set():
        drain(hurry)
    stop()


def _wait_for_parent(told: threading.Event, hurry: threading.Event) -> None:
    while os.read(0, 1 << 12):  # the other end closes when the parent ends, even if it is killed
        pass
    hurry.set()
    told.set()


log_option = click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of the lines on standard error.",
)


def log_to_stderr(kind: str) -> None:
    """Print refusals and sessions on standard error, one line each, as text or json."""
    from shotveil.host.operations.structured_log import formatter

    handler = logging.StreamHandler()
    handler.setFormatter(formatter(kind))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
