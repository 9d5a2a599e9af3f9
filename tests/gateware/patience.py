"""How long the tests of blocks wait for a design that gives nothing."""

from dataclasses import replace

from shotveil.sim.engines.run import default_timeout


def hurried(cases):
    """The same cases with a quarter of the clocks that a run may take.

    A design that works needs no more, which the tests in Amaranth's simulator show with these very
    cases. An empty one uses them up, in a simulator that is slow.
    """
    return [
        replace(case, run=replace(case.run, timeout=default_timeout(case.run) // 4))
        for case in cases
    ]
