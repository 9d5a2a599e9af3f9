"""A slave answers whatever comes, with the identifier of its request."""

import pytest

from shotveil.gateware.axi.slave import READ_LATENCY, AxiSlave
from shotveil.models.common.checks import RangeError
from tests.gateware.axi.driving import read, simulate, write

BASE, WINDOW = 0x4000_0000, 0x100


def target(dut, seen):
    """What is behind the slave: reads give their address, and 0x40 is bad."""

    async def run(ctx):
        bus, addresses = dut.bus, [0] * READ_LATENCY
        while True:
            ctx.set(bus.r_data, addresses[0] * 0x0101)
            ctx.set(bus.r_bad, addresses[0] == 0x40)
            _, _, strobe, address, data, lanes, asked = await ctx.tick().sample(
                bus.w_strobe, bus.w_address, bus.w_data, bus.w_lanes, bus.r_address
            )
            ctx.set(bus.w_bad, strobe and address == 0x40)
            addresses = [*addresses[1:], asked]
            if strobe:
                seen.append((address, data, lanes))

    return run


def test_bursts_become_accesses():
    dut, seen = AxiSlave(BASE, WINDOW), []

    async def bench(ctx):
        assert await write(ctx, dut.axi, BASE + 0x10, [1, 2, 3], name=0xABC) == (0xABC, 0)
        assert seen == [(0x10, 1, 15), (0x14, 2, 15), (0x18, 3, 15)]
        assert await read(ctx, dut.axi, BASE + 0x20, 3) == (
            [0x20 * 0x0101, 0x24 * 0x0101, 0x28 * 0x0101], {(9, 0)}
        )  # fmt: skip
        seen.clear()
        await write(ctx, dut.axi, BASE + 0x20, [7, 8], burst=0)
        assert seen == [(0x20, 7, 15), (0x20, 8, 15)]
        seen.clear()
        await write(ctx, dut.axi, BASE + 0x21, [7, 8, 9, 10], size=0, lanes=2)
        assert [address for address, _, _ in seen] == [0x20, 0x20, 0x20, 0x24]

    simulate(dut, bench, background=[target(dut, seen)])


@pytest.mark.parametrize("where", [BASE - 4, BASE + WINDOW, 0, 0xFFFF_FFFC, 0x8000_0000])
def test_what_is_for_nobody_is_answered_by_an_error(where):
    dut, seen = AxiSlave(BASE, WINDOW), []

    async def bench(ctx):
        assert await write(ctx, dut.axi, where, [1, 2], name=3) == (3, 2)
        assert await read(ctx, dut.axi, where, 2) == ([0, 0], {(9, 2)})
        assert await write(ctx, dut.axi, BASE, [1], name=4) == (4, 0)  # it goes on
        assert seen == [(0, 1, 15)]

    simulate(dut, bench, background=[target(dut, seen)])


def test_a_bad_word_makes_its_burst_an_error_and_no_other():
    dut, seen = AxiSlave(BASE, WINDOW), []

    async def bench(ctx):
        for words, at in (([1, 2], 0x3C), ([1, 2, 3], 0x40), ([1], 0x40)):
            assert (await write(ctx, dut.axi, BASE + at, words))[1] == 2
            assert (await write(ctx, dut.axi, BASE + 0x10, words))[1] == 0
        _, answers = await read(ctx, dut.axi, BASE + 0x3C, 3)
        assert answers == {(9, 0), (9, 2)}
        for burst in (
            read(ctx, dut.axi, BASE, 4, burst=2),
            write(ctx, dut.axi, BASE, [1], burst=2),
        ):
            answer = (await burst)[1]
            assert answer in ({(9, 2)}, 2)

    simulate(dut, bench, background=[target(dut, seen)])


def test_windows_that_are_none():
    for base, window in ((0x40, 0x100), (0, 0x60)):
        with pytest.raises(RangeError, match=r"window = .* allowed: a power of two that divides"):
            AxiSlave(base, window)
