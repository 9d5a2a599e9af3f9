"""Which routing becomes a bitstream, and where each build goes. The tools themselves run in
`make bitstream` and `make redpitaya`."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io

from shotveil.gateware import boards as room
from shotveil.gateware.boards import ulx3s
from shotveil.gateware.boards.board import boards as all_boards
from shotveil.gateware.boards.ecp5 import Ecp5Clocks
from shotveil.gateware.boards.ecpix5 import ECPIX5
from shotveil.gateware.boards.red_pitaya import RED_PITAYA
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.host.commands.cli import main
from shotveil.host.devices.device import recognise
from shotveil.models.node.register_map import WATCHDOG_TICK, register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.synthesis import boards
from shotveil.sim.synthesis import ecp5 as synthesis

NETLIST = boards.netlist


@pytest.fixture
def route(monkeypatch):
    """Stands for the tools: each seed reaches these clocks in MHz, as they are held to."""
    reached = {
        "held": (125.0, 60.0),
        "used": {"TRELLIS_COMB": 20_000, "DP16KD": 100, "MULT18X18D": 50},
    }

    def run_tool(folder, tool, *options, patience=None):
        option = dict(itertools.pairwise(options))
        if "--seed" in option:
            if reached[int(option["--seed"])] is None:
                raise subprocess.TimeoutExpired(tool, patience)
            fmax = {
                name: {"achieved": got, "constraint": due}
                for name, got, due in zip(
                    ("$glbnet$clk", "ulpi"), reached[int(option["--seed"])], reached["held"],
                    strict=False,
                )
            }  # fmt: skip
            used = {
                cell: {"used": got, "available": 80_000} for cell, got in reached["used"].items()
            }
            report = {"fmax": fmax, "utilization": used}
            (folder / option["--report"]).write_text(json.dumps(report))
            (folder / option["--write"]).write_text(f"routing {option['--seed']}")
        elif "--textcfg" in option:
            assert "--no-route" in options
            (folder / option["--textcfg"]).write_text((folder / option["--json"]).read_text())
        elif "--bit" in option:
            (folder / option["--bit"]).write_text((folder / option["--input"]).read_text())
        return ""

    monkeypatch.setattr(boards, "netlist", lambda board, design, folder: None)
    monkeypatch.setattr(synthesis, "run_tool", run_tool)
    return reached


def test_the_first_routing_that_meets_every_clock_is_what_is_loaded(route, tmp_path):
    route |= {1: (124.9, 80.0), 2: None, 3: (150.0, 59.0), 4: (126.0, 61.0), 5: (160.0, 99.0)}
    said = []
    assert boards.bitstream(ECPIX5, ECPIX5.tools, NodeSpec(), tmp_path, "usb", [5, 4]).seed == 5
    routing = boards.bitstream(ECPIX5, ECPIX5.tools, NodeSpec(), tmp_path, "usb", tell=said.append)
    assert (tmp_path / "top.bit").read_text() == "routing 4"
    assert (routing.seed, routing.clocks) == (4, {"clk": (126.0, 125.0), "ulpi": (61.0, 60.0)})
    assert str(routing) == "seed 4: clk 126.0 of 125 MHz, ulpi 61.0 of 60 MHz; 20000 LUT (25%)"
    slow, never, other = said
    assert slow.startswith("seed 1: clk 124.9") and slow.endswith("too slow")
    assert never == "seed 2: not routed after 1500 s" and "ulpi 59.0 of 60 MHz" in other


def test_no_bitstream_where_no_seed_meets_the_clocks(route, tmp_path):
    route |= dict.fromkeys(range(1, 9), (124.9, 80.0))
    for name in ("top.bit", "top.svf"):
        (tmp_path / name).write_text("of an earlier design")
    with pytest.raises(RuntimeError, match="no seed meets"):
        boards.bitstream(ECPIX5, ECPIX5.tools, NodeSpec(), tmp_path, "usb")
    assert not list(tmp_path.glob("top.*"))


def test_a_clock_without_its_constraint_is_no_build(route, tmp_path):
    """What the tools would hold a clock to that nobody named is less than any clock needs."""
    route |= {1: (150.0, 80.0), "held": (125.0, 12.0)}
    with pytest.raises(RuntimeError, match=r"held to \[12, 125\] MHz, .* \[60, 125\]"):
        boards.bitstream(ECPIX5, ECPIX5.tools, NodeSpec(), tmp_path, "usb")


def test_a_build_needs_no_simulator():
    """What `make bitstream` sets up has no cocotb."""
    code = (
        "import sys; sys.modules |= {'cocotb': None, 'cocotb_tools': None}; "
        "import shotveil.sim.synthesis.boards"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Small(Elaboratable):
    """A FIFO in block RAM between a counter and a light."""

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clocks = Ecp5Clocks("clk100", 100_000_000, 125_000_000, ("rst", 0))
        m.submodules.fifo = fifo = DeepFifo(width=16, depth=1024)
        m.submodules.light = light = io.Buffer("o", platform.request("rgb_led", 0, dir="-").r)
        count = Signal(16)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [fifo.w_data.eq(count), fifo.w_en.eq(count[0]), fifo.r_en.eq(1)]
        m.d.comb += light.o.eq(fifo.r_rdy & fifo.r_data.xor())
        return m


def test_block_rams_of_a_board_use_their_output_registers(tmp_path):
    boards.netlist(ECPIX5, Small(), tmp_path)
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"].values()
    memories = [cell for cell in cells if cell["type"] == "DP16KD"]
    assert memories and all(m["parameters"]["REGMODE_A"] == "OUTREG" or
                            m["parameters"]["REGMODE_B"] == "OUTREG" for m in memories)  # fmt: skip


def test_a_design_that_is_too_large_is_no_build(route, tmp_path):
    route |= {1: (150.0, 80.0), "used": {"TRELLIS_COMB": 90_000, "DP16KD": 209, "MULT18X18D": 157}}
    with pytest.raises(RuntimeError, match=r"90000 LUT of 83640, 209 BRAM of 208, 157 DSP of 156"):
        boards.bitstream(ECPIX5, ECPIX5.tools, NodeSpec(), tmp_path, "usb")


def test_a_vivado_project_that_is_too_large_is_no_build(monkeypatch, tmp_path):
    limit = RED_PITAYA.limits.lut
    used = synthesis.ZynqEstimate(lut=limit + 1, ff=1, dsp=81, bram36=54.5)
    monkeypatch.setattr(boards, "plan_of", lambda board, design, link: Plan())
    monkeypatch.setattr(boards, "lint", lambda verilog, folder: None)
    monkeypatch.setattr(synthesis, "map_zynq", lambda verilog, top: used)
    found = rf"{limit + 1} LUT of {limit}, 54.5 BRAM of 54, 81 DSP of 80"
    with pytest.raises(RuntimeError, match=found):
        boards.vivado_project(RED_PITAYA, NodeSpec(), tmp_path)
    used = synthesis.ZynqEstimate(lut=limit, ff=1, dsp=80, bram36=54)
    assert boards.vivado_project(RED_PITAYA, NodeSpec(), tmp_path) == used


class Plan:
    """Stands for what a platform prepares."""

    def extract(self, folder):
        (Path(folder) / "top.v").write_text("module top; endmodule")


def command(*options):
    """Run `shotveil lab board`; the exit code."""
    with pytest.raises(SystemExit) as end:
        main(["lab", "board", *options])
    return end.value.code


def test_each_build_has_a_folder_of_its_own(monkeypatch, tmp_path):
    asked, kept = [], []

    def build(board, spec, folder, link, seeds, tell):
        assert board is ECPIX5
        asked.append((spec.role, spec.loopback, link, folder.relative_to(tmp_path).as_posix()))
        kept.append(spec.store)

    monkeypatch.setattr(boards, "FOLDER", tmp_path)
    monkeypatch.setattr(boards, "build", build)
    for options in ([], ["--loopback"], ["--link", "usb"], ["--link", "usb", "--loopback"]):
        assert command("ecpix5", *options) == 0
    assert asked == [
        (role, loopback, link, f"ecpix5/{role}" + "-usb" * bool(link) + "-loopback" * loopback)
        for link in ("", "usb")
        for loopback in (False, True)
        for role in ("server", "client")
    ]
    assert command("ecpix5", "--role", "client", "--link", "uart") == 0
    assert asked[-1] == ("client", False, "uart", "ecpix5/client")
    assert kept == [ECPIX5.store, 0] * 4 + [0]
    assert command("ecpix5", "--store", "8192") == 0
    assert [name for *_, name in asked[-2:]] == ["ecpix5/server-8192-stored", "ecpix5/client"]
    assert kept[-2:] == [8192, 0]


def test_a_build_that_failed_says_which(monkeypatch, capsys):
    def fails(*_):
        raise RuntimeError("no seed meets the clocks")

    monkeypatch.setattr(boards, "build", fails)
    assert command("ecpix5", "--role", "client", "--link", "usb") == 1
    assert "ecpix5 client-usb: no seed meets the clocks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (["--link", "usb"], "link = 'usb' is none of ethernet, uart, which red_pitaya offers"),
        (["--seed", "1"], "seeds: red_pitaya is routed by Vivado; allowed: none"),
    ],
)
def test_what_the_board_does_not_have(options, said, capsys):
    assert command("red_pitaya", *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())


THIRD = '''
"""A tiny ECP5 board whose top sends back the bytes that it hears."""

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import wiring
from amaranth_boards.ecpix5 import ECPIX585Platform

from shotveil.gateware.boards.board import Board, BoardLink, Limits, Trellis, serial_port
from shotveil.gateware.boards.ecp5 import Ecp5Clocks


class EchoPlatform(ECPIX585Platform):
    default_clk = None
    default_rst = None


class EchoTop(Elaboratable):
    def __init__(self, spec, link):
        self._spec, self._link = spec, link

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clocks = Ecp5Clocks("clk100", 100_000_000, self._spec.clock_hz, ("rst", 0))
        link = self._link.connect(m, platform, self._spec)
        wiring.connect(m, link.o, link.i)
        return m


ECHO = Board(
    name="echo", says="A board that echoes", platform=EchoPlatform, top=EchoTop,
    tools=Trellis(("--25k",), ("--25k",), seeds=(3,)), clock="75 MHz by a PLL",
    node={"clock_hz": 75_000_000},
    links=(BoardLink("serial", "the FT2232", serial_port),),
    converters="none", limits=Limits(24_000, 100, 50), loopback=False, roles=("server",),
)
'''


@pytest.fixture
def third(tmp_path, monkeypatch):
    """The boards' room with one more file in it."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room/echo.py").write_text(THIRD)
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path / "room")])
    yield
    sys.modules.pop("shotveil.gateware.boards.echo", None)
    vars(room).pop("echo", None)


def test_one_file_adds_a_board(third, route, monkeypatch, tmp_path, capsys):
    """Its command, its host link, its clock, its pins: all from the one file."""
    assert "echo" in all_boards()
    monkeypatch.setattr(boards, "FOLDER", tmp_path)
    # Pins and Verilog are written, though no tool takes them further.
    monkeypatch.setattr(boards, "netlist", NETLIST)
    monkeypatch.setattr(synthesis, "synthesise_ecp5", lambda folder, verilog, top: None)
    route |= {3: (76.0,), "held": (75.0,)}
    assert command("echo", "--link", "serial", "--samples-per-symbol", "2") == 0
    said = capsys.readouterr().out
    assert "seed 3: clk 76.0 of 75 MHz; 20000 LUT" in said
    folder = tmp_path / "echo/server-2-samples"
    assert (folder / "top.bit").read_text() == "routing 3"
    assert 'LOCATE COMP "uart_0__tx__io" SITE "R24"' in (folder / "top.lpf").read_text()
    verilog = (folder / "top.debug.v").read_text()
    assert "module top(" in verilog and 'FREQUENCY_PIN_CLKOP = "75"' in verilog
    # A host reads from the node what its board chose, and counts its time in that clock.
    spec = all_boards()["echo"].spec("server", samples_per_symbol=2)
    constants = register_map(spec).constants
    assert constants["clock"] == 75_000_000
    assert recognise(constants, "here") == spec
    second = register_map(spec)["watchdog"].to_raw(1.0)
    assert second == round(75e6 / WATCHDOG_TICK)
    for options, refused in (
        (["--role", "client"], "role = 'client' is none of server, which echo offers"),
        (["--loopback"], "loopback = True; allowed with echo: False"),
        (["--link", "usb"], "link = 'usb' is none of serial, which echo offers"),
    ):
        assert command("echo", *options) == 2
        assert refused in " ".join(capsys.readouterr().err.split())


PAGES = Path(__file__).parents[3] / "docs"


def test_the_page_shows_what_the_boards_say_of_themselves():
    """Each board has a row of the table, whose cells are those of its `Board`."""
    rows = {line for line in (PAGES / "boards.md").read_text().splitlines() if line[:2] == "| "}
    for name, board in all_boards().items():
        links = "; ".join(link.says for link in board.links)
        assert (
            f"| {board.says} | `{name}.py` | {board.clock} | {board.converters} | {links} |" in rows
        )


def test_the_page_on_adding_a_board_shows_lines_of_a_board():
    """Every line of the recipe's code is one of ULX3S's file."""
    recipe = (PAGES / "extending.md").read_text().split("## Add a board")[1].split("\n## ")[0]
    blocks = [block.split("```")[0] for block in recipe.split("```python")[1:]]

    def bare(text):
        return "".join(text.split())

    file = bare(Path(ulx3s.__file__).read_text())
    shown = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert len(shown) > 20 and not [line for line in shown if bare(line) not in file]
