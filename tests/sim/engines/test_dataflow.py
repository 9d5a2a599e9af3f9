"""The graph of a design: words that stay whole, constants that are gone, and what it refuses."""

import pytest
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    Instance,
    Module,
    Mux,
    ResetSignal,
    Signal,
    signed,
)
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.sim.engines.dataflow import Graph, graph


class Design(wiring.Component):
    """What `build` makes of a module and this component's ports."""

    def __init__(self, build, **members):
        super().__init__(members)
        self._build = build

    def elaborate(self, platform):
        m = Module()
        self._build(m, self)
        return m


def of(build, **members):
    design = Design(build, **members)
    ports = {
        name: (getattr(design, name), member.flow is In)
        for name, member in design.signature.members.items()
    }
    return graph(design, ports)


def ops(found):
    return [node.op for node in found.nodes if node.op not in ("constant", "input", "state")]


def test_a_register_and_its_next_value():
    def build(m, top):
        total = Signal(8, init=5)
        m.d.sync += total.eq(total + top.a)
        m.d.comb += top.o.eq(total)

    found = of(build, a=In(8), o=Out(8))
    (register,) = found.registers
    assert (register.width, register.init) == (8, 5)
    # The sum has no ninth bit, which nothing reads, and no reset.
    following = found.nodes[register.following]
    assert (following.op, following.width) == ("add", 8)
    assert found.nodes[found.outputs["o"]].op == "state"
    assert "mux" not in ops(found)


def test_fields_of_a_register_are_apart():
    """They are put together nowhere, and a number stays whole though its sign is read alone."""
    layout = data.StructLayout({"x": signed(18), "p": signed(18), "mark": 1})

    def build(m, top):
        first, second = Signal(layout), Signal(layout)
        m.d.sync += [first.x.eq(top.a), first.p.eq(top.b), first.mark.eq(top.a[17])]
        m.d.sync += second.eq(first)
        m.d.comb += top.o.eq(Mux(second.mark, second.x + second.p, second.x[17]))

    found = of(build, a=In(signed(18)), b=In(signed(18)), o=Out(signed(19)))
    assert sorted(register.width for register in found.registers) == [1, 1, 18, 18, 18, 18]
    assert "cat" not in ops(found)


def test_no_word_is_wider_than_the_widest():
    def build(m, top):
        line = Signal(200)
        m.d.sync += line.eq(Cat(top.a, line))
        m.d.comb += top.o.eq(line[-1])

    found = of(build, a=In(1), o=Out(1))
    assert max(node.width for node in found.nodes) <= 64
    assert sum(register.width for register in found.registers) == 200


def test_memories_are_cut_into_their_fields():
    layout = data.StructLayout({"x": 12, "y": 20})

    def build(m, top):
        m.submodules.memory = memory = Memory(
            shape=layout, depth=4, init=[{"x": k, "y": 100 + k} for k in range(4)]
        )
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(top.place), write.en.eq(top.on), write.data.x.eq(top.a),
            write.data.y.eq(top.a), read.addr.eq(top.place), top.o.eq(read.data.x + read.data.y),
        ]  # fmt: skip

    found = of(build, place=In(2), on=In(1), a=In(20), o=Out(21))
    widths = {memory.width: memory for memory in found.memories}
    assert sorted(widths) == [12, 20]
    assert widths[12].init == (0, 1, 2, 3) and widths[20].init == (100, 101, 102, 103)
    assert all(len(memory.writes) == 1 and memory.depth == 4 for memory in found.memories)


def test_the_memory_that_is_cheap_to_simulate():
    def build(m, top):
        m.submodules.memory = Instance(
            "simulated_memory", p_PLACE=3, p_WIDTH=16, i_clk=ClockSignal(), i_write=top.on,
            i_write_place=top.place, i_written=top.a, i_read_place=top.place, o_read=top.o,
        )  # fmt: skip

    found = of(build, place=In(3), on=In(1), a=In(16), o=Out(16))
    (memory,) = found.memories
    assert (memory.width, memory.depth, len(memory.writes)) == (16, 8, 1)
    assert found.nodes[found.outputs["o"]].op == "read"


def test_folding():
    g = Graph()
    a, b, bit = (
        g.add("input", width, extra=name) for name, width in (("a", 8), ("b", 8), ("c", 1))
    )
    zero, ones = g.constant(0, 8), g.constant(255, 8)
    assert g.both(a, zero) == zero and g.both(a, ones) == a and g.both(a, a) == a
    assert g.either(a, zero) == a and g.either(ones, a) == ones
    assert g.both(a, b) == g.both(b, a) and g.invert(g.invert(a)) == a
    assert g.choose(g.constant(1, 1), a, b) == a and g.choose(g.constant(0, 1), a, b) == b
    assert g.choose(bit, a, a) == a and g.choose(g.invert(bit), a, b) == g.choose(bit, b, a)
    assert g.choose(bit, g.constant(1, 1), g.constant(0, 1)) == bit
    joined = g.join([a, b])
    assert g.cut(joined, 0, 8) == a and g.cut(joined, 8, 8) == b
    assert g.cut(g.cut(joined, 4, 8), 0, 4) == g.cut(a, 4, 4)
    assert g.nodes[g.join([a, zero])].op == "zext" and g.cut(g.join([a, zero]), 8, 4) == g.constant(
        0, 4
    )
    assert g.value(g.join([zero, ones])) == 0xFF00
    # Low bits of a sum come from low bits.
    assert g.nodes[g.cut(g.add("add", 8, a, b), 0, 3)].op == "add"


@pytest.mark.parametrize(
    ("how", "clock", "says"),
    [
        ({"clk_edge": "neg"}, "clk", "another edge"),
        ({"async_reset": True}, "clk", "another reset"),
        ({"reset_less": True}, "a", "another clock"),
    ],
)
def test_one_clock_and_no_other_resets(how, clock, says):
    def build(m, top):
        m.domains.other = ClockDomain(**how)
        m.d.comb += ClockSignal("other").eq(ClockSignal() if clock == "clk" else top.a)
        if "async_reset" in how:
            m.d.comb += ResetSignal("other").eq(top.a)
        m.d.other += top.o.eq(~top.o)
        m.d.sync += top.p.eq(~top.p)

    with pytest.raises(NotImplementedError, match=says):
        of(build, a=In(1), o=Out(1), p=Out(1))


def test_what_it_cannot_express_is_refused():
    def build(m, top):
        m.d.comb += top.o.eq(top.a // Const(3))

    with pytest.raises(NotImplementedError, match="operator u//"):
        of(build, a=In(8), o=Out(8))
