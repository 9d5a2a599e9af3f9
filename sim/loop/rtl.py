"""A layer through the gateware of both nodes, in lockstep with the optics between them.

Each node is compiled (`sim.node_device`) and driven over its host link by the host's own code, in a
thread of its own. They run side by side, a block of clocks at a time. The optics take the server's
codes and the client's phase shifter of half a frame, and give both their ADC words for the next
half: that adds `DELAY` to either way. A client's drive is triggered by the server's frames.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from host.devices.link import LinkDevice
from host.devices.transport import Transport
from host.node import Batch, Node
from models.checks import RangeError
from models.drive import chain as drive_chain
from models.drive.spec import DriveSettings, registers
from models.encoding import Complex
from models.fixedpoint import IntArray
from models.node import chain
from models.node.spec import NodeSpec
from models.waveform.mesh import angle_table
from models.waveform.optics import Optics
from sim.loop.session import Loop, Played, Records
from sim.node_device import NodePipe

BLOCK = 96  # clocks: few, since the host's questions wait for them while rows have to keep coming
HALF = 9  # blocks that the optics take at once
DELAY = HALF * BLOCK  # clocks
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
        self._given: list[tuple[IntArray, IntArray]] = []  # codes and shifter, block by block
        self._ready: list[tuple[IntArray, IntArray]] = []  # words of client and server

    def __call__(self, codes: IntArray) -> IntArray:
        """ADC words (2, n) for codes (2, n)."""
        link, n = self._link, codes.shape[1]
        if not link.running.is_set():
            return np.zeros_like(codes)
        shifter = _get(link.shifters, link.over)
        if shifter is None:
            shifter = np.zeros(n, np.int64)
        self._given.append((codes, shifter))
        self._clock += n
        if len(self._given) == HALF:
            # What begins in the last of these blocks is not known yet: it is told next time.
            both = (np.concatenate(part, axis=-1) for part in zip(*self._given, strict=True))
            sent, shift = both
            client, server = link.optics.step(sent, self._starts, shift)
            self._given, self._starts = [], []
            self._ready += [
                (client[:, at : at + n], server[:, at : at + n]) for at in range(0, DELAY, n)
            ]
        silent = (np.zeros((1, n), np.int64), np.zeros((2, n), np.int64))
        client_words, server_words = self._ready.pop(0) if self._ready else silent
        link.words.put((client_words, self._frame))
        return server_words

    def frames(self, line: IntArray) -> IntArray:
        """Takes the `frame` line of the block that was just played; the trigger stays low."""
        if self._link.running.is_set():
            self._starts += [self._clock - len(line) + int(k) for k in np.nonzero(line)[0]]
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
                drive = _angle_drive(loop, number)
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
                loop_delay=light.setup.to_server + DELAY,
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
    return RtlPlayed(found["server"], found["client"], values[:, 0], recorded)


def player(loop: Loop) -> Callable[..., Played]:
    """What `infer` asks for in place of `Loop.play`: the same from the gateware.

    Only the session's sums come over the host link, so a layer counts as one frame.
    """

    def of_layer(number: int, xi: Complex, records: Records, rng: np.random.Generator) -> Played:
        got = play(loop, number, xi, rng)
        return Played(
            got.values / np.sqrt(records.client.shot_variance),
            got.server.session[None],
            np.zeros((1, loop.settings.server.segments), np.int64),
        )

    return of_layer


@dataclass(frozen=True)
class Agreement:
    """Whether gateware and models agree to the bit, by what is compared."""

    codes: bool
    angles: bool
    sums: bool
    modes: bool
    inference: bool
    shifter: bool

    @property
    def complete(self) -> bool:
        return all(vars(self).values())


def agreement(loop: Loop, number: int, xi: Complex, got: RtlPlayed) -> Agreement:
    """Hold what the gateware did against the models of both nodes.

    The models get the rows and the ADC words that the gateware got. Its words came of its own codes
    and its own phase shifter: if those are the models' too, so is the whole loop, since the optics
    take nothing else.
    """
    s, light = loop.settings, loop.layers[number]
    period = light.setup.period
    recorded = got.recorded
    (sent,) = np.nonzero(recorded["server_frame"][0])
    begun = {p: int(np.nonzero(recorded[f"{p}_adc"][0])[0][0]) for p in ("server", "client")}
    server = chain.hear(
        NodeSpec(role="server", drive=s.drive, digitiser=s.server),
        chain.Setup(
            registers(s.drive, light.drive),
            light.server,
            loop_delay=light.setup.to_server + DELAY,
            lead_in=s.lead_in,
        ),
        recorded["server_adc"][:, begun["server"] :],
        light.rows[s.lead_in :],
        sent - begun["server"],
    )
    drive = registers(s.drive, _angle_drive(loop, number))
    client = chain.hear(
        NodeSpec(role="client", drive=s.drive, digitiser=s.client),
        chain.Setup(drive, light.client, loop=s.lock, lead_in=0),
        recorded["client_adc"][:, begun["client"] :],
        np.zeros((0, 2, light.setup.layout.row), np.int64),
        [],
    )
    frames = np.concatenate([recorded["server_codes"][:, at : at + period] for at in sent], axis=1)
    (own,) = drive_chain.model(s.drive, drive, angle_table(xi, s.drive.symbol)[None]).codes
    (triggered,) = np.nonzero(recorded["client_frame"][0])
    angles = [recorded["client_codes"][:, at : at + period] for at in triggered]
    (moved,) = np.nonzero(np.diff(recorded["client_shifter"][0]))
    shifts = client.shifter
    steps = shifts[np.concatenate([[shifts[0] != 0], np.diff(shifts) != 0])]
    values = got.client.inference[:, 0]
    count = min(len(values), client.inference.shape[1])
    shown = recorded["client_shifter"][0][moved + 1][: len(steps)]
    return Agreement(
        codes=np.array_equal(frames, light.codes[:, : frames.shape[1]]),
        angles=bool(angles) and all(np.array_equal(a, own) for a in angles if a.shape == own.shape),
        sums=np.array_equal(server.received.sums.session, got.server.session),
        modes=np.array_equal(server.received.sums.modes, got.server.modes),
        inference=count >= len(light.rows) - 1
        and np.array_equal(client.inference[0][:count], values[:count]),
        shifter=len(shown) > 8 and np.array_equal(shown, steps[: len(shown)]),
    )


def _angle_drive(loop: Loop, number: int) -> DriveSettings:
    return DriveSettings(
        layout=loop.layers[number].setup.layout,
        angle=True,
        reference=0.0,
        arms=loop.settings.electrodes,
    )


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
