"""What a fleet would do: loads that were made of known costs give these costs back."""

from dataclasses import replace

import pytest

from shotveil.host.operations.capacity import Costs, costs_of, fleet_of
from shotveil.host.operations.load import LoadResult
from shotveil.models.common.checks import RangeError

COSTS = Costs(own=2e-3, follow=3e-4, log=4e-3)


def load(servers, rate=50.0, reserves=1000):
    seconds = reserves * COSTS.log if rate == 0 else reserves / rate
    processor = reserves * (COSTS.own + (servers - 1) * COSTS.follow)
    return LoadResult(
        servers, 50, rate, reserves, seconds, processor, 64, 64, 0.01, 0.02, 1.0, 2.0, 0, 0
    )


def test_costs_are_those_that_loads_were_made_of():
    loads = [load(1, 0.0), load(2), load(8)]
    slower = replace(load(8, 0.0), seconds=50.0)  # the log costs no more than the least
    found = costs_of([*loads, slower, replace(load(4), processor=None, kills=3)])
    assert found.own == pytest.approx(COSTS.own) and found.follow == pytest.approx(COSTS.follow)
    assert found.log == pytest.approx(COSTS.log)
    for few in ([], loads[:1], loads[1:]):
        with pytest.raises(RangeError, match="allowed: some with different numbers of servers"):
            costs_of(few)


def test_the_log_and_the_processors_limit_a_fleet():
    one = fleet_of(COSTS, 1)
    assert (one.by_log, one.by_processor) == (pytest.approx(250), pytest.approx(500))
    assert one.reserves == one.by_log
    many = fleet_of(COSTS, 100)
    assert many.by_log == pytest.approx(1 / (4e-3 + 0.99 * 3e-4))
    # At each of 100 servers: a hundredth of the reserves as its own, the others to follow.
    own, others = many.by_processor / 100, many.by_processor * 0.99
    assert own * COSTS.own + others * COSTS.follow == pytest.approx(1)
    slow = fleet_of(replace(COSTS, follow=0.02), 100)
    assert slow.reserves == slow.by_log < slow.by_processor
    with pytest.raises(RangeError, match="servers = 0"):
        fleet_of(COSTS, 0)
