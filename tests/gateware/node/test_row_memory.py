"""Memory of block RAM: the symbols of pieces, in order and at full pace, over the ends of banks."""

import numpy as np

from shotveil.gateware.node.row_memory import BlockMemory
from shotveil.sim.cases.node import KEEPING
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run

WORDS = np.random.default_rng(3).integers(0, 1 << 32, KEEPING.store)


def test_pieces_follow_each_other_without_a_gap():
    """A symbol in every clock; the first one as long behind its piece as is promised."""
    everywhere = np.random.default_rng(4).permutation(KEEPING.store)
    keep = {"place": everywhere, "symbol": WORDS[everywhere]}
    pieces = np.array([[0, 192], [60, 8], [127, 1], [128, 64], [3, 1]])
    due = np.concatenate([WORDS[first : first + count] for first, count in pieces])
    written, read = AmaranthBench(BlockMemory(KEEPING)).run(
        Run({}, {"port__keep": keep}, {}, linger=4),
        Run({}, {"port__piece": {"place": pieces[:, 0], "count": pieces[:, 1]}},
            {"port__symbol": len(due)}),
    )  # fmt: skip
    got = read.outputs["port__symbol"]
    np.testing.assert_array_equal(got["symbol"], due)
    assert not got["bad"].any() and written.clocks > 0
    begin = read.first["port__piece"] + BlockMemory.latency
    assert (read.first["port__symbol"], read.last["port__symbol"]) == (begin, begin + len(due) - 1)
