"""The mutations fit the sources, and a planted one is found by tests that are not fooled."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.proofs import mutations
from shotveil.sim.proofs.mutations import (
    MUTATIONS,
    ROOT,
    Mutation,
    named,
    outcomes,
    planted,
    tried,
)


def test_each_mutation_fits_its_file_once_and_changes_it():
    assert len(MUTATIONS) >= 40
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation
        assert mutation.old != mutation.new
        assert (ROOT / mutation.tests).exists(), mutation.tests
        compile(text.replace(mutation.old, mutation.new), mutation.file, "exec")


def test_a_mutation_that_does_not_fit_is_refused(tmp_path):
    stray = Mutation("gateware/drive/dac.py", "no such text", "")
    with pytest.raises(RangeError, match="0 times; allowed: once"):
        planted(stray, tmp_path)


def test_a_mutation_is_found_by_the_tests_of_its_file():
    """Of a small file, in the copy alone."""
    (one, _) = (m for m in MUTATIONS if "counter" in m.file)
    assert tried(one, one.tests).found
    assert not tried(None, one.tests).found


def test_tests_that_fail_anyway_prove_nothing(monkeypatch):
    outcome = mutations.MutationOutcome(None, True, "broken before")
    monkeypatch.setattr(mutations, "tried", lambda *given: outcome)
    with pytest.raises(RangeError, match="fails without a mutation"):
        next(outcomes(named("counter")))
    with pytest.raises(RangeError, match="'nothing' has no mutations"):
        named("nothing")


def test_where_the_tests_of_a_file_find_nothing_those_of_its_room_may(monkeypatch):
    (one, other) = (m for m in MUTATIONS if "counter" in m.file)
    seen = []

    def tried(mutation, tests, root):
        seen.append((mutation, tests))
        return mutations.MutationOutcome(mutation, bool(mutation) and tests == one.room, "")

    monkeypatch.setattr(mutations, "tried", tried)
    assert [found.found for found in outcomes([one, other])] == [False, False]
    assert seen == [(None, one.tests), (one, one.tests), (other, one.tests)]
    seen.clear()
    assert [found.found for found in outcomes([one, other], rooms=True)] == [True, True]
    assert seen[:4] == [(None, one.tests), (one, one.tests), (None, one.room), (one, one.room)]
    assert one.room == Path("tests/gateware/primitives") and len(seen) == 6


def test_tests_that_cannot_begin_or_do_not_end_find_a_mutation(monkeypatch):
    one = next(m for m in MUTATIONS if "counter" in m.file)
    codes = []

    def run(*arguments, **how):
        if codes[-1] is None:
            raise subprocess.TimeoutExpired("pytest", how["timeout"])
        return SimpleNamespace(returncode=codes[-1], stdout="", stderr="")

    monkeypatch.setattr(mutations.subprocess, "run", run)
    for code, found in ((0, False), (1, True), (2, True), (None, True)):
        codes.append(code)
        assert tried(one, one.tests).found is found
    # Tests that cannot be run without a mutation, or of which there are none, say nothing.
    for code, mutation in ((2, None), (5, one)):
        codes.append(code)
        with pytest.raises(RuntimeError, match="could not be run"):
            tried(mutation, one.tests)


def test_a_line_is_changed_where_it_stands():
    change = Mutation("some.py", "x = 1\n", "x = 2\n", line=3)
    assert change.applied("x = 1\n\nx = 1\n") == "x = 1\n\nx = 2\n"
    assert str(change) == "some.py:3: x = 1 → x = 2"
    for text in ("x = 1\n", "x = 1\n\nx = 2\n"):
        with pytest.raises(RangeError, match="line 3, is not"):
            change.applied(text)
