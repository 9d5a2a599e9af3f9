"""What belongs to which frame: to the bit, and in the clocks that are promised."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.node.replay import Replay
from shotveil.models.node import replay
from shotveil.sim.cases.node import SMALL, Clocked, replay_cases
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import Run
from tests.gateware.node import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("replay")


def test_as_verilog():
    bit_true.as_verilog("replay")


def test_as_shared_library():
    bit_true.as_shared_library("replay")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("replay", monkeypatch)


def test_pace():
    """A row's symbols follow each other faster than the receiver asks for them."""
    delay = replay.latency(SMALL.digitiser)
    settings = {"lead_in": 0, "row": 48, "period": 700, "loop_delay": 0}
    result = bit_true.play("replay", 900, {"q": 48}, settings, begin=[3], sent=[100],
                  taken=100 + 4 * np.arange(48), received=[100 + delay])  # fmt: skip
    assert result.first["q"] - result.first["o"] - (100 + delay) <= 8
    assert result.last["q"] - result.first["q"] <= 3 * 47


@pytest.mark.parametrize("comes", [True, False])
def test_a_frame_is_away_until_its_row_is_summed(comes):
    """Or until it is late by half a frame; without a gap, however long it flies."""
    period, sent, flight = 700, 100, 3000
    delay = flight + replay.latency(SMALL.digitiser)
    judged = sent + delay + (0 if comes else period // 2)
    last = judged + period + replay.SUMMED
    settings = {"lead_in": 0, "row": 48, "period": period, "loop_delay": flight}
    result = bit_true.play("replay", last + 40, {"q": 48 * comes}, settings, begin=[3], sent=[sent],
                  taken=sent + 4 * np.arange(48), received=[sent + delay] * comes)  # fmt: skip
    (away,) = np.nonzero(result.outputs["o"]["away"])
    np.testing.assert_array_equal(away, np.arange(away[0], away[-1] + 1))
    assert sent < away[0] <= sent + 4 and last < away[-1] <= last + 8


def test_where_symbols_last_two_samples_they_follow_each_other_every_two_clocks():
    brisk = replace(
        SMALL,
        drive=replace(SMALL.drive, samples_per_symbol=2),
        digitiser=replace(SMALL.digitiser, samples_per_symbol=2),
    )
    ports = ("lead_in", "row", "period", "loop_delay")
    component = Clocked(Replay(brisk), ports, ("matched", "missed"))
    given = replay_cases(0, np.random.default_rng(3), brisk)[:2]
    check(AmaranthBench(component), given)
    delay = replay.latency(brisk.digitiser)
    i = {name: np.zeros(900, np.int64) for name in given[0].run.inputs["i"]}
    i["begin"][3] = i["sent"][100] = i["received"][100 + delay] = 1
    i["taken"][100 + 2 * np.arange(48)] = 1
    settings = {"lead_in": 0, "row": 48, "period": 700, "loop_delay": 0}
    run = Run(settings, {"i": i}, {"o": 900, "q": 48}, linger=0)
    component = Clocked(Replay(brisk), ports, ("matched", "missed"))
    (result,) = AmaranthBench(component).run(run)
    assert result.last["q"] - result.first["q"] <= 2 * 47


def test_frames_are_matched_while_times_wrap():
    """The node's times wrap after 2 s; these wrap after 4,096 clocks, while frames are on their way
    and others have been lost."""
    late = replay_cases(0, np.random.default_rng(3))[1]
    assert late.run.due["o"] > 2 * 4096 and late.status["missed"] > 0
    ports = ("lead_in", "row", "period", "loop_delay")
    component = Clocked(Replay(SMALL, time_bits=12), ports, ("matched", "missed"))
    check(AmaranthBench(component), [late])


@pytest.mark.parametrize("edge", [-1, 1])
def test_receiver_and_replay_agree_at_the_edges_of_the_window(edge):
    """A row comes out for each frame for which `skip` was low when the receiver looked at it."""
    row, period, sent = 4, 64, 20
    due = sent + replay.latency(SMALL.digitiser) + edge * period // 2
    seen = [_taken_at(due + shift, row, period, sent) for shift in range(-5, 8)]
    assert all(symbols == (0 if skipped else row) for skipped, symbols in seen)
    assert {skipped for skipped, _ in seen} == {0, 1}


def _taken_at(received, row, period, sent):
    """What `skip` was a clock before a frame is received, and the symbols that come out."""
    dut = Replay(SMALL)
    seen = {"skip": 1, "symbols": 0}

    async def bench(ctx):
        for port, value in ((dut.row, row), (dut.period, period), (dut.q.ready, 1)):
            ctx.set(port, value)
        for clock in range(received + 60):
            ctx.set(dut.begin, clock == 3)
            ctx.set(dut.sent, clock == sent)
            ctx.set(dut.taken, sent < clock <= sent + row)
            ctx.set(dut.received, clock == received)
            if clock == received - 1:
                seen["skip"] = ctx.get(dut.skip)
            seen["symbols"] += ctx.get(dut.q.valid)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return seen["skip"], seen["symbols"]


def test_there_is_room_as_long_as_another_row_fits():
    depth, row = SMALL.replay, 48
    dut = Replay(SMALL)
    room = []

    async def bench(ctx):
        ctx.set(dut.row, row)
        ctx.set(dut.period, 700)
        for stored in range(depth):
            ctx.set(dut.taken, 1)
            await ctx.tick()
            ctx.set(dut.taken, 0)
            await ctx.tick().repeat(4)
            room.append((stored + 1, ctx.get(dut.room)))

    simulator = Simulator(dut)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert room == [(stored, int(stored + row <= depth)) for stored, _ in room]
