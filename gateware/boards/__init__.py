"""Boards that a node runs on, one file each: pins, clocks, converters, host link.

A file describes its board by a `Board` (`board.py`); everything that is offered or built takes it
from there. How to build, load and wire the boards: `docs/boards.md`; how to add one:
`docs/extending.md`.
"""
