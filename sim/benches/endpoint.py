"""Endpoint of the host link: each request is done once, over a wire that damages and repeats."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.models.host_link import cobs
from shotveil.models.host_link.packet import Op, Request, Response, Status, to_frame
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.host_link import DEPTH, LinkInSurroundings, octets, session
from shotveil.sim.cases.host_link import link_case as case_of
from shotveil.sim.engines.cocotb_bench import CocotbBench

NAMES = tuple(op.name.lower() for op in Op)

asked = point("request", *NAMES)
answer = point("status of a response", *(status.name.lower() for status in Status))
wire = point("wire", "damages and repeats", "repeats a request whose response was lost")


def component() -> LinkInSurroundings:
    """What is simulated: the link with registers and queues around it."""
    return LinkInSurroundings()


def note(data: bytes) -> None:
    """Sample the coverage of the responses in what a device sent."""
    for body, whole in cobs.frames(data):
        if whole and len(body) > 4:
            response = Response.of(body[:-4])
            answer(Status(response.status).name.lower())
            if response.op in set(Op):
                asked(Op(response.op).name.lower())


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def equals_the_model_over_a_bad_wire(dut: Any) -> None:
    """Two sessions with requests that no correct host would make, some damaged, some repeated."""
    bench = await CocotbBench(dut, component()).begin()
    case = case_of(session(24, np.random.default_rng(cocotb.RANDOM_SEED)))
    (case,) = stalled([case], 0.2, 1)
    result = await bench.play(case.run)
    got = bytes(result.outputs["o"].astype(np.uint8))
    due: Any = case.expected["o"]
    same = got == bytes(due.astype(np.uint8))
    assert same, "the bytes that came are not the model's"
    note(got)
    wire("damages and repeats")


async def exchange(bench: CocotbBench, request: Request) -> Response:
    """Send a request and return its response."""
    sink = bench.sinks["o"]
    sink.words.clear()
    bench.sources["i"].send(octets(to_frame(request.body())))
    await bench.until(lambda: 0 in sink.words[1:])
    note(bytes(sink.words))
    ((body, whole),) = [f for f in cobs.frames(bytes(sink.words)) if f[0]]
    assert whole
    return Response.of(body[:-4])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_request_that_is_repeated_is_not_carried_out_again(dut: Any) -> None:
    """The same words come back, and the queue holds them once; a full queue refuses more."""
    bench = await CocotbBench(dut, component()).begin()
    early = await exchange(bench, Request(0, Op.READ, 0, 1, ()))
    assert early.status == Status.NO_SESSION
    await exchange(bench, Request(0, Op.HELLO, 0, 1, (7,)))
    words = tuple(bench.rng.integers(0, 2**32, 200).tolist())
    first = await exchange(bench, Request(1, Op.SEND, 0, 200, words))
    again = await exchange(bench, Request(1, Op.SEND, 0, 200, words))
    assert first == again and first.status == Status.OK
    wire("repeats a request whose response was lost")
    for number in (2, 3):
        taken = await exchange(bench, Request(number, Op.SEND, 0, 200, words))
        assert taken.status == Status.OK
    full = await exchange(bench, Request(4, Op.SEND, 0, 200, words))
    assert full.status == (Status.FULL if DEPTH < 800 else Status.OK)
    back = await exchange(bench, Request(5, Op.RECEIVE, 0, 200, ()))
    assert back.words == words
    beyond = await exchange(bench, Request(6, Op.READ, 2**15, 1, ()))
    assert beyond.status == Status.REFUSED
    gap = await exchange(bench, Request(9, Op.READ, 0, 1, ()))
    assert gap.status == Status.GAP
