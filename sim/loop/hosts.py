"""Hosts that die at any byte, and settings written during batches, against the node's gateware.

    shotveil lab hosts --kills 10000

A host sets the server's node up and plays a batch, and its line breaks at a random byte. The next
host comes a random time later. Its batch has to be that of the model to the bit, whatever the one
before left behind. While that batch plays, the host writes settings at random and commits them:
the light stays that of the settings with which the batch began, and each attempt is flagged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import OVER, Node
from shotveil.host.devices.transport import LinkLost, Transport
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.correlator import threshold
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node import chain
from shotveil.models.node.register import Access, RegisterMap
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.loop.node_device import NodePipe

SPEC = NodeSpec(role="server")
# Rows so short that many batches are played, in frames that are just long enough.
GUARD = SPEC.digitiser.span
LAYOUTS = (
    FrameLayout(row=128, pilots=2, pilot_spacing=64, vacuum=12, guard=GUARD),
    FrameLayout(row=120, pilots=1, pilot_spacing=40, vacuum=8, guard=GUARD),
    FrameLayout(row=144, pilots=4, pilot_spacing=72, vacuum=12, guard=GUARD),
)
ROWS = 8  # of a batch; the node's buffer holds all of them
MARGIN = 3  # rows before a batch's end in which no setting is written any more
BATCHES = 6  # different rows for each layout
BLOCK = 128  # clocks
LONGEST_WAIT = 40  # blocks until the next host comes
BYTES = 7000  # about what a host sends until its batch plays


class Wrong(AssertionError):
    """A batch was not that of the model, or a setting was written without a flag."""


@dataclass
class HostsSeen:
    """What was tried: hosts killed, and settings written while a batch was on."""

    kills: int = 0
    settings: int = 0
    survivors: int = 0  # hosts that were through before their line broke
    killed_at: list[int] = field(default_factory=list)  # bytes after which they were


class Mortal:
    """A pipe whose host dies after some bytes: the rest of what it writes never arrives."""

    def __init__(self, pipe: NodePipe, left: int):
        self._pipe, self.left = pipe, left

    def read(self, most: int, timeout: float) -> bytes:
        """What the pipe gives."""
        return self._pipe.read(most, timeout)

    def write(self, data: bytes) -> None:
        """Pass on what is left to say. Raises `LinkLost` at the end."""
        self._pipe.write(data[: self.left])
        if len(data) > self.left:
            self.left = 0
            raise LinkLost("the host died")
        self.left -= len(data)

    def close(self) -> None:
        """Leave the node as it is."""


def run(
    kills: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda more: None,
) -> HostsSeen:
    """Kill so many hosts of one node, which is never reset, and let another play after each.

    `progress` is called after each, with 1 if it was killed. Raises `Wrong`, and `RangeError` for a
    number below 1.
    """
    require("kills", kills, at_least=1, integer=True)
    pipe = NodePipe(SPEC, block=BLOCK, record=True)
    seen = HostsSeen()
    while seen.kills < kills:
        left = int(rng.integers(1, BYTES))
        dies = _dies(pipe, left, rng)
        if dies:
            seen.kills += 1
            seen.killed_at.append(left)
        else:
            seen.survivors += 1
        for _ in range(int(rng.integers(LONGEST_WAIT))):
            pipe.advance()
        pipe.take()  # what the node said to the dead
        _plays(pipe, rng, seen)
        progress(int(dies))
    return seen


def _node(pipe: NodePipe | Mortal) -> Node:
    return Node(LinkDevice(Transport(pipe), "rtl:server", SPEC), patience=60)


def _configured(node: Node, layout: FrameLayout) -> None:
    drive, digitiser = _settings(layout)
    node.configure(drive, digitiser, loop_delay=BLOCK)


def _dies(pipe: NodePipe, left: int, rng: np.random.Generator) -> bool:
    """Let a host set up the node and play, until its line breaks; return whether it did."""
    layout = LAYOUTS[rng.integers(len(LAYOUTS))]
    rows = rng.integers(-20000, 20000, (int(rng.integers(1, ROWS + 1)), 2, layout.row))
    try:
        node = _node(Mortal(pipe, left))
        _configured(node, layout)
        node.play(rows)
    except (DeviceError, LinkLost):
        return True
    return False


def _plays(pipe: NodePipe, rng: np.random.Generator, seen: HostsSeen) -> None:
    """Let the next host play, and write settings meanwhile. Raises `Wrong`."""
    place, number = int(rng.integers(len(LAYOUTS))), int(rng.integers(BATCHES))
    layout = LAYOUTS[place]
    node = _node(pipe)
    device = node.device
    _configured(node, layout)
    states = device.map["state"].choices

    def meddle(rows: int) -> None:
        if not rows or rows > ROWS - MARGIN:
            return
        name, value = _setting(device.map, rng)
        device.write(**{name: value})
        after = device.read_all(["state", "settings_held"])
        if states[after["state"]] in OVER:
            raise Wrong(f"a batch ended while {name} was written: take more rows")
        if not after["settings_held"]:
            raise Wrong(f"{name} = {value} was written during a batch without a flag")
        device.strobe("clear")
        seen.settings += 1

    pipe.recorded.clear()
    batch = node.play(_rows(place, number), meddle)
    due = _due(place, number)
    (starts,) = np.nonzero(pipe.record("frame")[0])
    clocks = (ROWS + 2) * layout.length * SPEC.drive.samples_per_symbol
    if len(starts) != ROWS + 2:
        raise Wrong(f"{len(starts)} frames left instead of {ROWS + 2}")
    codes = pipe.record("codes")[:, starts[0] : starts[0] + clocks]
    for name, ours, theirs in (
        ("codes", codes, due.codes),
        ("sums", batch.session, due.session),
        ("sums of modes", batch.modes, due.modes),
        ("inference values", batch.inference.T, due.inference),
    ):
        if not np.array_equal(ours, theirs):
            raise Wrong(f"the {name} of batch {seen.kills} are not those of the model")


def _setting(known: RegisterMap, rng: np.random.Generator) -> tuple[str, int]:
    """A setting that is latched in a batch, and any value that it can have."""
    latched = [name for name, r in known.of(Access.SETTING).items() if not r.live]
    name = latched[rng.integers(len(latched))]
    register = known[name]
    return name, int(rng.integers(register.lowest, register.highest + 1))


def _settings(layout: FrameLayout) -> tuple[DriveSettings, DigitiserSettings]:
    digitiser = DigitiserSettings(
        layout=layout, mode=17, pilot=1 << 14, minimum=threshold(SPEC.digitiser, 160.0)
    )
    return DriveSettings(layout=layout, reference=0.5), digitiser


def _rows(place: int, number: int) -> IntArray:
    rng = np.random.default_rng([place, number])
    rows: IntArray = rng.integers(-20000, 20000, (ROWS, 2, LAYOUTS[place].row))
    return rows


@dataclass(frozen=True, eq=False)
class _Due:
    """What the model sends and measures in a batch."""

    codes: IntArray
    session: IntArray
    modes: IntArray
    inference: IntArray


@functools.cache
def _due(place: int, number: int) -> _Due:
    drive, digitiser = _settings(LAYOUTS[place])
    setup = chain.NodeSetup.of(SPEC, drive, digitiser=digitiser, loop_delay=BLOCK)
    got = chain.play(SPEC, setup, _rows(place, number), chain.Loopback(SPEC, BLOCK))
    clocks = (ROWS + 2) * LAYOUTS[place].length * SPEC.drive.samples_per_symbol
    sums = got.heard.received.sums
    return _Due(
        got.codes[:, got.first : got.first + clocks], sums.session, sums.modes, got.heard.inference
    )
