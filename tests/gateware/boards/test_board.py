"""What a board offers, and where boards come from."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
from amaranth.hdl import Module
from amaranth.lib import io

from shotveil.gateware.boards import board as room
from shotveil.gateware.boards.board import (
    Board,
    BoardLink,
    Limits,
    Trellis,
    Vivado,
    boards,
    serial_port,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import NodeSpec

PLAIN = BoardLink("plain", "a wire", lambda m, platform, spec: None)
QUICK = BoardLink("quick", "two wires", lambda m, platform, spec: None, (60e6,))


def made(**more):
    given = {
        "name": "some", "says": "Some board", "platform": object,
        "top": lambda spec, link: (spec.role, link.name), "tools": Vivado(),
        "links": (PLAIN, QUICK), "converters": "none", "clock": "its own",
        "limits": Limits(10, 4.5, 2),
    }  # fmt: skip
    return Board(**given | more)


def test_the_usual_link_is_the_first_and_brings_no_clock_of_its_own():
    some = made()
    assert some.link() is PLAIN and some.link("plain") is PLAIN and some.link("quick") is QUICK
    assert some.clocks_hz() == (125e6,) and some.clocks_hz("quick") == (125e6, 60e6)
    with pytest.raises(RangeError, match="link = 'glass' is none of plain, quick, which some off"):
        some.link("glass")


def test_a_design_is_of_what_the_board_offers():
    assert made().design(NodeSpec(role="client"), "quick") == ("client", "quick")
    assert made().design(NodeSpec(loopback=True)) == ("server", "plain")
    alone = made(roles=("server",), loopback=False)
    with pytest.raises(RangeError, match="role = 'client' is none of server, which some offers"):
        alone.design(NodeSpec(role="client"))
    with pytest.raises(RangeError, match="loopback = True; allowed with some: False"):
        alone.design(NodeSpec(loopback=True))
    assert alone.design(NodeSpec(role="server")) == ("server", "plain")


def test_the_clock_and_the_converters_of_a_node_are_those_of_its_board():
    slow = made(node={"clock_hz": 50_000_000, "dac_bits": 12, "adc_bits": 10, "capture": 64})
    assert slow.clock_hz == 50_000_000 and slow.clocks_hz("quick") == (50_000_000, 60e6)
    spec = slow.spec("client", loopback=True, samples_per_symbol=2)
    assert (spec.role, spec.loopback, spec.clock_hz, spec.capture) == ("client", True, 5e7, 64)
    assert (spec.drive.dac_bits, spec.digitiser.adc_bits) == (12, 10)
    assert spec.drive.samples_per_symbol == spec.digitiser.samples_per_symbol == 2
    assert slow.design(spec) == ("client", "plain")
    with pytest.raises(RangeError, match="clock_hz = 125000000; allowed with some: 50000000"):
        slow.design(NodeSpec())


def test_only_a_server_keeps_rows_in_its_own_memory_or_in_that_of_its_link():
    roomy = BoardLink("roomy", "a processor", lambda m, platform, spec: None, store=3 * 4096)
    some = made(store=4096, links=(PLAIN, roomy))
    assert [some.spec("server", link=name).store for name in ("", "plain", "roomy")] == [
        4096, 4096, 3 * 4096,
    ]  # fmt: skip
    assert some.spec("client", link="roomy").store == 0 and made().spec("server").store == 0
    assert some.spec("client", store=8192).store == 0
    assert [some.spec("server", store=n).store for n in (0, 8192)] == [0, 8192]


def test_limits_name_what_is_over_them():
    limits = Limits(lut=10, bram=4.5, dsp=2)
    assert limits.beyond(10, 4.5, 2) == []
    assert limits.beyond(11, 4.5, 2) == ["11 LUT of 10"]
    assert limits.beyond(10, 5, 3) == ["5 BRAM of 4.5", "3 DSP of 2"]


def test_eight_seeds_of_25_minutes_are_tried():
    tools = Trellis(("--85k",), ("--um5g-85k",))
    assert tools.seeds == (1, 2, 3, 4, 5, 6, 7, 8) and tools.patience == 1500


def test_all_boards_of_the_room_are_offered():
    found = boards()
    assert {"ecpix5", "red_pitaya", "ulx3s"} <= set(found)
    for name, board in found.items():
        assert board.name == name and board.says and board.converters and board.clock
        for role in board.roles:
            assert board.spec(role).clock_hz == board.clock_hz
        assert all(link.says for link in board.links)


@pytest.fixture
def offered(monkeypatch):
    """Puts an object into a module `theirs`, and offers it as a board of the name `other`."""

    def offer(thing, name="other"):
        module = type(sys)("theirs")
        module.BOARD = thing
        monkeypatch.setitem(sys.modules, "theirs", module)
        point = EntryPoint(name, "theirs:BOARD", room.GROUP)
        monkeypatch.setattr(room, "plugins", lambda group: {name: point})

    return offer


def test_an_installed_package_adds_a_board(offered):
    offered(made(name="other"))
    assert boards()["other"].says == "Some board" and "ecpix5" in boards()


def test_what_is_no_board_or_bears_another_name_or_one_that_is_taken_is_refused(offered):
    for thing in (3, made(name="another")):
        offered(thing)
        with pytest.raises(RangeError, match="'other' is theirs:BOARD; allowed: a Board of that"):
            boards()
    offered(made(name="ecpix5"), "ecpix5")
    with pytest.raises(RangeError, match="'ecpix5' is defined twice, again in theirs:BOARD"):
        boards()


def test_entry_points_are_looked_up_in_the_group_that_the_page_names(monkeypatch):
    asked = []
    monkeypatch.setattr(room, "plugins", lambda group: asked.append(group) or {})
    boards()
    assert asked == ["shotveil.boards"]


def test_a_link_adds_itself_to_the_design():
    """The boards' links are in the module that they are given, under a name."""
    for board in boards().values():
        m = Module()
        link = board.link("uart").connect(m, Anything(), board.spec("server"))
        inside = [part for part, _ in m._named_submodules.values()]
        assert link in inside and len(inside) == 3  # with both pins' buffers


def test_a_serial_port_counts_in_the_clock_of_its_node():
    for clock_hz in (125_000_000, 62_500_000):
        uart = serial_port(Module(), Anything(), NodeSpec(clock_hz=clock_hz))
        assert uart._rates == (clock_hz, 3e6)


class Anything:
    """Stands for a platform: whatever is asked for has both pins."""

    def request(self, *_, **__):
        return SimpleNamespace(rx=io.SimulationPort("i", 1), tx=io.SimulationPort("o", 1))
