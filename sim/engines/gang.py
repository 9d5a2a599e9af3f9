"""Threads that each drive a copy of a design, and play them in the lanes of one library together.

A step of one copy costs as much as one of all copies of `sim.engines.lanes`. So a copy that is to
be stepped waits until no thread of the gang has work of its own left, which would end in a step
too. Then as many copies as possible go on at once. Between the steps, threads take turns: Python
runs one at a time anyway, and threads that compete for it take three times as long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from shotveil.sim.engines.lanes import Copies, lane_of

State = Literal["away", "waiting", "resting", "working", "stuck"]


class Deadlock(RuntimeError):
    """Every thread of a gang waits for another."""


@dataclass
class _Step:
    """A step that a seat asks for, and how many of its clocks have been played."""

    clocks: int
    streams: Any
    lines: Any
    values: Any
    played: int = 0


class Gang:
    """Threads of a process that go on together; each has a `Seat`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._seats: list[Seat] = []
        # A gang looks thousands of times an image whose turn it is, so it does not ask every seat.
        self._working = 0
        self._ready: deque[Seat] = deque()  # only wait for their turn
        self._resting: list[Seat] = []

    def seat(self, copies: Copies, lane: int) -> Seat:
        """The place of one copy; nobody waits for it until its thread is expected."""
        with self.lock:
            self._seats.append(Seat(self, copies, lane))
            return self._seats[-1]

    def go_on(self) -> None:
        """Give the turn to the next thread, after steps if none is ready; needs the lock."""
        while not self._working:
            if self._ready:
                self._ready.popleft().turn("working")
            elif woken := next((seat for seat in self._resting if seat.until()), None):
                woken.turn("working")
            elif any(seat.asked is not None for seat in self._seats):
                self._play()
            else:
                for seat in [*self._resting]:
                    seat.turn("stuck")
                return

    def change(self, seat: Seat, state: State) -> None:
        """Note what a thread does from now on; needs the lock."""
        self._working += (state == "working") - (seat.state == "working")
        if seat.state == "resting":
            self._resting.remove(seat)
        if state == "resting":
            self._resting.append(seat)
        elif state == "waiting" and seat.asked is None:
            self._ready.append(seat)
        seat.state = state

    def _play(self) -> None:
        """Play the steps that most seats of one design ask for, up to the end of the shortest."""
        asking: dict[int, dict[Seat, _Step]] = {}
        for seat in self._seats:
            if seat.asked is not None:
                asking.setdefault(id(seat.copies), {})[seat] = seat.asked
        steps = max(asking.values(), key=len)
        clocks = min(step.clocks - step.played for step in steps.values())
        lanes = {
            seat.lane: lane_of(
                step.streams, step.lines, step.values, seat.clock - step.played, step.played
            )
            for seat, step in steps.items()
        }
        next(iter(steps)).copies.play(clocks, lanes)
        for seat, step in steps.items():
            seat.clock += clocks
            step.played += clocks
            if step.played == step.clocks:
                seat.asked = None
                self._ready.append(seat)


class Seat:
    """One copy's place in a gang, with the calls that a `shared_library.Instance` makes."""

    def __init__(self, gang: Gang, copies: Copies, lane: int):
        self.copies, self.lane = copies, lane
        self.clock = 0  # clocks since `create`
        self.asked: _Step | None = None  # what it asks for
        self.state: State = "away"
        self.until: Callable[[], bool] = lambda: True  # what it waits for if it rests
        self._gang = gang
        self._turn = threading.Condition(gang.lock)

    def turn(self, state: Literal["working", "stuck"]) -> None:
        """End the wait of the thread; needs the lock."""
        self._gang.change(self, state)
        self._turn.notify()

    def expect(self) -> None:
        """Let the gang wait for the thread of this seat, which is going to `enter`."""
        with self._gang.lock:
            self._gang.change(self, "waiting")

    def enter(self) -> None:
        """Wait for the first turn of this thread."""
        with self._gang.lock:
            self._wait()

    def leave(self) -> None:
        """Say that nobody works for this seat any more."""
        with self._gang.lock:
            self.asked = None
            self._gang.change(self, "away")
            self._gang.go_on()

    def rest(self, until: Callable[[], bool]) -> None:
        """Wait until something is true that another thread of the gang brings about.

        Raises `Deadlock` if all of them wait.
        """
        if until():
            return
        with self._gang.lock:
            self.until = until
            self._gang.change(self, "resting")
            self._wait()

    def _wait(self) -> None:
        self._gang.go_on()
        self._turn.wait_for(lambda: self.state in ("working", "stuck"))
        if self.state == "stuck":
            raise Deadlock("every thread of the gang waits for another")

    # The calls of a library ------------------------------------------------------------------

    def create(self) -> int:
        with self._gang.lock:
            self.copies.reset(self.lane)
            self.clock = 0
        return 1

    def destroy(self, handle: int) -> None:
        """Nothing: the copy stays, and begins anew with `create`."""

    def step(self, handle: int, clocks: int, streams: Any, lines: Any, values: Any) -> None:
        if clocks:
            with self._gang.lock:
                self.asked = _Step(clocks, streams, lines, values)
                self._gang.change(self, "waiting")
                self._wait()
