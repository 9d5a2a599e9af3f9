"""A layer through the gateware of both nodes, in lockstep with the optics between them.

Each node is compiled (`sim.node_device`) and driven over its host link by the host's own code, in a
thread of its own. For every block of clocks both nodes run side by side; then the optics take the
server's codes and the client's phase shifter, and give both their ADC words for the next block. So
a block adds its length to either delay. A client's drive is triggered by the server's frames.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from host.devices.link import LinkDevice
from host.devices.transport import Transport
from host.node import Batch, Node
from models.checks import RangeError
from models.drive.spec import DriveSettings
from models.encoding import Complex
from models.fixedpoint import IntArray
from models.node.spec import NodeSpec
from models.waveform.mesh import angle_table
from models.waveform.optics import Optics
from sim.loop.session import Loop
from sim.node_device import NodePipe

BLOCK = 864  # clocks: half a frame of 392 symbols
PATIENCE = 600.0  # seconds without progress


@dataclass(eq=False)
class Link:
    """What both threads share."""

    optics: Optics
    block: int
    running: threading.Event = field(default_factory=threading.Event)  # the client is armed
    over: threading.Event = field(default_factory=threading.Event)  # either has finished
    shifters: queue.Queue[IntArray] = field(default_factory=queue.Queue)
    words: queue.Queue[tuple[IntArray, IntArray]] = field(default_factory=queue.Queue)


class ServerPlant:
    """The optics, as the server's node sees them; silence until the client is there."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._clock = 0
        self._starts: list[int] = []
        self._frame: IntArray = np.zeros(link.block, np.int64)
        self.starts: list[int] = []

    def __call__(self, codes: IntArray) -> IntArray:
        """ADC words (2, n) for codes (2, n)."""
        link = self._link
        if not link.running.is_set():
            return np.zeros_like(codes)
        shifter = _get(link.shifters, link.over)
        if shifter is None:
            shifter = np.zeros(codes.shape[1], np.int64)
        client, server = link.optics.step(codes, self._starts, shifter)
        self._starts = []
        link.words.put((client, self._frame))
        self._clock += codes.shape[1]
        return server

    def frames(self, line: IntArray) -> IntArray:
        """Takes the `frame` line of the block that was just played; the trigger stays low."""
        if self._link.running.is_set():
            begun = [self._clock - len(line) + int(k) for k in np.nonzero(line)[0]]
            self._starts += begun
            self.starts += begun
        self._frame = line
        return np.zeros_like(line)


class ClientPlant:
    """The client's side of the same."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.pipe: NodePipe | None = None
        self._line: IntArray = np.zeros(link.block, np.int64)

    def __call__(self, codes: IntArray) -> IntArray:
        """ADC words (1, n)."""
        link = self._link
        assert self.pipe is not None
        silence = np.zeros((1, codes.shape[1]), np.int64)
        if not link.running.is_set() or link.over.is_set():
            return silence
        link.shifters.put(self.pipe.recorded["shifter"][-1][0])
        got = _get(link.words, link.over)
        if got is None:
            return silence
        words, self._line = got
        return words

    def trigger(self, line: IntArray) -> IntArray:
        """The server's frames, a block late."""
        return self._line


@dataclass(frozen=True, eq=False)
class RtlPlayed:
    """What both hosts got of a layer, and all that passed the converters."""

    server: Batch
    client: Batch
    values: IntArray  # raw, one a row
    recorded: dict[str, IntArray]
    starts: list[int]


def play(loop: Loop, number: int, xi: Complex, rng: np.random.Generator) -> RtlPlayed:
    """Send layer `number` through the gateware of both nodes, to a client of direction ξ (N,).

    Raises `RangeError` where a node reports a fault.
    """
    s, light = loop.settings, loop.layers[number]
    optics = Optics(light.setup, loop.mesh(number, xi), rng)
    link = Link(optics, BLOCK)
    server_plant, client_plant = ServerPlant(link), ClientPlant(link)
    server_spec = NodeSpec(role="server", drive=s.drive, digitiser=s.server)
    client_spec = NodeSpec(role="client", drive=s.drive, digitiser=s.client)
    server_pipe = NodePipe(
        server_spec, server_plant, block=BLOCK, trigger=server_plant.frames, record=True
    )
    client_pipe = NodePipe(
        client_spec, client_plant, block=BLOCK, trigger=client_plant.trigger, record=True
    )
    client_plant.pipe = client_pipe
    found: dict[str, Any] = {}

    def client() -> None:
        try:
            with _node(client_pipe, client_spec) as node:
                drive = DriveSettings(
                    layout=light.setup.layout, angle=True, reference=0.0, arms=s.electrodes
                )
                node.configure(drive, light.client, s.lock, lead_in=0, triggered=True)
                node.load_angles(angle_table(xi, s.drive.symbol))
                found["client"] = node.play_angles(len(light.rows), lambda _: link.running.set())
        except BaseException as error:
            found["error"] = error
        finally:
            link.running.set()
            link.over.set()

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    try:
        with _node(server_pipe, server_spec) as node:
            node.configure(
                light.drive,
                light.server,
                loop_delay=light.setup.to_server + BLOCK,
                lead_in=s.lead_in,
            )
            if not link.running.wait(PATIENCE):
                raise RangeError("client's node did not start")
            found["server"] = node.play(light.rows[s.lead_in :])
    finally:
        link.over.set()
        thread.join(PATIENCE)
    if "error" in found:
        raise found["error"]
    for party in ("server", "client"):
        if found[party].faults:
            raise RangeError(f"{party}'s node reports {', '.join(sorted(found[party].faults))}")
    rows = loop.network.layers[number].rows
    values, _ = found["client"].last(rows)
    recorded = {
        f"{party}_{name}": pipe.record(name)
        for party, pipe in (("server", server_pipe), ("client", client_pipe))
        for name in pipe.recorded
    }
    return RtlPlayed(found["server"], found["client"], values[:, 0], recorded, server_plant.starts)


def _node(pipe: NodePipe, spec: NodeSpec) -> Node:
    transport = Transport(pipe, clock=pipe.time)
    return Node(LinkDevice(transport, f"rtl:{spec.role}", spec), patience=PATIENCE)


def _get(waiting: queue.Queue[Any], over: threading.Event) -> Any:
    """The next of a queue; None if the other side has finished."""
    while True:
        try:
            return waiting.get(timeout=0.05)
        except queue.Empty:
            if over.is_set():
                return None
