"""The simulators that run a cocotb bench on emitted Verilog, and their builds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from amaranth.hdl import Const, Value
from amaranth.lib import wiring
from cocotb_tools.runner import Icarus, Runner

from shotveil.host.run.cache import cache_folder
from shotveil.sim.engines import cocotb_build, verilator
from shotveil.sim.engines.verilog import emit
from shotveil.sim.engines.waiting import waiting

TOP = "dut"
TIMESCALE = ("1ns", "1ps")
NAMES = ("verilator", "icarus")


def missing(simulator: str) -> str:
    """What to install before a simulator can run; empty where it is present."""
    if simulator == "icarus":
        present = shutil.which("iverilog") is not None
        return "" if present else "Icarus Verilog is not on PATH (Debian: apt install iverilog)"
    try:
        verilator.executable()
    except ModuleNotFoundError as error:
        return str(error)
    return ""


def build(name: str, component: wiring.Component, simulator: str, waves: bool) -> Runner:
    """Compile the Verilog of a component as module `dut`, or find it in the user's cache.

    Raises `ModuleNotFoundError` where the simulator is missing, `RuntimeError` where it fails.
    """
    if absent := missing(simulator):
        raise ModuleNotFoundError(absent, name=simulator)
    if simulator == "icarus":
        return _icarus(name, emit(component, TOP, processes=False), waves)
    return _verilator(name, component, emit(component, TOP), waves)


def _verilator(name: str, component: wiring.Component, text: str, waves: bool) -> Runner:
    members = component.signature.flatten(component)
    ports = [v for v in (Value.cast(port) for _, _, port in members) if not isinstance(v, Const)]
    clocked = [line for line in ("clk", "rst") if re.search(rf"^  input {line};", text, re.M)]
    runner, folder = cocotb_build.build(
        f"bench_{name}",
        TOP,
        {"generated_dut.v": text},
        public=(*clocked, *(port.name for port in ports)),
        fast=False,
        waves=waves,
    )
    runner.build_dir = folder  # also where an earlier build is used again
    return runner


def _icarus(name: str, text: str, waves: bool) -> Runner:
    versions = importlib.metadata.version("cocotb") + _icarus_version()
    hashed = verilator.digest(versions, str(waves), text)
    folder = cache_folder("icarus") / f"{name}-{hashed}"
    runner = Icarus()
    with waiting(f"Icarus to build {name}"), verilator.alone(folder):
        if (folder / "finished").exists():
            runner.build_dir = folder
            return runner
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dut.v").write_text(text)
        log = folder / "build.log"
        try:
            runner.build(
                sources=[folder / "dut.v"],
                hdl_toplevel=TOP,
                build_dir=folder,
                timescale=TIMESCALE,
                waves=waves,
                always=True,
                log_file=log,
            )
        except (SystemExit, RuntimeError, subprocess.CalledProcessError) as error:
            raise RuntimeError(
                f"Icarus failed:\n{log.read_text(errors='replace')[-4000:]}"
            ) from error
        (folder / "finished").touch()
    return runner


def _icarus_version() -> str:
    done = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


def run(
    runner: Runner, modules: Sequence[str], seed: int, folder: Path, waves: Path | None
) -> tuple[int, list[str]]:
    """Run the cocotb tests of modules in a folder; return their number, and those that failed.

    The log goes to `log.txt`, the waves to a file named `waves` where that is asked for. Raises
    `RuntimeError` where the simulator ends without results.
    """
    log = folder / "log.txt"
    simulator = type(runner).__name__
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    with waiting(f"the tests in {modules[0]}; {log} grows"), contextlib.suppress(*ENDED):
        runner.test(
            test_module=list(modules),
            hdl_toplevel=TOP,
            hdl_toplevel_lang="verilog",
            seed=seed,
            build_dir=runner.build_dir,
            test_dir=folder,
            results_xml=str(results),
            plusargs=[f"+dumpfile_path={waves}"] if waves and simulator == "Icarus" else [],
            test_args=["--trace-file", str(waves)] if waves and simulator != "Icarus" else [],
            timescale=TIMESCALE,
            waves=waves is not None,
            log_file=log,
        )
    try:
        found = ElementTree.parse(results).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise RuntimeError(f"the simulator ended early:\n{_end(log)}") from error
    cases = list(found.iter("testcase"))
    failed = [c.get("name", "") for c in cases if any(c.find(kind) is not None for kind in BAD)]
    return len(cases), failed


BAD = ("failure", "error")
# What cocotb's runner raises where tests failed; the results say which, unless there are none.
ENDED = (SystemExit, RuntimeError, OSError)


def _end(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.exists() else "it wrote no log"


def ending(simulator: str) -> str:
    """The suffix of a file of waves."""
    return "fst" if simulator == "icarus" or verilator.writes_fst() else "vcd"
