"""Comparison of RTL with its model: runs, each with the exact bits that must come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from shotveil.sim.engines.run import Result, Run, Samples


class AnyBench(Protocol):
    """A bench of any kind."""

    def run(self, *runs: Run) -> list[Result]:
        """Play runs one after the other."""


@dataclass(frozen=True)
class Case:
    """A run with the samples that each output stream, and the values that output ports, must give.

    The values of ports are those at the end of the run. With `framed`, the stream `o` may hold idle
    samples before, between and behind the frames; the samples that are due are then frames that
    start where `first` is high and are `framed` samples long. `idle` is the value of each field in
    an idle sample, 0 unless named.
    """

    run: Run
    expected: Mapping[str, Samples] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)
    framed: int = 0
    idle: Mapping[str, int] = field(default_factory=dict)


def check(bench: AnyBench, cases: Sequence[Case]) -> list[Result]:
    """Play cases and compare. Raises `AssertionError` where design and model differ."""
    results = bench.run(*(case.run for case in cases))
    for number, (case, result) in enumerate(zip(cases, results, strict=True)):
        compare(case, result, number)
    return results


def compare(case: Case, result: Result, number: int = 0) -> None:
    """Compare one result with its case. Raises `AssertionError` where they differ."""
    for name, expected in case.expected.items():
        got = result.outputs[name]
        if case.framed:
            got = _frames(got, case)
        if isinstance(expected, Mapping):
            for part, values in expected.items():
                _same(f"run {number}, stream {name}, {part}", got[part], values)
        else:
            _same(f"run {number}, stream {name}", got, expected)
    for name, value in case.status.items():
        found = result.status[name]
        assert found == value, f"run {number}: {name} is {found}, the model says {value}"


def _frames(samples: Mapping[str, np.ndarray], case: Case) -> dict[str, np.ndarray]:
    """Only the samples of frames; all others must be idle."""
    (starts,) = np.nonzero(samples["first"])
    due = max(np.size(values) for values in dict(case.expected["o"]).values())
    assert len(starts) * case.framed == due, (
        f"{len(starts)} frames came, {due / case.framed} are due"
    )
    assert np.all(np.diff(starts) >= case.framed), "a frame starts inside another"
    where = (starts[:, None] + np.arange(case.framed)).ravel()
    assert not len(where) or where[-1] < len(samples["first"]), "the last frame is cut"
    between = np.ones(len(samples["first"]), dtype=bool)
    between[where] = False
    for name, values in samples.items():
        _same(
            f"{name} between frames",
            values[between],
            np.full(between.sum(), case.idle.get(name, 0)),
        )
    return {name: values[where] for name, values in samples.items()}


def _same(what: str, got: np.ndarray, expected: np.ndarray) -> None:
    want = np.asarray(expected).ravel()
    assert len(got) == len(want), f"{what}: {len(got)} samples came, {len(want)} are due"
    (where,) = np.nonzero(got != want)
    if len(where):
        k = where[0]
        raise AssertionError(
            f"{what}: {len(where)} of {len(want)} samples differ, the first is number {k}: "
            f"{got[k]}, the model says {want[k]}"
        )
