"""The cocotb side of block mode starts each run, waits for its end, and notes how long it took."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.triggers import RisingEdge, Timer


@cocotb.test(timeout_time=10, timeout_unit="sec")  # of simulated time; a run has its own limit
async def play(dut: object) -> None:
    """Play the runs whose files lie in the current folder and write timing.json."""
    seconds = []
    await Timer(20, unit="ns")
    for index in range(int(os.environ["BENCH_RUNS"])):
        dut.run.value = index  # type: ignore[attr-defined]
        dut.load.value = 1  # type: ignore[attr-defined]
        started = time.perf_counter()
        await RisingEdge(dut.done)  # type: ignore[attr-defined]
        seconds.append(time.perf_counter() - started)
        dut.load.value = 0  # type: ignore[attr-defined]
        await Timer(40, unit="ns")
    Path("timing.json").write_text(json.dumps(seconds))
