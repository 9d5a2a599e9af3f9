"""Two nodes that run side by side, a block of clocks at a time, with the optics between them.

The optics take what both gave in a block and answer for the next: that adds a block to the way to
either node's receiver, and nothing else. Light begins with the first frame, so the noise that a
frame meets does not depend on when its batch began.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from models.fixedpoint import IntArray
from models.waveform.optics import Optics
from sim.node_device import Surroundings

Ports = Mapping[str, IntArray]
PARTIES = ("server", "client")


class Lockstep:
    """Meets two threads, each of which runs one node's `sim.node_device.NodePipe`.

    Until both have called `start` they run freely, in darkness and in blocks of any size. From then
    on the first one waits for the other, until either has left; the server goes on alone then, so
    that its last light comes back, and the client in darkness.
    """

    def __init__(self, optics: Optics, block: int) -> None:
        self._optics, self._block = optics, block
        self._meeting = threading.Condition()
        self._given: dict[str, Ports] = {}
        self._answers: dict[str, tuple[IntArray, IntArray]] = {}
        self._present = set(PARTIES)
        self._ready: set[str] = set()
        self._round = 0
        self._clock = -1  # of the light; none yet

    def surroundings(self, party: str) -> Surroundings:
        """What the node of a party calls after every block."""
        return lambda ports: self._meet(party, ports)

    def start(self, party: str, timeout: float) -> bool:
        """This party is ready, and runs in blocks of the agreed size from here on; returns when the
        other is ready too and their clocks are one, or False if it does not come."""
        (other,) = set(PARTIES) - {party}
        with self._meeting:
            self._ready.add(party)
            self._meeting.notify_all()
            self._meeting.wait_for(
                lambda: other in self._ready or other not in self._present, timeout
            )
            return other in self._ready

    def leave(self, party: str) -> None:
        """This party runs no further."""
        with self._meeting:
            self._present.discard(party)
            self._meeting.notify_all()

    def gone(self, party: str) -> bool:
        """Whether this party has left."""
        with self._meeting:
            return party not in self._present

    def _meet(self, party: str, ports: Ports) -> tuple[IntArray, IntArray]:
        with self._meeting:
            if not self._ready.issuperset(PARTIES) or "server" not in self._present:
                return _dark(party, len(ports["frame"]))
            self._given[party] = ports
            mine = self._round
            while self._round == mine:
                if self._present <= self._given.keys():
                    self._step()
                    self._given.clear()
                    self._round += 1
                    self._meeting.notify_all()
                else:
                    self._meeting.wait()
                    if "server" not in self._present:
                        return _dark(party, self._block)
            return self._answers[party]

    def _step(self) -> None:
        self._answers = {party: _dark(party, self._block) for party in PARTIES}
        server = self._given["server"]
        frame, at = server["frame"], 0
        if self._clock < 0:
            if not frame.any():
                return
            at, self._clock = int(frame.argmax()), 0
        shifter = np.zeros(self._block, np.int64)
        if "client" in self._given:
            shifter = self._given["client"]["shifter"]
        starts = [self._clock + int(k) for k in np.nonzero(frame[at:])[0]]
        words = self._optics.step(server["codes"][:, at:], starts, shifter[at:])
        self._clock += self._block - at
        for party, seen in zip(("client", "server"), words, strict=True):
            self._answers[party][0][:, at:] = seen
        # The client's drive is triggered by the server's frames.
        self._answers["client"][1][:] = frame


def _dark(party: str, clocks: int) -> tuple[IntArray, IntArray]:
    lines = 2 if party == "server" else 1
    return np.zeros((lines, clocks), np.int64), np.zeros(clocks, np.int64)
