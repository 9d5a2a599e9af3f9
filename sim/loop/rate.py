"""How fast boards would be: clocks of a layer, the placed clock, the bytes of the host links.

Layers are played one after the other, since the mesh angles of the next one depend on what the
client read. A layer has these steps:

1. angles: the host sends the client's table of angles;
2. slots: the server's host sends those of the rows, where the network stays at its node; they take
   their own link, so only the time by which they take longer than the angles counts;
3. restart: receivers are reset while their sums are cleared;
4. lead-in: frames of zeros, in which receivers lock;
5. rows: a frame each;
6. way back: of the last frame;
7. settling: until a receiver, and so its host, sees that no more frames come;
8. read-out: of session and mode sums.

Where the network stays at the node (`models.node.row_store`), the sums of modes stay there as well,
because only tests of decoys ask for them. Otherwise rows reach the server's node while frames play.
If the link brings them more slowly than frames take them, it sets the pace: the guard between
frames is lengthened until the link can follow, since a receiver needs frames of a constant period.
The projection leaves out what the client's processor
does between layers and the time in which the host reacts. A receiver's inference values leave while
frames arrive, and are few.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shotveil.host.extras import import_extra
from shotveil.models.common.checks import require
from shotveil.models.digitiser.accumulators import MODE_SUMS, NAMES
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.host_link.packet import BAUD
from shotveil.models.link.encoding import directions
from shotveil.models.networks.network import Layer, Network
from shotveil.models.node.ports import WritePort
from shotveil.models.node.spec import CLOCK_HZ, ROLES
from shotveil.models.signal.frame import CAPACITY, FrameLayout, Slot
from shotveil.sim import SYNTHESIS_FIGURES, node_name
from shotveil.sim.loop.pace import received_bytes, sent_bytes
from shotveil.sim.loop.session import Loop, Records

SERIAL_BITS = 10  # bits on the line for a byte: start, 8 bits, stop
# 13 bulk transactions of 512 bytes fit in a microframe of 125 µs (USB 2.0, table 5-10).
USB_BYTES = 13 * 512 * 8000
# Clocks for each mode's sums; `gateware.node.chain.NodeCore.restart_clocks` adds some.
CLEARING = 4
SUM_WORDS = 2  # words of 32 bits of a sum


@dataclass(frozen=True)
class HostLinkRate:
    """A link from a host to its node; `rate` is in bytes a second, in both directions at once."""

    name: str
    rate: float


# What a node itself can do: nothing has to pass a link.
UNLIMITED = HostLinkRate("in memory at the node", math.inf)
LINKS = (
    HostLinkRate("USB high speed", USB_BYTES),
    HostLinkRate(f"UART, {BAUD / 1e6:g} Mbaud", BAUD / SERIAL_BITS),
)


@dataclass(frozen=True)
class Clock:
    """The clock of the nodes in Hz, and where the figure comes from."""

    hertz: float
    source: str


def placed_clock(
    figures: Mapping[str, Any] | None = None,
    samples_per_symbol: int = 4,
    clock_hz: int = CLOCK_HZ,
) -> Clock:
    """The clock of the slowest seed of the slower node on ECP5, limited to the converters' clock.

    The nodes are those of `samples_per_symbol`, and `clock_hz` is the converters' clock.

    If `figures` is None, the committed figures of synthesis are read. If they hold no node, the
    result is the converters' clock, and its source says so.
    """
    known = json.loads(SYNTHESIS_FIGURES.read_text()) if figures is None else figures
    rows = known.get("ecp5", {})
    nodes = [node_name(role, samples_per_symbol) for role in ROLES]
    missing = [name for name in nodes if name not in rows]
    if missing:
        return Clock(clock_hz, f"that of the converters; {' and '.join(missing)} not placed yet")
    slowest = {name: min(rows[name]["mhz"]) for name in nodes}
    name = min(slowest, key=slowest.__getitem__)
    placed = f"{name} placed at {slowest[name]:g} MHz"
    if slowest[name] >= clock_hz / 1e6:
        return Clock(clock_hz, f"that of the converters; {placed}")
    return Clock(slowest[name] * 1e6, f"{placed}, converters slowed down to it")


@dataclass(frozen=True)
class LayerRate:
    """The seconds of one layer by step, and its frames' period in clocks, as set and as paced."""

    steps: dict[str, float]
    period: int
    paced: int
    frame: Mapping[str, float]  # what share of a frame each of its sections takes

    @property
    def seconds(self) -> float:
        return sum(self.steps.values())


@dataclass(frozen=True)
class Projection:
    """An image's layers at a clock, over one kind of link."""

    link: HostLinkRate
    clock: Clock
    layers: tuple[LayerRate, ...]
    feasible: bool  # whether the longest guard is enough for the link's pace
    stored: bool = False  # whether the network stays at the node

    @property
    def name(self) -> str:
        """What the projection is for: the link, and whether the network stays at the node."""
        return f"{self.link.name}, network at the node" if self.stored else self.link.name

    @property
    def images_a_second(self) -> float:
        return 1 / sum(layer.seconds for layer in self.layers)

    def seconds_of(self, step: str) -> float:
        """The seconds that a step takes for an image, in all layers together."""
        return sum(layer.steps[step] for layer in self.layers)

    @property
    def bound(self) -> str:
        """What takes most of the time: the frames, the link, or what comes before and after."""
        light = sum(
            (layer.steps["lead-in"] + layer.steps["rows"]) * layer.period / layer.paced
            for layer in self.layers
        )
        frames = self.seconds_of("lead-in") + self.seconds_of("rows")
        words = sum(self.seconds_of(step) for step in ("angles", "slots", "read-out"))
        whole = 1 / self.images_a_second
        shares = {
            "the frames of light": light,
            "the host link": frames - light + words,
            "restart and settling": whole - frames - words,
        }
        name = max(shares, key=shares.__getitem__)
        return f"{name}, {shares[name] / whole:.0%} of the time"

    @property
    def shares(self) -> dict[str, float]:
        """What share of the time goes to each step, where the rows' frames count by section.

        If the link sets the pace, the time by which guards grow counts as the rows' guard.
        """
        whole = 1 / self.images_a_second
        found = {name: self.seconds_of(name) / whole for name in self.layers[0].steps}
        del found["rows"]
        for layer in self.layers:
            rows = layer.steps["rows"] / whole
            light = rows * layer.period / layer.paced
            for name, share in layer.frame.items():
                found[name] = found.get(name, 0.0) + light * share
            found["guard"] += rows - light
        return found


def project(
    loop: Loop, link: HostLinkRate, clock: Clock, images: int = 1, stored: bool = False
) -> Projection:
    """The time that a network's layers would take on boards, for one image.

    `stored` says whether the network stays at the node, or its rows come over the link each time.
    If several `images` share a batch, they share all steps but the first two and rows. Nodes take
    one: in a batch of more, a client's node would have to change its angles between two frames.
    """
    require("images in a batch", images, at_least=1, integer=True)
    spec = loop.settings.server
    sums = spec.words * len(NAMES) + (0 if stored else spec.modes * len(MODE_SUMS))
    readout = received_bytes(SUM_WORDS * sums) / link.rate
    layers, feasible = [], True
    for layer, light in zip(loop.network.layers, loop.layers, strict=True):
        setup = light.setup
        # Clocks to bring one row.
        fill = 0 if stored else sent_bytes(layer.modes) / link.rate * clock.hertz
        paced = max(setup.period, math.ceil(fill))
        grown = setup.layout.guard + (paced - setup.period) / spec.samples_per_symbol
        feasible &= grown <= CAPACITY
        clocks = {
            "restart": CLEARING * spec.modes,
            "lead-in": loop.settings.lead_in * paced,
            "rows": layer.rows * paced,
            # This is the frame for which the client holds the light.
            "way back": setup.to_server + paced - setup.period,
            "settling": settling(paced, spec.delay),
        }
        steps = {"angles": sent_bytes(layer.modes, WritePort.ANGLES) / link.rate}
        slots = layer.rows if stored else 0
        named = sent_bytes(slots, WritePort.SLOTS) / link.rate
        steps["slots"] = max(0.0, named - steps["angles"])
        steps |= {name: count / clock.hertz for name, count in clocks.items()}
        steps["read-out"] = readout
        for name in steps.keys() - {"angles", "slots", "rows"}:
            steps[name] /= images
        layers.append(LayerRate(steps, setup.period, paced, sections(setup.layout)))
    return Projection(link, clock, tuple(layers), feasible, stored)


def sections(layout: FrameLayout) -> dict[str, float]:
    """What share of a frame's symbols each section takes."""
    slots = layout.slots()
    return {slot.name.lower(): float(np.mean(slots == slot)) for slot in Slot}


def settling(period: int, delay: int) -> int:
    """The clocks from the end of the last frame that arrives until the receiver searches again."""
    # The receiver misses one more frame than it tolerates, and decides on the last in its `delay`.
    return (PATIENCE + 1) * period + delay


def projections(loop: Loop, images: int = 1) -> tuple[Projection, ...]:
    """The projections at the placed clock, for so many images a batch.

    The first is the limit of the nodes. Then each link follows, with a network that stays at the
    node and with rows that come over the link.
    """
    settings = loop.settings
    clock = placed_clock(None, settings.drive.samples_per_symbol, settings.clock_hz)
    ways = [(link, stored) for link in LINKS for stored in (True, False)]
    return (
        project(loop, UNLIMITED, clock, images),
        *(project(loop, link, clock, images, stored) for link, stored in ways),
    )


@dataclass(frozen=True)
class Counted:
    """The clocks that the server's gateware took, with a host link of a byte a clock.

    `periods` are all periods that occurred from a frame to the next. `tail` is the time from the
    last frame's end to the last answer, with all questions of the host, and `projected` is what
    `project` gives for it.
    """

    frames: int
    periods: tuple[int, ...]
    tail: int
    projected: int


def counted(loop: Loop, records: Records, rows: int = 8) -> Counted:
    """Count the clocks of the first layer's first rows in the gateware of both nodes."""
    rtl = import_extra("shotveil.sim.loop.rtl", "rtl")
    first = loop.network.layers[0]
    part = Loop(Network("part", (Layer(first.weights[:rows], first.bias),)), loop.settings)
    xi, _ = directions(np.ones((1, first.columns)))
    rng = np.random.default_rng([loop.settings.seed, 9])
    got = rtl.play(part, 0, xi[0], rng, records.offsets[0], record=True)
    (frames,) = np.nonzero(got.recorded["server_frame"][0])
    period = part.layers[0].setup.period
    hertz = loop.settings.clock_hz
    clock = Clock(hertz, "simulated")
    (layer,) = project(part, HostLinkRate("a byte a clock", hertz), clock).layers
    expected = layer.steps["way back"] + layer.steps["settling"] + layer.steps["read-out"]
    return Counted(
        frames=len(frames),
        periods=tuple(int(p) for p in np.unique(np.diff(frames))),
        tail=int(got.recorded["server_codes"].shape[1] - frames[-1] - period),
        projected=round(expected * hertz),
    )
