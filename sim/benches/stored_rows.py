"""What the benches of row stores share: rows are loaded, come and are dropped."""

from __future__ import annotations

from collections.abc import Callable

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.cases.node import StoreScript, packed
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case


async def loaded(
    bench: CocotbBench,
    spec: NodeSpec,
    count: int,
    given: Callable[[Case], Case] = lambda case: case,
) -> IntArray:
    """Load `count` symbols into an empty store; return them, packed.

    given: Makes a case of the model one for the bench's component.
    """
    script = StoreScript(bench.rng, spec)
    script.pulse("forget")
    script.load(0, count)
    for case in script.cases:
        await bench.check(given(case))
    bench.set(rewind=0, forget=0, flush=0, clear=0)
    return script.held


def got(bench: CocotbBench) -> IntArray:
    """The symbols that came, packed."""
    return packed(bench.sinks["o"].samples())


async def flush(bench: CocotbBench, settle: int) -> None:
    """Drop what waits, and let the memory give what it was asked for in `settle` clocks."""
    bench.set(flush=1)
    bench.sources["slots"].rest()
    await bench.tick()
    bench.set(flush=0)
    bench.sinks["o"].forget()
    await bench.tick(settle)
