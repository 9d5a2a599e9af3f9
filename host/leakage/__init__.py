"""Leakage: every bound on the server's weights and on the client's data, each under its own name.

`data_bounds` and `weight_bounds` hold one file for each bound, and `catalogue` lists them by name.
`weights` computes the Holevo bound on the weights, for one inference and for K. `certificate` gets
channel estimates and confidence limits from finite data. `published` holds the conventions of the
published figures, where they differ from ours. All equations are derived in docs/physics.md.
"""
