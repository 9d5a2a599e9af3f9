"""Server's node: the host's own code plays batches over the byte link, equal to the model."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge

from shotveil.gateware.node.chain import NodeCore
from shotveil.host.devices.node import BatchResult, Node, pack_pairs
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node import chain
from shotveil.models.node.ports import WritePort
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.host import LAYOUT, Converters, host_of, receiver, small
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = small("server")
DRIVE = DriveSettings(layout=LAYOUT, reference=0.5)

batch_kind = point("batch", "whole", "beyond the grant", "after a host that died")
seen = point("what the host reads", "sums", "inference values", "matched frames")


def component() -> NodeCore:
    """What is simulated."""
    return NodeCore(SPEC)


def rows_of(bench: CocotbBench, count: int) -> IntArray:
    """Random rows, shape (count, 2, row)."""
    rows = np.rint(bench.rng.normal(0, 8000, (count, 2, LAYOUT.row)))
    return np.clip(rows, -(1 << 15), (1 << 15) - 1).astype(np.int64)


def opened(bench: CocotbBench) -> Node:
    """A new host that has configured the node."""
    node = host_of(bench, SPEC)
    node.configure(DRIVE, receiver(SPEC), loop_delay=0)
    return node


def compare(batch: BatchResult, converters: Converters, rows: IntArray) -> None:
    """Codes, sums and inference values, against the model of the whole node."""
    setup = chain.NodeSetup.of(SPEC, DRIVE, digitiser=receiver(SPEC), loop_delay=0)
    due = chain.play(SPEC, setup, rows, chain.Loopback(SPEC, 0))
    starts = converters.frames
    assert len(starts) == len(rows) + 2, "a lead-in of two frames, then the rows"
    clocks = len(starts) * LAYOUT.length * SPEC.drive.samples_per_symbol
    sent = converters.sent()[:, starts[0] : starts[0] + clocks]
    np.testing.assert_array_equal(sent, due.codes[:, due.first : due.first + clocks])
    np.testing.assert_array_equal(batch.session, due.heard.received.sums.session)
    np.testing.assert_array_equal(batch.modes, due.heard.received.sums.modes)
    np.testing.assert_array_equal(batch.inference.T, due.heard.inference)
    assert batch.refusals == () and batch.counters["frames_matched"] == len(rows)
    for name in ("sums", "inference values", "matched frames"):
        seen(name)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def batches_equal_the_model(dut: Any) -> None:
    """One that is whole, one of more rows than were granted, and one of a host after another."""
    bench = await CocotbBench(dut, component()).begin()
    converters = Converters(bench, SPEC)

    @bridge
    def host() -> None:
        node = opened(bench)
        rows = rows_of(bench, 3)
        compare(node.play(rows), converters, rows)
        batch_kind("whole")

        converters.frames.clear()
        compare(node.play(rows, grant=1), converters, rows[:1])
        batch_kind("beyond the grant")

        words = pack_pairs(rows.swapaxes(0, 1).reshape(2, -1))
        node.device.send(WritePort.ROWS, words[:100])  # then this host is gone
        node = opened(bench)
        converters.frames.clear()
        rows = rows_of(bench, 1)
        compare(node.play(rows), converters, rows)
        batch_kind("after a host that died")

    await host()
