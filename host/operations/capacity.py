"""What a fleet of many servers would do, worked out from what loads on a few of them cost.

All servers write one log, one after the other, and each adds the events of all others to its own
accounts. So two things limit the reserves of a fleet, however many servers it has: a reserve with
its commit takes its time of the log, and it takes processor time at every server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shotveil.host.operations.load import LoadResult
from shotveil.models.common.checks import RangeError, require


@dataclass(frozen=True)
class Costs:
    """What a reserve with its commit costs, in seconds.

    own: Of processor, at the server whose reserve it is.
    follow: Of processor, at each other server.
    log: Of the log, at most: where servers with many clients write as often as they can.
    """

    own: float
    follow: float
    log: float


@dataclass(frozen=True)
class Fleet:
    """What a fleet of `servers` would do, each with a core for the ledger.

    by_log, by_processor: Reserves a second in all that the log, and the servers, allow.
    reserves: The lesser of the two.
    """

    servers: int
    by_log: float
    by_processor: float

    @property
    def reserves(self) -> float:
        return min(self.by_log, self.by_processor)


def costs_of(loads: Sequence[LoadResult]) -> Costs:
    """Return what loads cost: the least squares over loads with different numbers of servers.

    Raises `RangeError` unless there are loads with two different numbers of servers, and one
    without a rate.
    """
    whole = [each for each in loads if each.processor is not None and each.reserves]
    number = np.array([each.servers for each in whole], dtype=np.float64)
    most = [each.seconds / each.reserves for each in whole if each.rate == 0]
    if len(np.unique(number)) < 2 or not most:
        raise RangeError(
            f"{len(whole)} loads without kills are given; allowed: some with different numbers of "
            "servers, and one of them with --rate 0"
        )
    processor = np.array([(each.processor or 0.0) / each.reserves for each in whole])
    design = np.stack([np.ones(len(whole)), number - 1], axis=1)
    own, follow = np.maximum(np.linalg.lstsq(design, processor)[0], 1e-9)
    return Costs(float(own), float(follow), min(most))


def fleet_of(costs: Costs, servers: int) -> Fleet:
    """Return what a fleet of `servers` ≥ 1 would do.

    A turn adds at most what the server before it wrote, since servers read while they wait.
    """
    require("servers", servers, at_least=1, integer=True)
    others = (servers - 1) / servers
    by_log = 1 / (costs.log + others * costs.follow)
    return Fleet(servers, by_log, 1 / (costs.own / servers + others * costs.follow))
