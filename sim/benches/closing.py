"""The last test of every bench: its named bins were met. It also writes them to a file."""

from __future__ import annotations

import json
from pathlib import Path

import cocotb
from cocotb.triggers import Timer

from shotveil.sim.benches import coverage

FILE = "coverage.json"


@cocotb.test(stage=1)
async def named_bins_are_met(dut: object) -> None:
    """At least 95% of them, by all tests of this bench together."""
    await Timer(1, unit="ns")
    hits = coverage.collected()
    Path(FILE).write_text(json.dumps(hits))
    met = coverage.share(hits)
    assert met >= coverage.FLOOR, (
        f"only {met:.0%} of the named bins were met; not: {', '.join(coverage.missed(hits))}"
    )
