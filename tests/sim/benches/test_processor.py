"""A processor and its memory without a simulator: what they give, and what they refuse."""

import itertools

import numpy as np
import pytest

from shotveil.sim.benches.processor import ProcessorMemory, pauses


def test_pauses_have_their_share():
    rng = np.random.default_rng(1)
    share = np.mean(list(itertools.islice(pauses(rng, 0.3), 4000)))
    assert 0.27 < share < 0.33


def test_memory_gives_its_bytes_and_notes_what_fails():
    memory = ProcessorMemory.__new__(ProcessorMemory)
    memory.data, memory.base, memory.failed = bytearray(range(64)), 0x100, []
    memory.fails = lambda address: address == 0x110
    assert memory.word(0x108, 8) == bytes(range(8, 16))
    for address in (0x110, 0xF8, 0x140):
        with pytest.raises(OSError, match=f"no memory at {address:#x}"):
            memory.word(address, 8)
    assert memory.failed == [0x110, 0xF8, 0x140]
