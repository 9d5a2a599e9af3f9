"""Within the simulator: each run is started once, waited for, and timed."""

import asyncio
import json

import cocotb.triggers
import pytest

from shotveil.sim.engines import cocotb_block


class Line:
    def __init__(self, name, seen):
        self.__dict__.update(name=name, seen=seen)

    def __setattr__(self, _, value):
        self.seen.append((self.name, value))


class Design:
    def __init__(self):
        self.seen = []
        self.run, self.load, self.done = (Line(n, self.seen) for n in ("run", "load", "done"))


@pytest.mark.parametrize("runs", [0, 1, 3])
def test_runs_are_started_one_after_the_other(tmp_path, monkeypatch, runs):
    design = Design()

    async def passed(*what):
        design.seen.append(what)

    monkeypatch.setenv("BENCH_RUNS", str(runs))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cocotb_block, "Timer", lambda *when, unit: passed("wait", *when, unit))
    monkeypatch.setattr(cocotb_block, "RisingEdge", lambda line: passed("edge", line.name))
    asyncio.run(cocotb_block.play.func(design))
    each = [("load", 1), ("edge", "done"), ("load", 0), ("wait", 40, "ns")]
    expected = [("wait", 20, "ns")]
    for index in range(runs):
        expected += [("run", index), *each]
    assert design.seen == expected
    seconds = json.loads((tmp_path / "timing.json").read_text())
    assert len(seconds) == runs and all(0 <= s < 10 for s in seconds)
    assert cocotb.triggers.Timer is not cocotb_block.Timer
