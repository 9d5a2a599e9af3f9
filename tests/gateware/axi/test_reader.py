"""Words of memory come once and in order, errors are told, and what is flushed never comes."""

import itertools

import pytest

from shotveil.gateware.axi.port import LONGEST
from shotveil.gateware.axi.reader import Reader
from shotveil.models.common.checks import RangeError
from tests.gateware.axi.driving import memory, simulate

WORDS = [0x1000_0000_0000_0000 + 3 * k for k in range(2048)]


def play(pieces, *, outstanding=16, bad=(), latency=0, flush_after=None):
    """The words and flags that come out of some pieces, the clocks, and the bursts asked for."""
    dut = Reader(12, outstanding)
    found, clocks, bursts = [], [], []

    async def ask(ctx):
        for first, count in pieces:
            ctx.set(dut.i.p, {"word": first, "words": count})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def take(ctx):
        clock, due = 0, sum(count for _, count in pieces)
        ctx.set(dut.o.ready, 1)
        while len(found) < due:
            _, _, valid, word, flag = await ctx.tick().sample(
                dut.o.valid, dut.o.p.data, dut.o.p.bad
            )
            clock += 1
            if valid:
                found.append((word, flag))
                clocks.append(clock)
            if flush_after is not None and clock == flush_after:
                ctx.set(dut.flush, 1)
                await ctx.tick()
                await ctx.tick().until(dut.idle)
                assert await nothing(ctx)
                return
            assert clock < 10_000

    async def nothing(ctx):
        for _ in range(60):
            _, _, valid, came = await ctx.tick().sample(dut.o.valid, dut.axi.rvalid)
            if valid or came:
                return False
        return True

    async def watch(ctx):
        while True:
            _, _, valid, ready, at, length = await ctx.tick().sample(
                dut.axi.arvalid, dut.axi.arready, dut.axi.araddr, dut.axi.arlen
            )
            if valid and ready:
                bursts.append((at >> 3, length + 1))

    simulate(
        dut, ask, take,
        background=[watch, memory(dut.axi, WORDS, bad=bad, latency=latency)],
    )  # fmt: skip
    return found, clocks, bursts


def test_pieces_of_every_kind():
    pieces = [(0, 1), (15, 2), (500, 40), (511, 1), (513, 31), (1000, 200)]
    found, _, bursts = play(pieces)
    assert found == [(WORDS[a + k], 0) for a, n in pieces for k in range(n)]
    assert all(n <= LONGEST and at // LONGEST == (at + n - 1) // LONGEST for at, n in bursts)
    assert [k for at, n in bursts for k in range(at, at + n)] == [
        k for a, n in pieces for k in range(a, a + n)
    ]


def test_latency_leaves_no_gap():
    _, clocks, _ = play([(0, 600), (1024, 600)], latency=100)
    assert all(b - a == 1 for a, b in itertools.pairwise(clocks))


def test_one_burst_on_its_way_is_slower():
    _, clocks, _ = play([(0, 160)], latency=100, outstanding=1)
    assert clocks[-1] - clocks[0] > 9 * 100


def test_errors_are_told_word_by_word():
    found, _, _ = play([(10, 30)], bad={12, 39})
    assert [flag for _, flag in found] == [k in (12, 39) for k in range(10, 40)]


@pytest.mark.parametrize("clock", [1, 3, 8, 60, 130])
def test_what_is_flushed_never_comes(clock):
    found, _, bursts = play([(0, 300), (400, 300)], latency=50, flush_after=clock)
    assert found == [(word, 0) for word in WORDS[: len(found)]]
    assert len(bursts) < 30


def test_numbers_that_are_none():
    with pytest.raises(RangeError, match="outstanding = 0"):
        Reader(8, 0)
    with pytest.raises(RangeError, match="piece_bits = 30"):
        Reader(30)
