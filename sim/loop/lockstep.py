"""Two nodes that run side by side, each some clocks at a time, with the optics between them.

The optics take what a node put out in a block and give it their answer in its next block. This only
makes the way to its receiver a block longer. The server's light does not depend on what it
receives, so the server runs ahead, in long blocks. The client's receiver moves its own phase
shifter, which limits the length of its blocks. Light begins with the first frame, so the noise of a
frame does not depend on when its batch began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.waveform.optics import Complex, Optics
from shotveil.sim.loop.node_device import Surroundings

Ports = Mapping[str, IntArray]
Wait = Callable[[str, Callable[[], bool]], None]
PARTIES = ("server", "client")
ALONE = 128  # clocks of a block in darkness, in which a host waits for one answer after another
AHEAD = 2  # the server's blocks that may wait for the client
# Frames behind the last one with light still on, in which receivers go on before they give up.
AFTERGLOW = PATIENCE + 6


class Lockstep:
    """Connects two threads, each of which runs the `sim.loop.node_device.NodePipe` of one node.

    Both run freely in darkness, in blocks of `ALONE` clocks, until both have called `start`. Then
    the server goes on, from its first frame on in blocks of `far` clocks. The client waits for that
    frame and goes on in blocks of `near` clocks, for which the server has already sent the light.
    It is dark again some frames behind the last one, or when the server has left. When the client
    has left, the server goes on alone.

    `wait` is how the thread of a party waits until the other has done what a function says, where
    threads of a gang take turns (`sim.engines.gang`).
    """

    def __init__(
        self,
        optics: Optics,
        far: int,
        near: int,
        wait: Wait | None = None,
    ) -> None:
        self._optics, self._far, self._near, self._wait = optics, far, near, wait
        self._meeting = threading.Condition()
        self._present = set(PARTIES)
        self._ready: set[str] = set()
        self._clock = 0  # the samples of light sent so far
        self._until = 0  # the sample at which the light ends
        self._ended = False
        # What is on its way to each node; the client's has the line that triggers its drive.
        self._words: IntArray = np.zeros((2, 0), np.int64)
        self._tapped: Complex = np.zeros(0, np.complex128)
        self._frame: IntArray = np.zeros(0, np.int64)
        self._starts: list[int] = []
        self._newest: int | None = None  # where the newest frame starts
        self.late: list[int] = []  # clocks by which frames left later than a frame after the last

    def surroundings(self, party: str) -> Surroundings:
        """The function that the node of a party calls after every block."""
        return self._server if party == "server" else self._client

    def start(self, party: str, timeout: float) -> bool:
        """Say that this party is ready for light, and wait for the other.

        Returns False if the other does not become ready in time.
        """
        other = _other(party)
        with self._meeting:
            self._ready.add(party)
            self._meeting.notify_all()
        self._wait_for(party, lambda: other in self._ready or other not in self._present, timeout)
        return other in self._ready

    def started(self, party: str) -> bool:
        """Whether this party has called `start`."""
        return party in self._ready

    def leave(self, party: str) -> None:
        """Say that this party stops running."""
        with self._meeting:
            self._present.discard(party)
            self._ended |= party == "server"
            self._meeting.notify_all()

    def outlast(self, party: str, timeout: float) -> bool:
        """Let this party wait until the other has left. Returns False if it does not in time."""
        other = _other(party)
        self._wait_for(party, lambda: other not in self._present, timeout)
        return other not in self._present

    @property
    def dark(self) -> bool:
        """Whether the client has had all the light that it will get."""
        with self._meeting:
            return self._ended and len(self._tapped) < self._near

    def _wait_for(
        self, party: str, until: Callable[[], bool], timeout: float | None = None
    ) -> None:
        """Wait until something is true that the other party brings about."""
        if self._wait is not None:
            self._wait(party, until)
            return
        with self._meeting:
            self._meeting.wait_for(until, timeout)

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
        period = self._optics.setup.period
        for start in starts:
            if self._newest is not None and (gap := start - self._newest - period):
                self.late.append(gap)
            self._newest = start
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
        self._wait_for(
            "server",
            lambda: len(self._tapped) <= AHEAD * self._far or "client" not in self._present,
        )
        words = np.concatenate([self._words, words], axis=1)
        self._words = words[:, self._far :]
        return words[:, : self._far], np.zeros(self._far, np.int64)

    def _client(self, ports: Ports) -> tuple[IntArray, IntArray]:
        n = self._near
        if not self._ready.issuperset(PARTIES):
            return _dark(1, ALONE)
        self._wait_for("client", lambda: len(self._tapped) >= n or self._ended)
        with self._meeting:
            if len(self._tapped) < n:
                return _dark(1, ALONE)
            tapped, self._tapped = self._tapped[:n], self._tapped[n:]
            frame, self._frame = self._frame[:n], self._frame[n:]
            starts, self._starts = self._starts, []
            self._meeting.notify_all()
        # What the client did before there was light does not matter.
        shifter = ports["shifter"] if len(ports["shifter"]) == n else np.zeros(n, np.int64)
        return self._optics.detect(tapped, starts, shifter), frame


def _other(party: str) -> str:
    (other,) = set(PARTIES) - {party}
    return other


def _dark(lines: int, clocks: int) -> tuple[IntArray, IntArray]:
    return np.zeros((lines, clocks), np.int64), np.zeros(clocks, np.int64)
