"""A node, the drive and digitiser of one party on one board, as integer models.

Each model has the name of its component in `gateware.node` and agrees with it in every bit.
"""
