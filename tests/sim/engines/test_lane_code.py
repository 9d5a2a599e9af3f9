"""Each operation in lanes, on random words and their corners, against Python's integers."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.sim.engines import lane_code
from shotveil.sim.engines.lane_code import bits, kind
from shotveil.sim.engines.lanes import LaneLibrary

WIDTHS = (1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64)


def number(word, width):
    """A word as a signed number."""
    return word - (1 << width) if word >> (width - 1) else word


# Name → what it is in Amaranth, of a, b and the amount n, and in Python for words of w bits.
OPERATIONS = {
    "add": (lambda a, b, n: a + b, lambda a, b, n, w: a + b),
    "sub": (lambda a, b, n: a - b, lambda a, b, n, w: a - b),
    "neg": (lambda a, b, n: -a, lambda a, b, n, w: -a),
    "mul": (lambda a, b, n: a * b, lambda a, b, n, w: a * b),
    "and": (lambda a, b, n: a & b, lambda a, b, n, w: a & b),
    "or": (lambda a, b, n: a | b, lambda a, b, n, w: a | b),
    "xor": (lambda a, b, n: a ^ b, lambda a, b, n, w: a ^ b),
    "not": (lambda a, b, n: ~a, lambda a, b, n, w: ~a),
    "mux": (lambda a, b, n: Mux(a[0], a, b), lambda a, b, n, w: a if a & 1 else b),
    "shl": (lambda a, b, n: (a << n)[: len(a)], lambda a, b, n, w: a << n),
    "shr": (lambda a, b, n: a >> n, lambda a, b, n, w: a >> n),
    "sar": (lambda a, b, n: a.as_signed() >> n, lambda a, b, n, w: number(a, w) >> n),
    "sext": (lambda a, b, n: a.as_signed() >> 1, lambda a, b, n, w: number(a, w) >> 1),
    "eq": (lambda a, b, n: a == b, lambda a, b, n, w: a == b),
    "ult": (lambda a, b, n: a < b, lambda a, b, n, w: a < b),
    "ule": (lambda a, b, n: a <= b, lambda a, b, n, w: a <= b),
    "slt": (
        lambda a, b, n: a.as_signed() < b.as_signed(),
        lambda a, b, n, w: number(a, w) < number(b, w),
    ),
    "sle": (
        lambda a, b, n: a.as_signed() <= b.as_signed(),
        lambda a, b, n, w: number(a, w) <= number(b, w),
    ),
    # Raw words: what is above a sum must not count.
    "eq_raw": (
        lambda a, b, n: (a + b)[: len(a)] == b,
        lambda a, b, n, w: (a + b) % (1 << w) == b,
    ),
    "any": (lambda a, b, n: a.any(), lambda a, b, n, w: a != 0),
    "all": (lambda a, b, n: a.all(), lambda a, b, n, w: a == (1 << w) - 1),
    "cat": (
        lambda a, b, n: Cat(b[-1], a[:-1]),
        lambda a, b, n, w: b >> (w - 1) | a % (1 << (w - 1)) << 1,
    ),
    "match": (
        lambda a, b, n: a.matches("-" * (len(a) - 1) + "1", "0" * len(a)),
        lambda a, b, n, w: a & 1 or a == 0,
    ),
}  # fmt: skip
ONE_BIT = {"eq", "ult", "ule", "slt", "sle", "eq_raw", "any", "all", "match"}


class Operations(wiring.Component):
    """All operations on words of one width."""

    def __init__(self, width):
        self._width = width
        outputs = {name: Out(1 if name in ONE_BIT else width) for name in OPERATIONS}
        super().__init__({"a": In(width), "b": In(width), "n": In(7), **outputs})

    def elaborate(self, platform):
        m = Module()
        for name, (make, _) in OPERATIONS.items():
            made = Value.cast(make(self.a, self.b, self.n))
            m.d.comb += getattr(self, name).eq(made)
        return m


@pytest.mark.parametrize("width", WIDTHS)
def test_operations(width):
    play_operations(width)


@pytest.mark.parametrize("width", [1, 33])
def test_a_clock_in_many_functions(monkeypatch, width):
    """Words that one function makes reach those behind it."""
    monkeypatch.setattr(lane_code, "PIECE", 3)
    play_operations(width)


def play_operations(width):
    rng = np.random.default_rng(width)
    count = 600
    corners = [0, 1, (1 << width) - 1, 1 << (width - 1), (1 << (width - 1)) - 1]
    a, b = (
        [int(word) & ((1 << width) - 1) for word in rng.integers(0, 1 << 63, count)]
        for _ in range(2)
    )
    for k, (x, y) in enumerate((x, y) for x in corners for y in corners):
        a[k], b[k] = x & ((1 << width) - 1), y & ((1 << width) - 1)
    b[100:120] = a[100:120]
    n = rng.integers(0, 128, count)
    n[::2] = rng.integers(0, width + 1, len(n[::2]))
    instance = LaneLibrary(Operations(width), f"operations_{width}").instance()
    inputs = {"a": np.array(a, np.uint64), "b": np.array(b, np.uint64), "n": n.astype(np.uint64)}
    given = instance.step_words(count, inputs, list(OPERATIONS))
    for name, (_, meant) in OPERATIONS.items():
        mask = 1 if name in ONE_BIT else (1 << width) - 1
        expected = [int(meant(x, y, int(k), width)) & mask for x, y, k in zip(a, b, n, strict=True)]
        assert given[name].tolist() == expected, name


class Ring(wiring.Component):
    """Three words that go round, and one that has their sum: all read what others overwrite."""

    def __init__(self):
        super().__init__({"a": Out(8, init=1), "b": Out(8, init=2), "c": Out(8), "sum": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += Cat(self.a, self.b, self.c).eq(Cat(self.b, self.c, self.a))
        m.d.sync += self.sum.eq(self.sum + self.a + (self.b << 1))
        return m


def test_registers_read_the_present_words_of_each_other():
    given = LaneLibrary(Ring(), "ring").instance().step_words(5, {}, ["a", "b", "c", "sum"])
    assert given["a"].tolist() == [1, 2, 0, 1, 2]
    assert given["b"].tolist() == [2, 0, 1, 2, 0]
    assert given["c"].tolist() == [0, 1, 2, 0, 1]
    assert given["sum"].tolist() == [0, 5, 7, 9, 14]


def test_types_of_words():
    assert [kind(width) for width in (1, 2, 16, 17, 32, 33, 64)] == [
        "M", "V16", "V16", "V32", "V32", "V64", "V64",
    ]  # fmt: skip
    assert bits(5) == 16 and bits(20) == 32 and bits(40) == 64
