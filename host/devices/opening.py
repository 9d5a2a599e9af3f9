"""Opens nodes by URL, `SCHEME:WHERE`.

Each scheme has a function that opens its nodes. It is an entry point in the group
`shotveil.devices`, named like the scheme, so any package can add one. The function is called with
the text behind the colon, the spec that the node was built from (None for the usual one, or for
what a node says of itself), and the
plant between the node's converters (None for the usual one). It returns a `Device`, and raises
`RangeError` for a text that is no such URL. docs/devices.md lists the schemes that come with
Shotveil.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

from shotveil.host.devices.device import Device
from shotveil.host.devices.node import Node
from shotveil.host.devices.record import RecordingDevice
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import plugins
from shotveil.models.node.chain import Plant
from shotveil.models.node.spec import NodeSpec

GROUP = "shotveil.devices"
Opener = Callable[[str, NodeSpec | None, Plant | None], Device]


def open_device(
    url: str,
    spec: NodeSpec | None = None,
    plant: Plant | None = None,
    record: Path | None = None,
) -> Device:
    """Open the node at a URL.

    spec: Spec that the node was built from; without one, a node that is not simulated here tells
        it, and a simulated one has the usual spec of its role.
    plant: Optics between DAC and ADC of a model or of simulated gateware.
    record: New file to which the session is written.

    Raises `RangeError` for an invalid URL or a file that exists, and `DeviceError` if there is no
    such node.
    """
    require_url(url)
    scheme, _, where = url.partition(":")
    known = plugins(GROUP)
    if record is not None and record.exists():
        raise RangeError(f"{record} exists; allowed: a new file to record to")
    device = _opener(known[scheme])(where, spec, plant)
    return device if record is None else RecordingDevice(device, record)


def require_url(url: str) -> None:
    """Raise `RangeError` for a text that is no URL of a node, whether or not there is a node."""
    scheme, colon, _ = url.partition(":")
    known = plugins(GROUP)
    if scheme not in known or not colon:
        allowed = ", ".join(f"{name}:…" for name in sorted(known))
        raise RangeError(f"device = {url!r} is no URL of a node; allowed: {allowed}")


def open_node(
    url: str,
    spec: NodeSpec | None = None,
    plant: Plant | None = None,
    record: Path | None = None,
    patience: float = 10.0,
) -> Node:
    """Open the node at a URL, ready to be configured. Close it, or use it in a `with`.

    The arguments are those of `open_device` and of `Node`. Raises `RangeError` for an invalid URL
    and `DeviceError` if there is no such node.

    >>> with open_node("model:client") as node:
    ...     node.spec.role, round(node.registers.watchdog.set(0.5), 2)  # seconds
    ('client', 0.5)
    """
    return Node(open_device(url, spec, plant, record), patience)


def _opener(point: EntryPoint) -> Opener:
    """Load the function that an entry point names.

    Raises `ModuleNotFoundError`, which names the missing extra, if the entry point needs one.
    """
    if point.extras:
        import_extra(point.module, ",".join(point.extras))
    opener: Opener = point.load()
    return opener
