"""Invariants inside a deep FIFO whose words are numbered; they make proofs about it inductive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Assert, Module, Signal, Value

from shotveil.gateware.primitives.memory import DeepFifo

NEAR = DeepFifo.NEAR


def inside(path: str, width: int, depth: int) -> dict[str, tuple[int, str]]:
    """Inputs of a bench that show the registers of the FIFO at `path`: name → (bits, path)."""
    place, count = (depth - 1).bit_length(), depth.bit_length()
    return {
        "inside": (count, f"{path}.inside"),
        "some": (1, f"{path}.some"),
        "claimed": (3, f"{path}.claimed"),
        "coming": (2, f"{path}.coming"),
        "writing": (1, f"{path}.writing"),
        "written": (width, f"{path}.written"),
        "produce": (place, f"{path}.produce"),
        "consume": (place, f"{path}.consume"),
        "shown": (width, f"{path}.shown"),
        "word": (width, f"{path}.word"),
        "near_level": (3, f"{path}.near.level"),
        "near_produce": (2, f"{path}.near.produce"),
        "near_consume": (2, f"{path}.near.consume"),
        **{f"far_{n}": (width, f"{path}.storage_0[{n}]") for n in range(depth)},
        **{f"near_{n}": (width, f"{path}.near.storage[{n}]") for n in range(NEAR)},
    }


def follow(m: Module, bench: Any, depth: int, taken: Signal) -> Value:
    """Assert that the words in the FIFO are the numbers from `taken` on, in order.

    `bench` has the inputs of `inside`; `depth` is a power of two, and numbers wrap with the bits of
    `taken`. Returns the number of words that the FIFO holds.
    """
    bits = len(taken)

    def stored(name: str, words: int, first: Signal, level: Signal, number: Value) -> None:
        with m.Switch(first):
            for place in range(words):
                with m.Case(place):
                    for n in range(words):
                        with m.If(n < level):
                            word = getattr(bench, f"{name}_{(place + n) % words}")
                            m.d.comb += Assert(word == (number + n)[:bits])

    # Near the reader, on their way there, far away, on their way in.
    stored("near", NEAR, bench.near_consume, bench.near_level, taken)
    number = (taken + bench.near_level)[:bits]
    with m.If(bench.coming[1]):
        m.d.comb += Assert(bench.word == number)
    number = (number + bench.coming[1])[:bits]
    with m.If(bench.coming[0]):
        m.d.comb += Assert(bench.shown == number)
    number = (number + bench.coming[0])[:bits]
    stored("far", depth, bench.consume, bench.inside, number)
    with m.If(bench.writing):
        m.d.comb += Assert(bench.written == (number + bench.inside)[:bits])
    _levels(m, bench)
    return _held(bench)


def every(m: Module, bench: Any, depth: int, holds: Callable[[Signal], Value]) -> Value:
    """Assert that every word in the FIFO `holds`. Arguments and result as of `follow`."""

    def stored(name: str, words: int, first: Signal, level: Signal) -> None:
        for place in range(words):
            word = getattr(bench, f"{name}_{place}")
            with m.If((place - first)[: len(first)] < level):
                m.d.comb += Assert(holds(word))

    stored("near", NEAR, bench.near_consume, bench.near_level)
    stored("far", depth, bench.consume, bench.inside)
    for there, word in (
        (bench.coming[1], bench.word), (bench.coming[0], bench.shown),
        (bench.writing, bench.written),
    ):  # fmt: skip
        with m.If(there):
            m.d.comb += Assert(holds(word))
    _levels(m, bench)
    return _held(bench)


def _held(bench: Any) -> Value:
    held: Value = bench.claimed + bench.inside + bench.writing
    return held


def _levels(m: Module, bench: Any) -> None:
    """Assert that places and numbers of words belong together."""
    near, far = len(bench.near_produce), len(bench.produce)
    m.d.comb += [
        Assert(bench.near_produce == (bench.near_consume + bench.near_level)[:near]),
        Assert(bench.produce == (bench.consume + bench.inside)[:far]),
        Assert(bench.claimed == bench.near_level + bench.coming[0] + bench.coming[1]),
        Assert(bench.claimed <= NEAR),
        Assert(bench.some == (bench.inside != 0)),
        # What is far is sent for at once, as long as there is a place for it.
        Assert((bench.inside <= 1) | (bench.claimed >= NEAR - 1)),
    ]
