"""A row store with a simulated node's memory: what it is with block RAM, to the bit."""

from shotveil.sim.cases.node import KEEPING, RowsInBlockRam
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.shared_library import LibraryBench
from shotveil.sim.loop.row_memory import SimulatedMemory
from tests.gateware.node.bit_true import cases


def test_it_gives_and_drops_what_block_ram_does():
    bench = LibraryBench(RowsInBlockRam(KEEPING, SimulatedMemory), "rows_in_simulated_memory")
    for seed in range(8):
        check(bench, cases("row_store", 2000, seed))
