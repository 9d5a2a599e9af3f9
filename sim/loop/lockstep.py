"""Two nodes that run side by side, each some clocks at a time, with the optics between them.

The optics take what a node gave in a block and answer for its next: that adds a block to the way
to its receiver, and nothing else. The server acts on nothing that it receives, so it runs ahead, in
long blocks; the client's receiver moves its own phase shifter, which bounds its blocks. Light
begins with the first frame, so the noise that a frame meets does not depend on when its batch
began.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.waveform.optics import Complex, Optics
from shotveil.sim.loop.node_device import Surroundings

Ports = Mapping[str, IntArray]
PARTIES = ("server", "client")
ALONE = 128  # clocks of a block in darkness: few, as a host waits for one after another answer then
AHEAD = 2  # the server's blocks that may wait for the client
# Frames behind the last one during which there still is light: receivers go on, and then give up.
AFTERGLOW = PATIENCE + 6


class Lockstep:
    """What lies between two threads, each of which runs one node's `sim.loop.node_device.NodePipe`.

    Both run freely in darkness, in blocks of `ALONE` clocks, until both have called `start`. Then
    the server goes on, and from its first frame on in blocks of `far` clocks; the client waits for
    that frame, and goes on in blocks of `near` clocks, whose light the server has sent. It is dark
    again some frames behind the last one, and when the server has left; where the client has, the
    server goes on alone.
    """

    def __init__(self, optics: Optics, far: int, near: int) -> None:
        self._optics, self._far, self._near = optics, far, near
        self._meeting = threading.Condition()
        self._present = set(PARTIES)
        self._ready: set[str] = set()
        self._clock = 0  # of the light: samples sent
        self._until = 0  # and when there is no more
        self._ended = False
        # On the way to either node; the client's with the line that triggers its drive.
        self._words: IntArray = np.zeros((2, 0), np.int64)
        self._tapped: Complex = np.zeros(0, np.complex128)
        self._frame: IntArray = np.zeros(0, np.int64)
        self._starts: list[int] = []

    def surroundings(self, party: str) -> Surroundings:
        """What the node of a party calls after every block."""
        return self._server if party == "server" else self._client

    def start(self, party: str, timeout: float) -> bool:
        """This party is ready for light; returns when the other is ready too, or False if it does
        not come."""
        (other,) = set(PARTIES) - {party}
        with self._meeting:
            self._ready.add(party)
            self._meeting.notify_all()
            self._meeting.wait_for(
                lambda: other in self._ready or other not in self._present, timeout
            )
            return other in self._ready

    def started(self, party: str) -> bool:
        """Whether this party has called `start`."""
        return party in self._ready

    def leave(self, party: str) -> None:
        """This party runs no further."""
        with self._meeting:
            self._present.discard(party)
            self._ended |= party == "server"
            self._meeting.notify_all()

    @property
    def dark(self) -> bool:
        """Whether the client has had all the light that it will get."""
        with self._meeting:
            return self._ended and len(self._tapped) < self._near

    def _server(self, ports: Ports) -> tuple[IntArray, IntArray]:
        frame, at = ports["frame"], 0
        n = len(frame)
        if not self._clock:
            if self._ended or not frame.any():
                return _dark(2, ALONE)
            at = int(frame.argmax())
            self._words = np.zeros((2, self._far - n + at), np.int64)
        elif self._ended:
            return _dark(2, ALONE)
        starts = [self._clock + int(k) for k in np.nonzero(frame[at:])[0]]
        tapped, words = self._optics.pass_on(ports["codes"][:, at:], starts)
        with self._meeting:
            self._clock += n - at
            if starts:
                setup = self._optics.setup
                self._until = starts[-1] + setup.to_server + AFTERGLOW * setup.period
            self._ended |= self._clock > self._until
            if "client" in self._present:
                self._tapped = np.concatenate([self._tapped, tapped])
                self._frame = np.concatenate([self._frame, frame[at:]])
                self._starts += starts
            self._meeting.notify_all()
            self._meeting.wait_for(
                lambda: len(self._tapped) <= AHEAD * self._far or "client" not in self._present
            )
        words = np.concatenate([self._words, words], axis=1)
        self._words = words[:, self._far :]
        return words[:, : self._far], np.zeros(self._far, np.int64)

    def _client(self, ports: Ports) -> tuple[IntArray, IntArray]:
        n = self._near
        with self._meeting:
            if not self._ready.issuperset(PARTIES):
                return _dark(1, ALONE)
            self._meeting.wait_for(lambda: len(self._tapped) >= n or self._ended)
            if len(self._tapped) < n:
                return _dark(1, ALONE)
            tapped, self._tapped = self._tapped[:n], self._tapped[n:]
            frame, self._frame = self._frame[:n], self._frame[n:]
            starts, self._starts = self._starts, []
            self._meeting.notify_all()
        # What it did before there was light is no matter.
        shifter = ports["shifter"] if len(ports["shifter"]) == n else np.zeros(n, np.int64)
        return self._optics.detect(tapped, starts, shifter), frame


def _dark(lines: int, clocks: int) -> tuple[IntArray, IntArray]:
    return np.zeros((lines, clocks), np.int64), np.zeros(clocks, np.int64)
