"""Planted bugs fit their block once, and each proof has one to find."""

import pytest

from shotveil.gateware.formal.proof import Bug
from shotveil.models.common.checks import RangeError
from tests.gateware.formal.proving import PROOFS

STAGE = "shotveil.gateware.primitives.stage"


def test_each_proof_has_a_bug_to_find():
    assert len(PROOFS) == 11
    assert all(proof.bugs for proof in PROOFS.values())


@pytest.mark.parametrize("name", PROOFS)
def test_each_bug_changes_its_block_and_no_other(name):
    proof = PROOFS[name]
    for bug in proof.bugs:
        mutant = bug.planted(proof.block)
        assert mutant.__name__ == f"{proof.block}_mutant"
        assert proof.component(bug) is not None
    assert type(proof.component()).__module__ == f"shotveil.gateware.formal.{name}"


def test_a_text_that_does_not_occur_once_is_refused():
    for good, n in (("no such text", 0), ("self", None)):
        with pytest.raises(RangeError, match=f"occurs {n or '[0-9]+'} times"):
            Bug("", good, "").planted(STAGE)


def test_a_mutant_acts_as_its_text_says():
    mutant = Bug("", "class Stage(", "MARK = 5\n\n\nclass Stage(").planted(STAGE)
    assert mutant.MARK == 5 and mutant.Stage.__doc__
