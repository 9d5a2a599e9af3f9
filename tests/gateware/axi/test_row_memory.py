"""Symbols of rows in a processor's memory: each in its place, whole pieces, errors told."""

from dataclasses import replace

import pytest

from shotveil.gateware.axi.row_memory import AxiRowMemory
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.host_link.mailbox import ROWS_BYTES
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec
from shotveil.sim.cases.node import KEEPING
from tests.gateware.axi.driving import memory, simulate

BASE = 0x400
WORDS = [(7 << 40) + 0x0100_0001 * k for k in range(BASE // 8 + KEEPING.store // 2)]


def writes(axi, content, *, refused=(), slow=0):
    """A process that takes single words by their strobes, and answers some clocks later."""

    async def run(ctx):
        ctx.set(axi.awready, 1)
        ctx.set(axi.wready, 1)
        at, beat, answers, clock = None, None, [], 0
        while True:
            due = answers and answers[0][0] <= clock
            ctx.set(axi.bvalid, int(bool(due)))
            ctx.set(axi.bresp, 2 if due and answers[0][1] in refused else 0)
            _, _, aw, address, w, data, lanes, last = await ctx.tick().sample(
                axi.awvalid, axi.awaddr, axi.wvalid, axi.wdata, axi.wstrb, axi.wlast
            )
            if due:
                answers.pop(0)
            at = address if aw else at
            beat = (data, lanes, last) if w else beat
            if at is not None and beat is not None:
                data, lanes, last = beat
                assert last and at % 8 == 0 and lanes in (0x0F, 0xF0)
                mask = 0xFFFF_FFFF << (32 if lanes == 0xF0 else 0)
                content[at // 8] = (content[at // 8] & ~mask) | (data & mask)
                answers.append((clock + slow, at // 8))
                at = beat = None
            clock += 1

    return run


def play(keep, pieces, **how):
    """Write symbols by place, then read pieces; the symbols with their flags, and the memory."""
    dut, content, found = AxiRowMemory(KEEPING), list(WORDS), []
    port = dut.port
    refused, bad, slow = how.get("refused", ()), how.get("bad", ()), how.get("slow", 0)

    async def host(ctx):
        ctx.set(dut.base, how.get("base", BASE + 8))  # the lower bits do not matter
        await ctx.tick()
        for place, symbol in keep:
            ctx.set(port.keep.p.place, place)
            ctx.set(port.keep.p.symbol.as_value(), symbol)
            ctx.set(port.keep.valid, 1)
            await ctx.tick().until(port.keep.ready)
        ctx.set(port.keep.valid, 0)
        for place, count in pieces:
            ctx.set(port.piece.p, {"place": place, "count": count})
            ctx.set(port.piece.valid, 1)
            await ctx.tick().until(port.piece.ready)
        ctx.set(port.piece.valid, 0)

    async def take(ctx):
        ctx.set(port.symbol.ready, 1)
        while len(found) < sum(count for _, count in pieces):
            value, flag = (
                await ctx.tick()
                .sample(port.symbol.p.symbol.as_value(), port.symbol.p.bad)
                .until(port.symbol.valid)
            )
            found.append((value, flag))

    simulate(dut, host, take, background=(
        memory(dut.axi, content, bad=bad, latency=5),
        writes(dut.axi, content, refused=refused, slow=slow),
    ))  # fmt: skip
    return found, content


def test_a_symbol_is_written_in_its_half_of_a_word_and_read_after_it_is_there():
    keep = [(place, 0xA000_0000 + place) for place in (5, 0, 191, 6, 4)]
    found, content = play(keep, [(4, 3), (0, 2), (191, 1), (7, 1)], slow=30)
    kept = dict(keep)
    due = [kept.get(p, WORDS[BASE // 8 + p // 2] >> 32 * (p % 2) & 0xFFFF_FFFF)
           for p in (4, 5, 6, 0, 1, 191, 7)]  # fmt: skip
    assert found == [(value, 0) for value in due]
    changed = {k for k, word in enumerate(content) if word != WORDS[k]}
    assert changed == {BASE // 8 + place // 2 for place, _ in keep}


def test_only_the_symbols_of_a_word_that_fails_are_bad():
    found, _ = play([], [(1, 8), (3, 1)], bad={BASE // 8 + 2})
    assert [flag for _, flag in found] == [0, 0, 0, 1, 1, 0, 0, 0, 0]


def test_no_symbol_is_believed_after_a_write_that_failed():
    found, _ = play([(4, 1), (9, 2)], [(0, 3)], refused={BASE // 8 + 2}, slow=9)
    assert [flag for _, flag in found] == [1, 1, 1]


def test_without_memory_nothing_is_written_and_no_symbol_is_believed():
    found, content = play([(4, 1), (9, 2)], [(0, 3), (9, 1)], base=0x200)
    assert [flag for _, flag in found] == [1] * 4 and content == WORDS


def test_it_says_how_much_memory_it_takes():
    assert AxiRowMemory(KEEPING).bytes == 4 * 256 and KEEPING.store == 192
    assert AxiRowMemory(NodeSpec(store=LARGEST_STORE)).bytes == ROWS_BYTES


def test_refuses():
    narrow = replace(
        KEEPING,
        drive=replace(KEEPING.drive, symbol=Q(1, 13)),
        digitiser=replace(KEEPING.digitiser, reference=Q(1, 13)),
    )
    with pytest.raises(RangeError, match="width of symbol = 14"):
        AxiRowMemory(narrow)
