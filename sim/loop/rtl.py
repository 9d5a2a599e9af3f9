"""A layer through the gateware of both nodes, in lockstep with the optics between them.

Each node is compiled (`sim.loop.node_device`) and driven over its host link by the host's own code,
in a thread of its own. They run in blocks of clocks (`sim.loop.lockstep`), so that each receives
what was sent a block later. This changes nothing else: a block of the client is so much shorter
than a frame that its receiver's answer comes before the phase shifter needs it. Therefore what both
receivers get and put out is what `Loop.play` computes on the models, to the bit. The server's
frames trigger the client's drive.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import BatchResult, Node, StoredRows
from shotveil.host.devices.transport import Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive import chain as drive_chain
from shotveil.models.drive.spec import DriveSettings, registers
from shotveil.models.link.encoding import Complex
from shotveil.models.node import chain
from shotveil.models.node.spec import NodeSpec
from shotveil.models.waveform.mesh import angle_table
from shotveil.sim.loop.lockstep import ALONE, Lockstep, Wait
from shotveil.sim.loop.node_device import NodePipe, adopt, library
from shotveil.sim.loop.rate import CLEARING
from shotveil.sim.loop.session import Loop, Played, Player, Records
from shotveil.sim.loop.settings import LayerLight

PATIENCE = 60.0  # seconds without progress
# Clocks of the server's blocks, or a frame if that is longer, where a host has to keep rows coming.
# It learns so much later how much room the node has.
FAR = 4400
GRACE = 1.0  # seconds of ours, in which any pause of a host is over in the node's time
LOADING = 4096  # clocks of the server's blocks while rows are loaded
AMPLE = 3  # such blocks, for which a node's buffer may hold rows besides one
# The most clocks from a frame's end to the phase shifter's code that results from it.
ANSWER = 300


class ClientFailed(RangeError):
    """The client's node failed while light was out; the batch of the `server` is still complete."""

    def __init__(self, server: BatchResult, message: str):
        super().__init__(message)
        self.server = server


@dataclass(frozen=True, eq=False)
class RtlPlayed:
    """What both hosts got from a layer, and everything that passed the converters."""

    server: BatchResult
    client: BatchResult
    values: IntArray  # raw values, one for each row
    recorded: dict[str, IntArray]


class Nodes:
    """How a loop comes to its nodes: each is compiled by Verilator, and goes on by itself."""

    def pipe(self, spec: NodeSpec, block: int = ALONE) -> NodePipe:
        """A node after its reset."""
        return NodePipe(spec, block=block)

    # How the thread of a party waits for the other, or None to let it wait by itself.
    wait: Wait | None = None

    def expect(self, party: str) -> None:
        """Say that another thread is going to `enter` for a party."""

    def enter(self, party: str) -> None:
        """Say that this thread drives the node of a party from now on."""

    def leave(self, party: str) -> None:
        """Say that nobody drives the node of a party any more."""


ALONE_NODES = Nodes()


class Keeper:
    """The server's compiled node, which keeps the rows of a loop's layers from image to image.

    `stored` has the rows of each layer at the node; None for a layer for which there is no room
    behind those in front of it.
    """

    def __init__(self, loop: Loop, nodes: Nodes = ALONE_NODES) -> None:
        self.pipe = nodes.pipe(node_specs(loop)["server"], LOADING)
        self.node = _node(self.pipe)
        self.stored: list[StoredRows | None] = []
        behind = None
        for light in loop.layers:
            rows = light.rows[loop.settings.lead_in :]
            fits = rows[:, 0].size <= self.node.room_behind(behind)
            self.stored.append(self.node.load_rows(rows, behind) if fits else None)
            behind = self.stored[-1] or behind


def keeper_of(loop: Loop, nodes: Nodes = ALONE_NODES) -> Keeper | None:
    """The node that keeps the rows of a loop, if it is to keep any."""
    return Keeper(loop, nodes) if loop.settings.store else None


def play(
    loop: Loop,
    number: int,
    xi: Complex,
    rng: np.random.Generator,
    offset: tuple[int, ...] | None = None,
    record: bool = False,
    keeper: Keeper | None = None,
    nodes: Nodes = ALONE_NODES,
) -> RtlPlayed:
    """Send layer `number` through the gateware of both nodes, to a client of direction ξ (N,).

    `offset` is that of the server's receiver, as a null record gives it. With `record`, everything
    that passes the converters is kept, and the sums of the modes are fetched. The rows are sent
    from the node of the `keeper`; without one, or if it has no room for them, they come over the
    host link. Raises `RangeError` if a node reports a fault, and `ClientFailed`, which is a
    subclass, if only the client's does.
    """
    s, light = loop.settings, loop.layers[number]
    stored = keeper.stored[number] if keeper else None
    far, near = blocks_of(light, stored is not None)
    lockstep = Lockstep(loop.optics(number, xi, rng), far, near, nodes.wait)
    specs = node_specs(loop)
    pipes = {
        "server": keeper.pipe if keeper else nodes.pipe(specs["server"]),
        "client": nodes.pipe(specs["client"]),
    }
    for party, pipe in pipes.items():
        # Only where rows come over the link does a host have to react within a block.
        grace = GRACE if party == "client" or stored else 0.0
        pipe.enter(lockstep.surroundings(party), ALONE, record, grace)
    found: dict[str, Any] = {}

    def start(party: str, other: str) -> None:
        if not lockstep.start(party, PATIENCE):
            raise found.get("error") or DeviceError(f"{other}'s node did not start")

    def watch(rows: int) -> None:
        if not lockstep.started("client"):
            for _ in range(0, _clearing(specs["client"]), ALONE):
                pipes["client"].advance()
            start("client", "server")
        elif rows < len(light.rows) and lockstep.dark:
            # Nothing triggers the client's node any more; it would wait as long as its host does.
            raise DeviceError(f"light ended after {rows} of {len(light.rows)} frames")

    def client() -> None:
        nodes.enter("client")
        try:
            with _node(pipes["client"]) as node:
                drive = _angle_drive(loop, number)
                node.configure(drive, light.client, s.lock, lead_in=0, triggered=True)
                node.load_angles(angle_table(xi, s.drive.symbol))
                found["client"] = node.play_angles(len(light.rows), watch)
        except BaseException as error:
            found["error"] = error
        finally:
            lockstep.leave("client")
            nodes.leave("client")

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    nodes.expect("client")
    try:
        with contextlib.nullcontext(keeper.node) if keeper else _node(pipes["server"]) as node:
            node.configure(
                light.drive,
                light.server,
                loop_delay=light.setup.to_server + far,
                lead_in=s.lead_in,
                offset=offset,
            )
            start("server", "client")
            if stored:
                found["server"] = node.play_slots(stored.slots(), modes=record)
            else:
                found["server"] = node.play(light.rows[s.lead_in :], modes=record)
    finally:
        lockstep.leave("server")
        if lockstep.outlast("server", PATIENCE):
            thread.join()
        else:
            found["error"] = DeviceError(f"client's node did not end within {PATIENCE:g} s")
    _require_sound("server", found["server"])
    if lockstep.late:
        raise DeviceError(
            f"{len(lockstep.late)} of {len(light.rows)} frames left late, by up to "
            f"{max(lockstep.late)} clocks: the server's node had no whole row in time"
        )
    try:
        if "error" in found:
            raise found["error"]
        _require_sound("client", found["client"])
        values, _ = found["client"].last(loop.network.layers[number].rows)
    except (RangeError, DeviceError) as error:
        raise ClientFailed(found["server"], str(error)) from error
    recorded = {f"{party}_{n}": pipe.record(n) for party, pipe in pipes.items()
                for n in pipe.recorded}  # fmt: skip
    return RtlPlayed(found["server"], found["client"], values[:, 0], recorded)


def blocks_of(light: LayerLight, stored: bool = False) -> tuple[int, int]:
    """The lengths in clocks of the server's and of the client's blocks.

    A row leaves once it is whole in the node's buffer. So what the host sends may be late by no
    more than the buffer holds besides a row, which for the longest rows is little: their blocks are
    shorter, because the host learns of room some blocks late. Rows that are `stored` at the node do
    not wait for a host: their blocks are as long as its replay allows, which takes fewer calls.
    """
    drive, near = light.setup.drive, light.setup.period - ANSWER
    spare = (drive.row_capacity - light.setup.layout.row) * drive.samples_per_symbol
    if not stored and spare < AMPLE * FAR:
        short = min(near, max(ALONE, spare // (2 * AMPLE)))
        return short, short
    held = NodeSpec.replay * drive.samples_per_symbol - _kept(light, 0)
    return near * max(1, (held if stored else FAR) // near), near


def _kept(light: LayerLight, far: int) -> int:
    """Samples for which the server's node keeps what it sent, for the light that comes back."""
    return light.setup.to_server + far + 2 * light.setup.period


def _clearing(spec: NodeSpec) -> int:
    """The most clocks that a node needs before its first frame, to clear its sums and get a row."""
    return CLEARING * spec.digitiser.modes + spec.drive.row_capacity


def _require_sound(party: str, batch: BatchResult) -> None:
    if batch.refusals:
        raise RangeError(f"{party}'s node reports {', '.join(batch.refusals)}")


def node_specs(loop: Loop) -> dict[str, NodeSpec]:
    """What both nodes of a loop are built from, by party.

    The server's node keeps its rows until their light is back. A client holds a whole row, so the
    longest rows need more memory for that than a node has by default.
    """
    s = loop.settings
    longest = max(loop.layers, key=lambda light: light.setup.period)
    block = max(blocks_of(longest, stored)[0] for stored in (False, s.store > 0))
    symbols = -(-_kept(longest, block) // s.drive.samples_per_symbol)
    replay = max(NodeSpec.replay, 1 << (symbols - 1).bit_length())
    return {
        "server": NodeSpec(
            "server", s.drive, s.server, replay=replay, store=s.store, clock_hz=s.clock_hz
        ),
        "client": NodeSpec("client", s.drive, s.client, clock_hz=s.clock_hz),
    }


def compiled(loop: Loop) -> Callable[[Loop], Player]:
    """Compile both nodes; return a function that makes players in any process of this machine."""
    return functools.partial(_player_of, {s: library(s).path for s in node_specs(loop).values()})


def _player_of(paths: dict[NodeSpec, Path], loop: Loop) -> Player:
    for spec, path in paths.items():
        adopt(spec, path)
    return player(loop)


def player(loop: Loop, nodes: Nodes = ALONE_NODES) -> Player:
    """What `infer` calls in place of `Loop.play` to get the same results from the gateware.

    Only the session's sums come over the host link, so a layer counts as one frame.
    """
    keeper = keeper_of(loop, nodes)

    def of_layer(number: int, xi: Complex, records: Records, rng: np.random.Generator) -> Played:
        offset = records.offsets[number]
        got = play(loop, number, xi, rng, offset, keeper=keeper, nodes=nodes)
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
    """Compare what the gateware did with the models of both nodes.

    The models get the rows and the ADC words that the gateware got. These words resulted from the
    gateware's own codes and phase shifter. If the models give the same codes and shifter, the whole
    loop agrees, since the optics depend on nothing else.
    """
    s, light = loop.settings, loop.layers[number]
    period = light.setup.period
    recorded = got.recorded
    (sent,) = np.nonzero(recorded["server_frame"][0])
    begun = {p: int(np.nonzero(recorded[f"{p}_adc"][0])[0][0]) for p in ("server", "client")}
    specs = node_specs(loop)
    server = chain.hear(
        specs["server"],
        chain.NodeSetup(
            registers(s.drive, light.drive),
            light.server,
            loop_delay=light.setup.to_server + blocks_of(light)[0],
            lead_in=s.lead_in,
        ),
        recorded["server_adc"][:, begun["server"] :],
        light.rows[s.lead_in :],
        sent - begun["server"],
    )
    drive = registers(s.drive, _angle_drive(loop, number))
    client = chain.hear(
        specs["client"],
        chain.NodeSetup(drive, light.client, loop=s.lock, lead_in=0),
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


def _node(pipe: NodePipe) -> Node:
    transport = Transport(pipe, clock=pipe.time)
    return Node(LinkDevice(transport, f"rtl:{pipe.spec.role}", pipe.spec), patience=PATIENCE)
