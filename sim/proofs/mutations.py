"""Mutations of gateware and models, each of which the tests of its file should find.

A mutation is a small change of the source, such as a reversed comparison or a forgotten condition.
It is planted in a copy of the package, and the tests that mirror the file are run against that
copy. A mutation that no test finds shows a behaviour that nothing holds in place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.waiting import waiting

ROOT = Path(__file__).parents[2]
FOLDERS = ("models", "gateware", "host", "sim")
PASSED, FAILED, INTERRUPTED = 0, 1, 2  # exit codes of pytest
PATIENCE = 1800.0  # seconds after which tests of a mutation count as failed: it made them wait
OF_ONE = 200  # seconds for one test; without a mutation each takes far less, or they are not tried
# Builds of Verilog take most of the time, and play the same cases as Amaranth's simulator.
QUICK = "not verilog and not shared_library and not empty and not bench"


@dataclass(frozen=True)
class Mutation:
    """A change of `old`, which `file` has exactly once, to `new`.

    line: Where the old text is a whole line, which may occur again, its number; otherwise 0.
    """

    file: str
    old: str
    new: str
    line: int = 0

    @property
    def tests(self) -> Path:
        """The tests that mirror the file, from the checkout's root."""
        file = Path(self.file)
        return Path("tests") / file.parent / f"test_{file.name}"

    @property
    def room(self) -> Path:
        """The tests of the file's whole room, from the checkout's root."""
        return Path("tests", *Path(self.file).parts[:2])

    def __str__(self) -> str:
        at = f":{self.line}" if self.line else ""
        return f"{self.file}{at}: {self.old.strip()} → {self.new.strip()}"

    def applied(self, text: str) -> str:
        """Return the file's text with the change.

        Raises `RangeError` where the text does not have the old one, or has it twice.
        """
        if self.line:
            lines = text.splitlines(keepends=True)
            if lines[self.line - 1 : self.line] != [self.old]:
                raise RangeError(f"{self.file}, line {self.line}, is not {self.old!r}")
            return "".join([*lines[: self.line - 1], self.new, *lines[self.line :]])
        if text.count(self.old) != 1:
            raise RangeError(
                f"{self.file} has {self.old!r} {text.count(self.old)} times; allowed: once"
            )
        return text.replace(self.old, self.new)


def _of(file: str, *changes: tuple[str, str]) -> tuple[Mutation, ...]:
    return tuple(Mutation(file, old, new) for old, new in changes)


MUTATIONS: tuple[Mutation, ...] = (
    *_of(
        "gateware/drive/dac.py",
        ("round_shift(self.i.p[arm], shift, Rounding.HALF_EVEN)",
         "round_shift(self.i.p[arm], shift, Rounding.HALF_UP)"),
        ("self.arm & ~self.tripped & (self.armed | first[1])", "self.arm & ~self.tripped"),
        ("(fault[1] & self.stop_on_fault)", "fault[1]"),
        ("self.tripped.eq(self.arm & (self.tripped | trip))", "self.tripped.eq(trip)"),
        ('("saturated", saturated & on)', '("saturated", saturated)'),
        ("Mux(on & ~trip, limited, 0)", "Mux(on, limited, 0)"),
    ),
    *_of(
        "gateware/drive/shaping.py",
        ("self.i.ready.eq(enable & (~present | last))", "self.i.ready.eq(enable & ~present)"),
        ("limited[0] | limited[1] | fault, 1", "limited[0] | fault, 1"),
        ("[column.eq(0), row.eq(0)]\n        taps", "column.eq(0)\n        taps"),
        ("m.d.sync += self.partial.eq(0)", "m.d.sync += self.partial.eq(1)"),
    ),
    *_of(
        "gateware/drive/framing.py",
        ("cut.eq(row_left < taken", "cut.eq(row_left <= taken"),
        ("self.run & ~self.hold & ~self.flush & whole", "self.run & ~self.flush & whole"),
        ("group.eq(group + 1)", "group.eq(group)"),
        ("take.eq(step & ~blanked)", "take.eq(step)"),
    ),
    *_of(
        "gateware/drive/scaling.py",
        ("Mux(self.i.p.reference, self.reference, self.scale)", "self.scale + 0"),
        ("faults[0] | faults[1], 1", "faults[1], 1"),
    ),
    *_of(
        "gateware/primitives/counter.py",
        ("self.count.eq(0), self.flag.eq(0), full", "self.count.eq(0), full"),
        ("~(full & self.count[0])", "~full"),
    ),
    *_of(
        "gateware/digitiser/matched.py",
        ("Mux(begins, 0, sums[k]) if k == 0 else sums[k]", "sums[k]"),
        ("partial.eq(~place.all())", "partial.eq(0)"),
        ("m.d.sync += place.eq(0)", "m.d.sync += place.eq(place)"),
        ("Cat(where[:group], where[fraction:])", "Cat(where[:group], where[fraction - 1 :])"),
    ),
    *_of(
        "gateware/digitiser/accumulators.py",
        ("qp.eq(Mux(odd ^ back, -reference, reference))", "qp.eq(reference)"),
        ("pairs[2].eq(cross[1] - cross[2])", "pairs[2].eq(cross[1] + cross[2])"),
        ("self.i.p.over | self.i.p.saturated)", "self.i.p.over)"),
        ("index.eq(self.i.p.index >> self.mode_shift)", "index.eq(self.i.p.index)"),
        ("going.eq(~skip)", "going.eq(1)"),
    ),
    *_of(
        "gateware/host_link/cobs.py",
        ("implied.eq(self.i.payload != LONGEST + 1)", "implied.eq(1)"),
        ("Mux(delimiter & ~code, Fault.FRAME, Fault.NONE)", "Fault.NONE"),
        ("~fill & (code == LONGEST)", "~fill & (code == LONGEST - 1)"),
    ),
    *_of(
        "gateware/node/sequencer.py",
        ("self.flush.eq(ends | (over & self.arm))", "self.flush.eq(ends)"),
        ("(phase == BatchPhase.OFF) & self.start & self.arm & fresh",
         "(phase == BatchPhase.OFF) & self.start & self.arm"),
        ("phase.eq(Mux(halted, BatchPhase.STOPPED, BatchPhase.DONE))",
         "phase.eq(BatchPhase.DONE)"),
        ("m.If(~self.away)", "m.If(~self.away | halted)"),
    ),
    *_of(
        "gateware/node/trigger.py",
        (" & self.triggered & (pending != PENDING)", " & self.triggered"),
        ("now + self.delay + 2", "now + self.delay + 1"),
        ("m.d.sync += ready.eq(0)", "m.d.sync += ready.eq(ready)"),
    ),
    *_of(
        "gateware/node/replay.py",
        ("age = Signal(self._time_bits)", "age = Signal(self._time_bits + 1)"),
        ("late.eq(age >= high)", "late.eq(age >= low)"),
        ("m.If(self.sent | done)", "m.If(self.sent)"),
    ),
    *_of(
        "models/host_link/cobs.py",
        ("implied = code <= LONGEST", "implied = True"),
        ("while len(block) - position >= LONGEST:", "while len(block) - position > LONGEST:"),
    ),
    *_of(
        "models/digitiser/pace.py",
        ("if entered - left < fifo - latency - 5:", "if entered - left < fifo:"),
        ("most = max(most, len(taken) - waits + 1)", "most = max(most, len(taken) - waits)"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class MutationOutcome:
    """Whether tests found a mutation (None: planted nothing), and the end of their output."""

    mutation: Mutation | None
    found: bool
    log: str


def planted(mutation: Mutation | None, folder: Path, root: Path = ROOT) -> None:
    """Lay the package, with a mutation in it, into a folder to put on the path.

    Raises `RangeError` where the file does not have the old text exactly once.
    """
    package = folder / "shotveil"
    package.mkdir()
    (package / "__init__.py").symlink_to(root / "host/shotveil/__init__.py")
    changed = mutation.file.split("/")[0] if mutation else ""
    for name in FOLDERS:
        if name != changed:
            (package / name).symlink_to(root / name)
        else:
            shutil.copytree(root / name, package / name)
    if mutation:
        file = package / mutation.file
        changed_text = mutation.applied(file.read_text(encoding="utf-8"))
        file.write_text(changed_text, encoding="utf-8")


def tried(mutation: Mutation | None, tests: Path, root: Path = ROOT) -> MutationOutcome:
    """Run tests against the package with a mutation.

    Raises `RuntimeError` where they neither pass nor fail: they could not be run.
    """
    with tempfile.TemporaryDirectory() as name:
        planted(mutation, Path(name), root)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:randomly",
                   "-p", "no:cacheprovider", "--timeout", str(OF_ONE), "-k", QUICK,
                   str(tests)]  # fmt: skip
        with waiting(f"the tests in {tests}"):
            try:
                done = subprocess.run(
                    command,
                    cwd=root,
                    env={**os.environ, "PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=PATIENCE,
                )
            except subprocess.TimeoutExpired:
                return MutationOutcome(mutation, True, f"no end after {PATIENCE:.0f} s")
    log = (done.stdout + done.stderr)[-2000:]
    # A mutation may break the import of a module, which interrupts pytest before any test.
    found = done.returncode == FAILED or (bool(mutation) and done.returncode == INTERRUPTED)
    if not found and done.returncode != PASSED:
        raise RuntimeError(f"{tests} could not be run:\n{log}")
    return MutationOutcome(mutation, found, log)


def named(name: str = "") -> list[Mutation]:
    """Return all mutations above, or those of files whose path holds `name`.

    Raises `RangeError` if there is no such file.
    """
    chosen = [mutation for mutation in MUTATIONS if name in mutation.file]
    if not chosen:
        files = ", ".join(sorted({mutation.file for mutation in MUTATIONS}))
        raise RangeError(f"file = {name!r} has no mutations; allowed: a part of {files}")
    return chosen


def outcomes(
    chosen: Sequence[Mutation], root: Path = ROOT, *, rooms: bool = False
) -> Iterator[MutationOutcome]:
    """Try mutations; yield the outcome of each as it comes.

    rooms: Whether the tests of the whole room are tried where those of the file find nothing.

    Tests are first run without a mutation. Raises `RangeError` if they fail then.
    """
    sound: set[Path] = set()

    def outcome(mutation: Mutation, tests: Path) -> MutationOutcome:
        if tests not in sound:
            before = tried(None, tests, root)
            if before.found:
                raise RangeError(f"{tests} fails without a mutation:\n{before.log}")
            sound.add(tests)
        return tried(mutation, tests, root)

    for mutation in chosen:
        found = outcome(mutation, mutation.tests)
        yield outcome(mutation, mutation.room) if rooms and not found.found else found
