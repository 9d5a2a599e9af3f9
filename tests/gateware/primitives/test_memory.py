"""The deep FIFO: every word once, in order, at one a clock, `depth` and a little more of them."""

from collections import deque

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.models.common.checks import RangeError

WIDTH = 12


def played(depth, clocks, writes, reads, seed=1):
    """Ask for writes and reads with these probabilities; words in and out, and most that waited."""
    fifo = DeepFifo(width=WIDTH, depth=depth)
    rng = np.random.default_rng(seed)
    sent, got, waiting, most = [], [], deque(), [0]
    new = 0  # words of the clock before, of which the level does not tell yet

    async def bench(ctx):
        nonlocal new
        for clock in range(clocks):
            word = int(rng.integers(1 << WIDTH))
            write, read = rng.random() < writes, rng.random() < reads
            ctx.set(fifo.w_data, word)
            ctx.set(fifo.w_en, write)
            ctx.set(fifo.r_en, read)
            assert ctx.get(fifo.r_level) == ctx.get(fifo.w_level) == len(waiting) - new
            most[0] = max(most[0], len(waiting))
            taken = read and ctx.get(fifo.r_rdy)
            if taken:
                assert ctx.get(fifo.r_data) == waiting[0]
                got.append((clock, waiting[0]))
            new = int(write and ctx.get(fifo.w_rdy))
            if new:
                waiting.append(word)
                sent.append((clock, word))
            if taken:
                waiting.popleft()
            await ctx.tick()

    simulator = Simulator(fifo)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return sent, got, most[0]


@pytest.mark.parametrize("depth", [4, 5, 16])
@pytest.mark.parametrize(("writes", "reads"), [(0.5, 0.5), (0.9, 0.3), (0.3, 0.9), (1.0, 0.7)])
def test_words_leave_in_their_order(depth, writes, reads):
    sent, got, most = played(depth, 2000, writes, reads)
    assert len(got) > 500 and [w for _, w in got] == [w for _, w in sent[: len(got)]]
    assert most <= depth + DeepFifo.NEAR


def test_one_word_a_clock_five_clocks_late():
    sent, got, _ = played(8, 100, 1.0, 1.0)
    assert [clock for clock, _ in got] == list(range(5, 100))
    assert len(sent) == 100


def test_room():
    sent, got, most = played(8, 100, 1.0, 0.0)
    assert len(sent) == most == 8 + DeepFifo.NEAR and not got
    with pytest.raises(RangeError, match="depth = 3"):
        DeepFifo(width=8, depth=3)
