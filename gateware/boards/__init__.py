"""Boards that a node runs on, one file each: pins, clocks, converters, host link.

How to build, load and wire them, and how to add one: `docs/boards.md`.
"""
