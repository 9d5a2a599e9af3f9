"""Nodes by URL.

| URL | what |
|---|---|
| `model:server`, `model:client` | the bit-true integer models |
| `rtl:server`, `rtl:client` | the gateware itself, compiled by Verilator |
| `tcp:HOST:PORT` | a node behind a TCP port, such as `python -m shotveil.sim.loop.node_server` |
| `serial:PORT` or `serial:PORT@BAUD` | a board on a serial port |
| `replay:FILE` | a session that was recorded |
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shotveil.host.devices.device import Device, DeviceError
from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.model import ModelDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.record import RecordingDevice, ReplayDevice
from shotveil.host.devices.transport import BytePipe, LinkError, Transport
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError, require
from shotveil.models.node.chain import Plant
from shotveil.models.node.spec import ROLES, NodeSpec

KINDS = ("model", "rtl", "tcp", "serial", "replay")


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
    kind, _, where = url.partition(":")
    if kind not in KINDS or not where:
        allowed = "model:ROLE, rtl:ROLE, tcp:HOST:PORT, serial:PORT, replay:FILE"
        raise RangeError(f"device = {url!r} is no URL of a node; allowed: {allowed}")
    if plant is not None and kind not in ("model", "rtl"):
        raise RangeError(f"a plant was given for {url}; allowed: for model and rtl only")
    if record is not None and record.exists():
        raise RangeError(f"{record} exists; allowed: a new file to record to")
    openers: dict[str, Callable[[], Device]] = {
        "model": lambda: ModelDevice(_spec_of(url, where, spec), plant, url),
        "rtl": lambda: _simulated(url, _spec_of(url, where, spec), plant),
        "tcp": lambda: _linked(url, lambda: _tcp(where), spec),
        "serial": lambda: _linked(url, lambda: _serial(where), spec),
        "replay": lambda: ReplayDevice(Path(where), spec),
    }
    device = openers[kind]()
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


def _spec_of(url: str, role: str, spec: NodeSpec | None) -> NodeSpec:
    if role not in ROLES:
        raise RangeError(f"device = {url!r} names no role; allowed: {', '.join(ROLES)}")
    if spec is not None and spec.role != role:
        raise RangeError(f"device = {url!r} is given the spec of a {spec.role}")
    return spec or NodeSpec(role=role)


def _linked(url: str, pipe: Callable[[], BytePipe], spec: NodeSpec | None) -> LinkDevice:
    try:
        transport = Transport(pipe())
    except LinkError as error:
        raise DeviceError(f"{url}: {error}") from error
    return LinkDevice(transport, url, spec)


def _simulated(url: str, spec: NodeSpec, plant: Plant | None) -> LinkDevice:
    # Not imported by name: a host without a compiler has no use for it.
    simulation = import_extra("shotveil.sim.loop.node_device", "rtl")
    return _linked(url, lambda: simulation.NodePipe(spec, plant), spec)


def _tcp(where: str) -> BytePipe:
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal():
        raise RangeError(f"device = 'tcp:{where}' is no address; allowed: tcp:HOST:PORT")
    require("TCP port", int(port), at_least=1, at_most=65535)
    from shotveil.host.devices.tcp import TcpPipe

    return TcpPipe(host, int(port))


def _serial(where: str) -> BytePipe:
    port, at, baud = where.partition("@")
    if at and not baud.isdecimal():
        raise RangeError(f"baud rate = {baud!r}; allowed: a whole number, serial:PORT@BAUD")
    from shotveil.host.devices.serial_port import SerialPort

    return SerialPort(port, **({"baud": int(baud)} if at else {}))
