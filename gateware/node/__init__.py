"""A node: drive, digitiser, sequencer and host link of one party on one board.

Every component has a model of the same name in `models.node` and agrees with it in every bit.
"""
