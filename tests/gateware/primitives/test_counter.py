import pytest
from amaranth.sim import Simulator

from shotveil.gateware.primitives.counter import EventCounter
from shotveil.models.common.checks import RangeError


def play(events, clears=None, width=3):
    dut = EventCounter(width)
    seen = []

    async def bench(ctx):
        for k, event in enumerate([*events, 0, 0]):
            ctx.set(dut.event, event)
            ctx.set(dut.clear, bool(clears) and k in clears)
            await ctx.tick()
            seen.append((ctx.get(dut.count), ctx.get(dut.flag)))

    simulator = Simulator(dut)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


@pytest.mark.parametrize("width, largest", [(1, 1), (2, 3), (3, 7)])
def test_counts_and_stops_at_its_end(width, largest):
    counts = [count for count, _ in play([1] * 20, width=width)]
    assert counts[1:] == [min(k, largest) for k in range(1, 22)][: len(counts) - 1]


def test_gaps_do_not_count_and_the_flag_stays():
    seen = play([0, 1, 0, 0, 1, 1, 0])
    assert [count for count, _ in seen] == [0, 0, 1, 1, 1, 2, 3, 3, 3]
    assert [flag for _, flag in seen] == [0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_clear():
    assert play([1, 1, 1, 0, 0, 0], clears={4})[-1] == (0, 0)


@pytest.mark.parametrize("width, largest", [(1, 1), (2, 3), (3, 7)])
def test_clear_at_its_end(width, largest):
    """A counter that stood at its end counts every event behind `clear`, from the first one on."""
    at = largest + 6
    seen = play([1] * 24, clears={at}, width=width)
    assert seen[at - 1] == (largest, 1) and seen[at] == (0, 0)
    behind = [count for count, _ in seen[at + 1 :]]
    assert behind == [min(k, largest) for k in range(1, len(behind) + 1)]
    assert all(flag for _, flag in seen[at + 1 :])


def test_refuses_a_width_of_zero():
    with pytest.raises(RangeError, match="width = 0"):
        EventCounter(0)
