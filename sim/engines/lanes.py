"""A design as a shared library that plays up to `LANES` copies of it at once.

It is compiled from the code that `sim.engines.lane_code` writes, and gives the same bits as
Verilator. One clock of all lanes takes as long as some three of Verilator's.
"""

from __future__ import annotations

import ctypes
import platform
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines import verilator
from shotveil.sim.engines.compilers import compiler
from shotveil.sim.engines.lane_code import LANE, LANES, source
from shotveil.sim.engines.shared_library import Instance, PortTables
from shotveil.sim.engines.waiting import waiting

# Compilers prefer shorter vectors on some processors that have long ones, which costs 7 %.
LONG = ("-mprefer-vector-width=512",) if platform.machine() == "x86_64" else ()
OPTIONS = ("-std=gnu++20", "-O2", "-march=native", *LONG, "-fPIC", "-shared", "-fvisibility=hidden",
           "-Wno-psabi")  # fmt: skip


class Lane(ctypes.Structure):
    """A lane's part of a call."""

    _fields_ = tuple((name, kind) for name, _, kind in LANE)


class LaneLibrary(PortTables):
    """The compiled design of a component; `name` only labels the file that `path` may name."""

    def __init__(self, component: wiring.Component, name: str, path: Path | None = None):
        super().__init__(component)
        if path is None:
            verilator.builds()  # refuses a folder before the seconds that writing the code takes
        self.path = path or _compile(name, source(component, self.ports))
        self._calls = calls = ctypes.CDLL(str(self.path))
        calls.create.restype = ctypes.c_void_p
        calls.destroy.argtypes = (ctypes.c_void_p,)
        calls.reset.argtypes = (ctypes.c_void_p, ctypes.c_uint64)
        calls.play.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(Lane))

    def copies(self) -> Copies:
        """`LANES` copies of the design."""
        return Copies(self._calls)

    def instance(self) -> Instance:
        """One copy that is played alone, in the state after a reset."""
        return Instance(self, _Alone(self.copies()))


class Copies:
    """The copies of a design in the lanes of one library; one thread may use it at a time."""

    def __init__(self, calls: ctypes.CDLL):
        self._calls = calls
        self._handle = calls.create()
        self._lanes = (Lane * LANES)()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._calls.destroy(self._handle)

    def reset(self, lane: int) -> None:
        """Put a lane into the state after a reset."""
        self._calls.reset(self._handle, lane)

    def play(self, clocks: int, lanes: Mapping[int, Lane]) -> None:
        """Run these lanes for some clocks; all others stand still."""
        for number in range(LANES):
            self._lanes[number] = lanes.get(number, Lane())
        self._calls.play(self._handle, clocks, self._lanes)


class _Alone:
    """The calls of a `Library`, for the first of the copies."""

    def __init__(self, copies: Copies):
        self._copies, self._clock = copies, 0

    def create(self) -> int:
        self._copies.reset(0)
        return 1

    def destroy(self, handle: int) -> None:
        pass

    def step(self, handle: int, clocks: int, streams: Any, lines: Any, values: Any) -> None:
        self._copies.play(clocks, {0: lane_of(streams, lines, values, self._clock, 0)})
        self._clock += clocks


def lane_of(streams: Any, lines: Any, values: Any, clock: int, at: int) -> Lane:
    """The lane of a step, whose arrays stay the caller's, after `at` of its clocks."""
    pointers = (ctypes.cast(array, ctypes.c_void_p) for array in (streams, lines, values))
    return Lane(*pointers, clock, at)


def _compile(name: str, text: str) -> Path:
    """The shared library of a text, from the cache where it is known."""
    by = compiler()
    folder = verilator.builds()
    # The code is for this processor, so another one that shares the cache needs its own.
    parts = (*OPTIONS, by.command, by.version, _processor(), text)
    path = folder / f"lanes-{name}-{verilator.digest(*parts)}.so"
    with waiting(f"the compiler to build {name} in lanes"), verilator.alone(path):
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=folder) as built:
                made = Path(built) / "lanes.so"
                (Path(built) / "lanes.cpp").write_text(text)
                done = subprocess.run(
                    [*by.call, *OPTIONS, "lanes.cpp", "-o", made.name],
                    cwd=built, capture_output=True, text=True, errors="replace",
                )  # fmt: skip
                if done.returncode:
                    raise RangeError(
                        f"the C++ compiler failed: {verilator.cause(done.stderr)}; "
                        "`shotveil doctor` looks at what it needs"
                    )
                made.rename(path)
    return path


def _processor() -> str:
    """What this processor can do, as Linux says it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
