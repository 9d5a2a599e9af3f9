"""All benches by name, and a run of one: tests, named bins, waves.

A bench is a file in this room with cocotb tests and a function `component` that makes what they
simulate. Its name is that of the file, and its first line says what it shows.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.registry import files
from shotveil.sim.benches import closing, coverage
from shotveil.sim.engines import simulators

ROOM = "shotveil.sim.benches"


def benches() -> dict[str, str]:
    """What each bench shows, by its name."""
    found = ((name, _module(name)) for name in files(ROOM))
    return {n: (m.__doc__ or "").split("\n")[0] for n, m in found if hasattr(m, "component")}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{ROOM}.{name}")


@dataclass(frozen=True)
class BenchOutcome:
    """What came of a bench: number of tests, names of those that failed, hits of the named bins.

    `waves` is the file of waves, if any was asked for.
    """

    tests: int
    failed: tuple[str, ...]
    hits: coverage.Hits
    waves: Path | None

    @property
    def passed(self) -> bool:
        """Whether tests ran and none failed."""
        return self.tests > 0 and not self.failed


def play(
    name: str,
    folder: Path,
    simulator: str = "verilator",
    *,
    seed: int = 1,
    waves: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> BenchOutcome:
    """Build the Verilog of a bench's block, and run its tests in a folder that is made.

    The folder then holds `log.txt`, `results.xml`, `coverage.json`, `coverage.html`, and the waves.
    `tell` gets a line before each step that takes long. Raises `RangeError` for an unknown name,
    `ModuleNotFoundError` where the simulator is missing, `RuntimeError` where it fails.
    """
    known = benches()
    if name not in known:
        raise RangeError(f"block = {name!r} has no bench; allowed: {', '.join(known)}")
    if simulator not in simulators.NAMES:
        raise RangeError(
            f"simulator = {simulator!r} is unknown; allowed: {', '.join(simulators.NAMES)}"
        )
    require("seed", seed, at_least=0, below=2**31, integer=True)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tell(f"{name}: {simulator} builds it, or finds it in the cache")
    runner = simulators.build(name, _module(name).component(), simulator, waves)
    file = folder / f"waves.{simulators.ending(simulator)}" if waves else None
    tell(f"{name}: {simulator} runs its tests")
    modules = (f"{ROOM}.{name}", closing.__name__)
    tests, failed = simulators.run(runner, modules, seed, folder, file)
    hits: coverage.Hits = json.loads((folder / closing.FILE).read_text())
    (folder / "coverage.html").write_text(coverage.page(name, hits))
    return BenchOutcome(tests, tuple(failed), hits, file)
