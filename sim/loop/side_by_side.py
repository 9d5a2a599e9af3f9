"""Many images at once: the nodes of each are lanes of two libraries, one for each party.

The nodes of an image are driven as if they were alone (`sim.loop.rtl`), by threads of a gang that
plays all of them together (`sim.engines.gang`). The results are the same in every bit.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from shotveil.models.node.spec import NodeSpec
from shotveil.sim.engines.gang import Gang, Seat
from shotveil.sim.engines.lanes import LANES, LaneLibrary
from shotveil.sim.engines.shared_library import Instance
from shotveil.sim.loop.lockstep import ALONE, PARTIES
from shotveil.sim.loop.node_device import NodePipe, for_ports_alone, with_rows
from shotveil.sim.loop.pool import PlayerMaker
from shotveil.sim.loop.rtl import Nodes, node_specs, player
from shotveil.sim.loop.session import Loop, Player


class LaneNodes(Nodes):
    """The nodes of one lane."""

    def __init__(self, libraries: dict[str, LaneLibrary], seats: dict[str, Seat]):
        self._libraries, self._seats = libraries, seats
        self.wait = lambda party, until: seats[party].rest(until)

    def pipe(self, spec: NodeSpec, block: int = ALONE) -> NodePipe:
        instance = Instance(self._libraries[spec.role], self._seats[spec.role])
        return NodePipe(spec, block=block, instance=instance)

    def expect(self, party: str) -> None:
        self._seats[party].expect()

    def enter(self, party: str) -> None:
        self._seats[party].enter()

    def leave(self, party: str) -> None:
        self._seats[party].leave()


def compiled(loop: Loop) -> Callable[[Loop, int], list[PlayerMaker]]:
    """Compile both nodes for lanes; return what makes players for some images at once."""
    paths = {party: _library(loop, party).path for party in PARTIES}
    return functools.partial(_makers, paths)


def _library(loop: Loop, party: str, path: Path | None = None) -> LaneLibrary:
    spec = node_specs(loop)[party]
    return LaneLibrary(with_rows(spec), f"node_{party}", path)


def _makers(paths: dict[str, Path], loop: Loop, images: int) -> list[PlayerMaker]:
    """Makers of players for `images`, so many at once that all rounds are equally full."""
    for_ports_alone()
    libraries = {party: _library(loop, party, path) for party, path in paths.items()}
    copies = {party: library.copies() for party, library in libraries.items()}
    gang = Gang()
    rounds = -(-images // LANES)
    makers: list[PlayerMaker] = []
    for lane in range(-(-images // rounds)):
        seats = {party: gang.seat(copies[party], lane) for party in PARTIES}
        seats["server"].expect()
        makers.append(functools.partial(_playing, loop, LaneNodes(libraries, seats)))
    return makers


@contextlib.contextmanager
def _playing(loop: Loop, nodes: LaneNodes) -> Iterator[Player]:
    nodes.enter("server")
    try:
        yield player(loop, nodes)
    finally:
        nodes.leave("server")
