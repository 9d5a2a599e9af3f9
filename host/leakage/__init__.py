"""What leaks: every bound on the server's weights and on the client's data under its own name.

`data_bounds`, `weight_bounds`: one file for each bound. `catalogue`: all of them by name.
`weights`: the Holevo bound on the weights, for one inference and for K. `certificate`: channel
estimates and confidence limits from finite data. `published`: the conventions of the published
figures, where they differ from ours.
All equations are derived in docs/physics.md.
"""
