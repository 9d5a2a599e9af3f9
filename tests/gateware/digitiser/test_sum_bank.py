"""The bank of sums against plain sums: places, lanes, swaps that come too soon, and wiping."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.digitiser.sum_bank import SumBank
from shotveil.models.common.checks import RangeError
from tests.gateware.digitiser import bit_true

WORDS, LANES = 3, 2


class Player:
    """A bank that is driven clock by clock."""

    def __init__(self, turns=4):
        self.dut = SumBank(WORDS, LANES, 20, turns)
        self.sent, self.late = [], 0

    async def clock(self, ctx, count=1, ready=True, **inputs):
        for name in ("add", "swap", "wipe"):
            ctx.set(getattr(self.dut, name), inputs.get(name, 0))
        for name in ("place", "value_0", "value_1"):
            ctx.set(getattr(self.dut, name), inputs.get(name, 0))
        for _ in range(count):
            ctx.set(self.dut.o.ready, ready)
            if ready and ctx.get(self.dut.o.valid):
                self.sent.append(ctx.get(self.dut.o.payload))
            self.late += ctx.get(self.dut.late)
            await ctx.tick()

    async def add(self, ctx, places, values):
        """Neighbours in time go to places of their own, as the user promises."""
        for place, (a, b) in zip(places, values, strict=True):
            await self.clock(ctx, add=1, place=place, value_0=a, value_1=b)
        await self.clock(ctx, 6)

    def play(self, bench):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


def summed(places, values):
    total = np.zeros((4 * WORDS, LANES), np.int64)
    np.add.at(total, places, values)
    return total.ravel().tolist()


def draw(seed, count=80):
    rng = np.random.default_rng(seed)
    places = (rng.integers(0, WORDS, count) * 4 + np.arange(count) % 4).tolist()
    return places, rng.integers(-(1 << 19), 1 << 19, (count, LANES)).tolist()


def test_sums_of_each_swap_are_sent_and_start_anew():
    player = Player()
    first, second = draw(1), draw(2)

    async def bench(ctx):
        await player.clock(ctx, 4 * WORDS, wipe=1)
        await player.add(ctx, *first)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 200)
        await player.add(ctx, *second)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 200)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 200)

    player.play(bench)
    assert player.sent == summed(*first) + summed(*second) + [0] * 4 * WORDS * LANES
    assert player.late == 0


def test_sums_go_on_while_the_last_ones_leave_and_a_swap_too_soon_is_told():
    player = Player()
    first, second, third = draw(3), draw(4), draw(5)

    async def bench(ctx):
        await player.clock(ctx, 4 * WORDS, wipe=1)
        await player.add(ctx, *first)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 60, ready=False)
        for place, (a, b) in zip(*second, strict=True):
            await player.clock(ctx, ready=False, add=1, place=place, value_0=a, value_1=b)
        await player.clock(ctx, 6, ready=False)
        await player.clock(ctx, ready=False, swap=1)
        await player.clock(ctx, 6, ready=False)
        await player.add(ctx, *third)
        await player.clock(ctx, 200)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 200)

    player.play(bench)
    both = summed(second[0] + third[0], second[1] + third[1])
    assert player.sent == summed(*first) + both
    assert player.late == 1


def test_a_place_of_two_may_return_after_two_three_or_four_clocks():
    """Sums that are on their way to the memory are taken from the pipeline, the latest first."""
    player = Player(turns=2)
    rng = np.random.default_rng(11)
    gaps, words = rng.integers(0, 3, 120), rng.integers(0, 2, 120)
    values = rng.integers(-(1 << 19), 1 << 19, (240, LANES)).tolist()
    places = [int(2 * word + turn) for word in words for turn in range(2)]

    async def bench(ctx):
        await player.clock(ctx, 2 * WORDS, wipe=1)
        for at, (place, (a, b)) in enumerate(zip(places, values, strict=True)):
            await player.clock(ctx, add=1, place=place, value_0=a, value_1=b)
            if at % 2:  # the next word's turns come some clocks later
                await player.clock(ctx, int(gaps[at // 2]))
        await player.clock(ctx, 6)
        await player.clock(ctx, swap=1)
        await player.clock(ctx, 200)

    player.play(bench)
    total = np.zeros((2 * WORDS, LANES), np.int64)
    np.add.at(total, places, values)
    assert player.sent == total.ravel().tolist()


def test_wiping_clears_both_banks():
    player = Player()

    async def bench(ctx):
        for seed in (6, 7):
            await player.add(ctx, *draw(seed))
            await player.clock(ctx, swap=1)
            await player.clock(ctx, 200)
        await player.add(ctx, *draw(8))
        player.sent.clear()
        await player.clock(ctx, 4 * WORDS, wipe=1)
        for _ in range(2):
            await player.clock(ctx, swap=1)
            await player.clock(ctx, 200)

    player.play(bench)
    assert player.sent == [0] * 4 * WORDS * LANES * 2


def test_sizes_have_ends():
    SumBank(4096, 8, 4)
    for words, lanes in ((0, 1), (4097, 1), (1, 0), (1, 9)):
        with pytest.raises(RangeError, match=r"words = |lanes = "):
            SumBank(words, lanes, 4)


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("accumulators", SumBank, monkeypatch)
