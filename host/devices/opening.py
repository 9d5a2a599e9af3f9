"""Nodes by URL, `SCHEME:WHERE`.

What opens a scheme is an entry point of the group `shotveil.devices`, named like the scheme, so
that any package can add one. It is called with what follows the colon, the spec that the node was
built from (None: one of the standard ones), and the plant that is to stand between its converters
(None: the usual one); it returns a `Device` and raises `RangeError` for what cannot be such a URL.
docs/devices.md lists the schemes that come with Shotveil.
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
    """The node at a URL.

    `spec` is what it was built from, if not from one of the standard specs. `plant` stands between
    DAC and ADC of a model or of simulated gateware. With `record` the session is written to a new
    file. Raises `RangeError` for a URL that is none, `DeviceError` if there is no such node.
    """
    scheme, colon, where = url.partition(":")
    known = plugins(GROUP)
    if scheme not in known or not colon:
        allowed = ", ".join(f"{name}:…" for name in sorted(known))
        raise RangeError(f"device = {url!r} is no URL of a node; allowed: {allowed}")
    if record is not None and record.exists():
        raise RangeError(f"{record} exists; allowed: a new file to record to")
    device = _opener(known[scheme])(where, spec, plant)
    return device if record is None else RecordingDevice(device, record)


def open_node(
    url: str,
    spec: NodeSpec | None = None,
    plant: Plant | None = None,
    record: Path | None = None,
    patience: float = 10.0,
) -> Node:
    """The node at a URL, to be configured and to play rows; close it, or use it in a `with`.

    The arguments are those of `open_device` and of `Node`. Raises `RangeError` for a URL that is
    none and `DeviceError` if there is no such node.

    >>> with open_node("model:client") as node:
    ...     node.spec.role, round(node.registers.watchdog.set(0.5), 2)  # seconds
    ('client', 0.5)
    """
    return Node(open_device(url, spec, plant, record), patience)


def _opener(point: EntryPoint) -> Opener:
    """What an entry point names. Says which extra is missing, if it is one that the point names."""
    if point.extras:
        import_extra(point.module, ",".join(point.extras))
    opener: Opener = point.load()
    return opener
