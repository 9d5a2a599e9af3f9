"""What `serve`, `link` and `ask` share: addresses, keys, the demo's folder, running until told."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from models.checks import RangeError

DEMO_SERVER, DEMO_LINK, DEMO_CLIENT = "127.0.0.1:47101", "127.0.0.1:47102", "demo"

keys_option = click.option(
    "--keys", "keys_folder", type=click.Path(path_type=Path), help="Folder `shotveil keys` made."
)
demo_option = click.option("--demo", is_flag=True, help="Everything by itself, on loopback.")


def require_extra() -> None:
    """Raise `RangeError` where the packages that the parties talk with are not installed."""
    for package in ("grpc", "google.protobuf", "cryptography"):
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            raise RangeError(
                f"package {package} is not installed; `make setup-parties` installs it"
            ) from None


def demo_folder() -> Path:
    """A folder of this user's for the demo, with keys made once; raises `RangeError`."""
    from host.keys import make_keys

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
    """One line for what a peer refuses, or for an address that cannot be used."""
    from host.protocol.wire import ProtocolError

    try:
        yield
    except (ProtocolError, OSError) as error:
        raise RangeError(str(error)) from None


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
