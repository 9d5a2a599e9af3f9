"""The gateware of both nodes and the light between them, block by block, for hosts elsewhere.

Everything follows from what the hosts write: frames begin when the server's node starts them, each
one triggers a frame of the client, the client's drive sets the mesh, and the client's optics switch
pulses according to the settings of its node (`Watch`). There is light from the first frame of a
batch until its last one must be back everywhere. Otherwise it is dark, which costs no time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from shotveil.host.devices.device import COMMIT
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray, to_float
from shotveil.models.drive.spec import Arm
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.link.amplifier import require_gain
from shotveil.models.node.ports import ReadPort, write_ports
from shotveil.models.node.register import Access
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import Mesh, at_electrodes
from shotveil.models.waveform.optics import Optics, OpticsSetup
from shotveil.sim.loop.lockstep import AFTERGLOW
from shotveil.sim.loop.node_device import NodePipe
from shotveil.sim.loop.settings import angles_in

BLOCK = 576  # clocks; the optics need blocks that are shorter than any frame
# Samples by which the way from code to ADC is longer than the light's, as nodes and optics take
# turns.
DELAY = 2 * BLOCK


@dataclass(frozen=True)
class Table:
    """What is on the optical table, which is the same for all layers.

    `full_scale` is a quadrature of the largest symbol at the server's output, in √SNU. `arms` are
    the settings of the server's drive, and `electrodes` those of the client's mesh. `step` is the
    number of ADC steps per √SNU. `samples_per_symbol` are those of both nodes, if none are given;
    `impairments` are for symbols of that length.
    """

    gain: float
    full_scale: float
    impairments: Impairments = field(default_factory=Impairments)
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    electrodes: tuple[Arm, Arm] = (Arm(), Arm())
    step: float = 256.0
    seed: int = 1
    samples_per_symbol: int = 4

    def __post_init__(self) -> None:
        require_gain(self.gain)
        require("full scale", self.full_scale, above=0)
        require("seed", self.seed, at_least=0, integer=True)

    def setup(
        self, server: NodeSpec, client: NodeSpec, layout: FrameLayout, mode: int
    ) -> OpticsSetup:
        """The optics for frames of a layout."""
        taps = to_float(server.drive.pulse(), server.drive.coefficient)
        return OpticsSetup(
            layout=layout,
            gain=self.gain,
            amplitude=self.full_scale / math.sqrt(float(np.sum(taps**2))),
            mode=mode,
            impairments=self.impairments,
            drive=server.drive,
            server=server.digitiser,
            client=client.digitiser,
            arms=self.arms,
            step=self.step,
        )


class Watch:
    """The settings of a node that are in force, found from what its host sends to it."""

    def __init__(self, spec: NodeSpec) -> None:
        known = register_map(spec)
        self._registers = {known.address(r.name): r for r in known.of(Access.SETTING).values()}
        self._commit = known.address(COMMIT)
        self._set = {r.name: r.reset for r in self._registers.values()}
        self._staged = {
            start + k: word
            for start, register in self._registers.items()
            for k, word in enumerate(register.to_words(register.reset))
        }
        self._end = EndpointModel(self, len(write_ports(spec)), len(ReadPort), spec.window)

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""
        self._end.feed(data)

    def __getitem__(self, name: str) -> int:
        return self._set[name]

    @property
    def layout(self) -> FrameLayout:
        """The frame that the node is set to."""
        return FrameLayout(**{name: self[f"drive_{name}"] for name in FrameLayout.names()})

    # The far end of the host link calls these methods.

    def read(self, address: int) -> int:
        """Return anything: nobody gets the answers."""
        return 0

    def write(self, address: int, word: int) -> None:
        """Write a register; settings take effect together."""
        if address == self._commit:
            for start, register in self._registers.items():
                words = [self._staged[start + k] for k in range(register.words)]
                self._set[register.name] = register.from_words(words)
        else:
            self._staged[address] = word

    def room(self, port: int) -> int:
        """The most room of which a host can have been told."""
        return (1 << 15) - 1

    def send(self, port: int, words: Sequence[int]) -> None:
        """Ignore rows and tables, which show in what the drive sends."""

    def available(self, port: int) -> int:
        """Nothing, here."""
        return 0

    def receive(self, port: int, count: int) -> list[int]:
        """Nothing, here."""
        return []


class Party:
    """A node whose host is elsewhere: bytes in, bytes out."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.watch = Watch(spec)
        self.words: IntArray = np.zeros((spec.digitiser.quadratures, BLOCK), np.int64)
        self.level: IntArray = np.zeros(BLOCK, np.int64)
        self._pipe = NodePipe(
            spec,
            lambda codes: self.words,
            block=BLOCK,
            trigger=lambda line: self.level,
            record=True,
        )

    @property
    def clocks(self) -> int:
        """The number of clocks since the node was switched on."""
        return self._pipe.clocks

    def write(self, data: bytes) -> None:
        """Take bytes from the host."""
        self.watch.feed(data)
        self._pipe.write(data)

    def take(self) -> bytes:
        """The bytes for the host that are there now."""
        return self._pipe.take()

    def advance(self) -> dict[str, IntArray]:
        """Run a block; return codes (2, n), frame (1, n) and, of a client, shifter (1, n)."""
        self._pipe.advance()
        got = {name: blocks[-1] for name, blocks in self._pipe.recorded.items()}
        self._pipe.recorded.clear()
        return got


class LiveNodes:
    """Both nodes and the optics of a table between them."""

    def __init__(
        self, table: Table, server: NodeSpec | None = None, client: NodeSpec | None = None
    ) -> None:
        self.table = table
        samples = table.samples_per_symbol
        self.server = Party(server or NodeSpec.chosen("server", samples_per_symbol=samples))
        self.client = Party(client or NodeSpec.chosen("client", samples_per_symbol=samples))
        self._rng = np.random.default_rng(table.seed)
        # It is one chip, so its errors stay the same.
        most = self.client.spec.drive.row_capacity
        chip = np.random.default_rng([table.seed, 1])
        self._chip = table.impairments.angle_error * chip.standard_normal((2, 2, most))
        self._optics: Optics | None = None
        self._time = self._until = 0  # clocks since the light began, and when it ends
        self._angles: IntArray | None = None  # the codes that the mesh has
        self._sent: IntArray = np.zeros(
            (2, 0), np.int64
        )  # codes of the client's drive that were not processed yet
        self._frames: list[int] = []  # where frames begin in them
        self._worker = ThreadPoolExecutor(1)

    def advance(self) -> None:
        """Run a block of both nodes and of the light between them, if there is any."""
        other = self._worker.submit(self.client.advance)
        server = self.server.advance()
        client = other.result()
        (starts,) = np.nonzero(server["frame"][0])
        self.client.level = server["frame"][0]
        if len(starts):
            self._begin()
        if self._optics is None:
            self.client.words = np.zeros_like(self.client.words)
            self.server.words = np.zeros_like(self.server.words)
            return
        optics, setup = self._optics, self._optics.setup
        self._turn_mesh(client["codes"], client["frame"][0])
        begun = [self._time + int(at) for at in starts]
        self.client.words, self.server.words = optics.step(
            server["codes"], begun, client["shifter"][0]
        )
        self._time += BLOCK
        if begun:
            self._until = begun[-1] + setup.to_server + AFTERGLOW * setup.period
        if self._time > self._until:
            self._optics = None

    def _begin(self) -> None:
        """Begin light for the client's settings, or let it go on if these have not changed."""
        watch = self.client.watch
        layout, mode = watch.layout, watch["digitiser_mode"]
        if self._optics and (self._optics.setup.layout, self._optics.setup.mode) == (layout, mode):
            return
        setup = self.table.setup(self.server.spec, self.client.spec, layout, mode)
        straight = np.zeros((2, layout.row))
        (child,) = self._rng.spawn(1)
        self._optics = Optics(setup, Mesh(straight, straight), child)
        self._time, self._angles = 0, None
        self._sent, self._frames = np.zeros((2, 0), np.int64), []

    def _turn_mesh(self, codes: IntArray, frame: IntArray) -> None:
        """Set the mesh to the angles of each of the client's frames when it is complete."""
        assert self._optics is not None
        setup = self._optics.setup
        self._frames += [self._sent.shape[1] + int(at) for at in np.nonzero(frame)[0]]
        self._sent = np.concatenate([self._sent, codes], axis=1)
        while self._frames and self._frames[0] + setup.period <= self._sent.shape[1]:
            at = self._frames.pop(0)
            per_symbol = setup.drive.samples_per_symbol
            angles = angles_in(self._sent[:, at : at + setup.period], setup.layout, per_symbol)
            if self._angles is None or not np.array_equal(angles, self._angles):
                self._angles = angles
                turned = at_electrodes(to_float(angles, setup.drive.dac), self.table.electrodes)
                errors = self._chip[:, :, : setup.layout.row]
                self._optics.mesh = Mesh(turned + errors[0], turned + errors[1])
        done = self._frames[0] if self._frames else self._sent.shape[1]
        self._sent = self._sent[:, done:]
        self._frames = [at - done for at in self._frames]
