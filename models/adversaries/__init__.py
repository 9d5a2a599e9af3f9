"""Parties that do not keep to the protocol, each a drop-in for an honest one, and what they learn.

`channels`: whoever holds the fibre: intercepts, taps, clones. `clients`: a data owner after the
weights. `servers`: a model owner after the data.
"""
