"""Memory of which no word is read in the clock in which it is written."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.fifo import SyncFIFOBuffered

# Attributes of such a memory, or of one of which such a word is not used: without them yosys adds
# logic behind the block RAM, the slowest part there is, to make the read well defined.
NO_COLLISIONS = {"no_rw_check": 1}


class Fifo(SyncFIFOBuffered):
    """A FIFO in such a memory: nothing is written while it is full, nor read while it is empty."""

    def elaborate(self, platform: object) -> Module:
        m: Module = super().elaborate(platform)
        m.submodules.storage.attrs.update(NO_COLLISIONS)
        return m
