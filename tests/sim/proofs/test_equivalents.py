"""Mutants that are told to be equivalent: they are mutants of their file, and say why."""

import pytest

from shotveil.sim.proofs.equivalents import EQUIVALENT, reason
from shotveil.sim.proofs.mutants import mutants
from shotveil.sim.proofs.mutations import Mutation


@pytest.mark.parametrize("file", EQUIVALENT)
def test_each_is_a_mutant_of_its_file(file):
    """A line that was changed since has to be judged again."""
    made = {(mutant.old.strip(), mutant.new.strip()) for mutant in mutants(file)}
    assert set(EQUIVALENT[file]) <= made
    assert all(len(why) > 20 for why in EQUIVALENT[file].values())


def test_only_that_change_of_that_file_is_one():
    file, known = next(iter(EQUIVALENT.items()))
    (old, new), why = next(iter(known.items()))
    assert reason(Mutation(file, f"    {old}\n", f"    {new}\n", 7)) == why
    assert reason(Mutation(file, old, old, 7)) == reason(Mutation("models/x.py", old, new, 7)) == ""
