"""Which routing becomes a bitstream, and where each build goes. The tools themselves run in
`make bitstream` and `make redpitaya`."""

import itertools
import json
import subprocess
import sys

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io

from shotveil.gateware.boards import ecpix5
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.host.commands.cli import main
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.synthesis import boards
from shotveil.sim.synthesis import ecp5 as synthesis


@pytest.fixture
def route(monkeypatch):
    """Stands for the tools: each seed reaches these clocks in MHz, as they are held to."""
    reached = {"held": (125.0, 60.0)}

    def run_tool(folder, tool, *options, patience=None):
        option = dict(itertools.pairwise(options))
        if "--seed" in option:
            if reached[int(option["--seed"])] is None:
                raise subprocess.TimeoutExpired(tool, patience)
            fmax = {
                name: {"achieved": got, "constraint": due}
                for name, got, due in zip(
                    ("$glbnet$clk", "ulpi"), reached[int(option["--seed"])], reached["held"],
                    strict=True,
                )
            }  # fmt: skip
            luts = {"used": 20_000, "available": 80_000}
            report = {"fmax": fmax, "utilization": {"TRELLIS_COMB": luts}}
            (folder / option["--report"]).write_text(json.dumps(report))
            (folder / option["--write"]).write_text(f"routing {option['--seed']}")
        elif "--textcfg" in option:
            assert "--no-route" in options
            (folder / option["--textcfg"]).write_text((folder / option["--json"]).read_text())
        elif "--bit" in option:
            (folder / option["--bit"]).write_text((folder / option["--input"]).read_text())
        return ""

    monkeypatch.setattr(boards, "netlist", lambda top, folder: None)
    monkeypatch.setattr(synthesis, "run_tool", run_tool)
    return reached


def test_the_first_routing_that_meets_every_clock_is_what_is_loaded(route, tmp_path):
    route |= {1: (124.9, 80.0), 2: None, 3: (150.0, 59.0), 4: (126.0, 61.0), 5: (160.0, 99.0)}
    said = []
    assert boards.bitstream(NodeSpec(), tmp_path, "usb", [5, 4]).seed == 5
    routing = boards.bitstream(NodeSpec(), tmp_path, "usb", tell=said.append)
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
        boards.bitstream(NodeSpec(), tmp_path, "usb")
    assert not list(tmp_path.glob("top.*"))


def test_a_clock_without_its_constraint_is_no_build(route, tmp_path):
    """What the tools would hold a clock to that nobody named is less than any clock needs."""
    route |= {1: (150.0, 80.0), "held": (125.0, 12.0)}
    with pytest.raises(RuntimeError, match=r"held to \[12, 125\] MHz, .* \[60, 125\]"):
        boards.bitstream(NodeSpec(), tmp_path, "usb")


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
        m.submodules.clocks = ecpix5.Ecpix5Clocks()
        m.submodules.fifo = fifo = DeepFifo(width=16, depth=1024)
        m.submodules.light = light = io.Buffer("o", platform.request("rgb_led", 0, dir="-").r)
        count = Signal(16)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [fifo.w_data.eq(count), fifo.w_en.eq(count[0]), fifo.r_en.eq(1)]
        m.d.comb += light.o.eq(fifo.r_rdy & fifo.r_data.xor())
        return m


def test_block_rams_of_a_board_use_their_output_registers(tmp_path):
    boards.netlist(Small(), tmp_path)
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"].values()
    memories = [cell for cell in cells if cell["type"] == "DP16KD"]
    assert memories and all(m["parameters"]["REGMODE_A"] == "OUTREG" or
                            m["parameters"]["REGMODE_B"] == "OUTREG" for m in memories)  # fmt: skip


def test_each_build_has_a_folder_of_its_own(monkeypatch, tmp_path):
    asked = []

    def bitstream(spec, folder, link, seeds, tell):
        asked.append((spec.role, spec.loopback, link, folder.name))
        folder.mkdir(parents=True)
        (folder / "top.bit").write_text("bits")

    monkeypatch.setattr(boards, "FOLDER", tmp_path)
    monkeypatch.setattr(boards, "bitstream", bitstream)
    for link in (None, "usb"):
        for loopback in (False, True):
            assert len(list(boards.build("ecpix5", loopback=loopback, link=link))) == 2
    assert asked == [
        (role, loopback, link, role + "-usb" * (link == "usb") + "-loopback" * loopback)
        for link in ("uart", "usb")
        for loopback in (False, True)
        for role in ("server", "client")
    ]


def test_a_build_that_failed_says_which(monkeypatch, capsys):
    def fails(*_):
        raise RuntimeError("no seed meets the clocks")

    monkeypatch.setattr(boards, "bitstream", fails)
    with pytest.raises(SystemExit) as end:
        main(["lab", "board", "ecpix5", "--role", "client", "--link", "usb"])
    assert end.value.code == 1
    assert "ecpix5 client-usb: no seed meets the clocks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (["--link", "usb"], "--link usb: red_pitaya has a UART alone"),
        (["--seed", "1"], "--seed: red_pitaya is routed by Vivado"),
    ],
)
def test_what_the_board_does_not_have(options, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(["lab", "board", "red_pitaya", *options])
    assert end.value.code == 2
    assert said in capsys.readouterr().err
