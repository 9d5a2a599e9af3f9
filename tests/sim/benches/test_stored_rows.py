"""Rows for the benches of row stores without a simulator: what is loaded, and what is dropped."""

import asyncio

import numpy as np

from shotveil.sim.benches.stored_rows import flush, got, loaded
from shotveil.sim.cases.node import KEEPING, pairs_of


class Stream:
    """Stands for a stream of the bench: words that came, and whether it was told to stop."""

    def __init__(self, words=()):
        self.words, self.rests = list(words), False

    def samples(self):
        return pairs_of(self.words)

    def rest(self):
        self.rests = True

    def forget(self):
        self.words = []


class Bench:
    """Stands for the bench: what it was given, in order."""

    def __init__(self, words=()):
        self.rng, self.done = np.random.default_rng(4), []
        self.sources, self.sinks = {"slots": Stream()}, {"o": Stream(words)}

    async def check(self, case):
        self.done.append(case)

    def set(self, **values):
        self.done.append(values)

    async def tick(self, clocks=1):
        self.done.append(clocks)


def test_what_is_loaded_is_what_a_store_that_was_empty_holds():
    bench, changed = Bench(), []
    held = asyncio.run(loaded(bench, KEEPING, 70, lambda case: changed.append(case) or case))
    *cases, last = bench.done
    assert cases == changed and cases[0].run.settings["forget"] == 1
    assert [case.status["loaded"] for case in cases] == [0, 0, 70]
    np.testing.assert_array_equal(
        held, [i & 0xFFFF | (q & 0xFFFF) << 16 for i, q in zip(*symbols(cases[-1]), strict=True)]
    )
    assert last == {"rewind": 0, "forget": 0, "flush": 0, "clear": 0}


def symbols(case):
    return [case.run.inputs["i"][name].tolist() for name in "iq"]


def test_a_flush_drops_what_waits_and_what_came():
    bench = Bench([1, 0xFFFF_0002])
    assert got(bench).tolist() == [1, 0xFFFF_0002]
    asyncio.run(flush(bench, 7))
    assert bench.done == [{"flush": 1}, 1, {"flush": 0}, 7]
    assert bench.sources["slots"].rests and not len(got(bench))
