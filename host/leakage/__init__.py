"""What leaks: every bound on the server's weights and on the client's data under its own name.

`data_bounds`, `weight_bounds`: one file for each bound. `catalogue`: all of them by name.
`weights`: the Holevo bound on the weights, for one inference and for K. `certificate`: channel
estimates and confidence limits from finite data. `published`: the conventions of the published
figures, where they differ from ours.
All equations are derived in docs/physics.md.
"""

from shotveil.host.leakage.certificate import ChannelEstimate, certified_channel, estimated_channel
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.weights import (
    entropy,
    holevo_per_mode,
    weight_leakage,
    weight_leakage_after,
    weight_leakage_limit,
)

__all__ = [
    "ChannelEstimate",
    "certified_channel",
    "data_leakage",
    "entropy",
    "estimated_channel",
    "holevo_per_mode",
    "weight_leakage",
    "weight_leakage_after",
    "weight_leakage_limit",
]
