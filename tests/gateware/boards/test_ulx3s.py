"""Pins of ULX3S against what its maker publishes, and what stands between them and the node."""

import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from shotveil.gateware.boards import ecp5, ulx3s
from shotveil.gateware.node.chain import NodeCore
from shotveil.models.node.spec import NodeSpec

# Balls of GP0 … GP27 and of GN0 … GN27 in ulx3s_v20.lpf; the first 14 of each are on header J1.
GP = [
    "B11", "A10", "A9", "B9", "A7", "C8", "C6",
    "A6", "A4", "A2", "C4", "F4", "G3", "H4",
    "U18", "N17", "N16", "L16", "H18", "F17", "D18",
    "C18", "B15", "B17", "C16", "D14", "B13", "D13",
]  # fmt: skip
GN = [
    "C11", "A11", "B10", "C10", "A8", "B8", "C7",
    "B6", "A5", "B1", "B4", "E3", "F3", "G5",
    "U17", "P16", "M17", "L17", "H17", "G18", "E17",
    "D17", "C15", "C17", "D16", "E14", "C13", "E13",
]  # fmt: skip
PUBLISHED = {
    ("dac_word", 0): GP[:12], ("dac_word", 1): GN[:12],
    ("dac_clock", 0): GP[12:13], ("frame", 0): GN[12:13], ("emitting", 0): GP[13:14],
    ("adc_word", 0): GP[14:26], ("adc_word", 1): GN[14:26],
    ("adc_clock", 0): GP[26:27], ("trigger", 0): GN[26:27], ("shifter", 0): GP[27:28],
    ("radio_enable", 0): ["F1"],
}  # fmt: skip


def test_pins_are_the_makers_and_none_is_used_twice():
    (connector,) = ulx3s.Ulx3s.connectors
    balls = {f"gpio_0:{pin}": ball for pin, ball in connector.mapping.items()}
    ours = {
        (r.name, r.number): [balls.get(name, name) for part in r.ios for name in part.names]
        for r in ulx3s.Ulx3s.resources
        if r not in ULX3S_85F_Platform.resources
    }
    assert ours == PUBLISHED
    used = [ball for found in ours.values() for ball in found]
    assert len(set(used)) == len(used) == 2 * 12 + 3 + 2 * 12 + 3 + 1


def test_what_the_board_offers():
    board = ulx3s.ULX3S
    assert [link.name for link in board.links] == ["uart"]
    assert board.clocks_hz() == (62_500_000,)
    assert board.tools.sign_off == board.tools.part
    assert board.tools.part == ("--85k", "--speed", "6", "--package", "CABGA381")
    assert (board.limits.lut, board.limits.bram, board.limits.dsp) == (83_640, 208, 156)
    assert board.loopback and board.roles == ("server", "client")
    for role in board.roles:
        spec = board.spec(role)
        assert spec == NodeSpec.chosen(role, clock_hz=62_500_000, dac_bits=12, adc_bits=12)
    assert ecp5.dividers(ulx3s.OSCILLATOR_HZ, board.clock_hz)


class Node(wiring.Component):
    """Stands for the node, with the same ports: it sends what it hears, and counts for the rest."""

    made: "Node"

    def __init__(self, spec):
        super().__init__(dict(NodeCore(spec).signature.members))
        self.count = Signal(12)
        Node.made = self

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(self.count + 1)
        m.d.comb += [
            self.codes.p.i.eq(self.count),
            self.codes.p.q.eq(~self.count),
            self.frame.eq(self.count[0]),
            self.emitting.eq(1),
        ]
        if hasattr(self, "shifter"):
            m.d.comb += self.shifter.eq(1 << 13)
        return m


class Halves(wiring.Component):
    """Stands for a cell of the vendor's that sends two bits a clock."""

    def __init__(self, direction, port):
        assert direction == "o"
        self.port = port
        super().__init__({"o": In(1).array(2)})

    def elaborate(self, platform):
        return Module()


class Nothing(Elaboratable):
    """Stands for the clocks, and remembers what they were made from."""

    asked: tuple

    def __init__(self, *asked):
        Nothing.asked = asked

    def elaborate(self, platform):
        return Module()


class Pins:
    """Stands for the platform: pins that can be simulated, by name and number."""

    def __init__(self):
        self.given = {}

    def request(self, name, number, dir):
        way = "i" if name in ("adc_word", "trigger") else "o"
        width = 12 if name.endswith("_word") else 1
        return self.given.setdefault(
            (name, number), io.SimulationPort(way, width, name=f"{name}_{number}")
        )


class Wire(wiring.Component):
    """Stands for a host link."""

    def __init__(self, spec):
        super().__init__(dict(NodeCore(spec).signature.members["link"].signature.members))

    def elaborate(self, platform):
        return Module()


@pytest.fixture
def top(monkeypatch):
    """Makes the top of a role; its parts that belong to the device are replaced."""
    cells = {}

    def cell(direction, port):
        cells[port] = Halves(direction, port)
        return cells[port]

    monkeypatch.setattr(ulx3s, "NodeCore", Node)
    monkeypatch.setattr(ulx3s, "Ecp5Clocks", Nothing)
    monkeypatch.setattr(ecp5.io, "DDRBuffer", cell)

    def make(role, **more):
        class Link:
            @staticmethod
            def connect(m, platform, spec):
                m.submodules.link = wire = Wire(spec)
                return wire

        spec = ulx3s.ULX3S.spec(role, **more)
        platform = Pins()
        return ulx3s.Ulx3sTop(spec, Link).elaborate(platform), platform.given, cells

    return make


def simulated(m, bench):
    simulator = Simulator(m)
    simulator.add_clock(16e-9)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("role", ["server", "client"])
def test_codes_and_words_pass_all_pins_in_the_same_time(top, role):
    m, pins, cells = top(role)
    late = ecp5.WAY + 1
    node = Node.made
    seen = []

    async def bench(ctx):
        for clock in range(30):
            ctx.set(pins["adc_word", 0].i, clock)
            if role == "server":
                ctx.set(pins["adc_word", 1].i, 100 + clock)
            ctx.set(pins["trigger", 0].i, clock % 2)
            _, _, *values = await ctx.tick().sample(
                pins["dac_word", 0].o, pins["dac_word", 1].o, pins["frame", 0].o,
                pins["emitting", 0].o, node.adc.p.x, node.trigger,
                *([node.adc.p.p] if role == "server" else []),
            )  # fmt: skip
            seen.append(values)
        levels = {p: [ctx.get(h) for h in c.o] for p, c in cells.items()}
        assert levels[pins["dac_clock", 0]] == [0, 1] and levels[pins["adc_clock", 0]] == [1, 0]

    simulated(m, bench)
    for clock in range(late, 30):
        sent = clock - late
        i, q, frame, emitting, x, trigger, *p = seen[clock]
        assert (i, q, frame, emitting) == (sent, sent ^ 0xFFF, sent % 2, 1)
        assert (x, trigger) == (sent, sent % 2) and p == [100 + sent] * (role == "server")
    assert Nothing.asked == ("clk25", 25_000_000, 62_500_000, ("button_fire", 0))


def test_a_clients_shifter_is_a_pin_that_is_high_for_its_share_of_the_time(top):
    m, pins, _ = top("client")
    high = []

    async def bench(ctx):
        for _ in range(200):
            *_, value = await ctx.tick().sample(pins["shifter", 0].o)
            high.append(value)

    simulated(m, bench)
    assert sum(high[-128:]) == 64  # a code of half of full scale
    assert ("adc_word", 1) not in pins


def test_a_node_that_is_looped_back_uses_no_converter_and_the_radio_is_off(top):
    _, pins, cells = top("server", loopback=True)
    assert set(pins) == {("radio_enable", 0), ("led", 0)} and not cells
