"""Planted bugs fit their block once, and each proof has one to find."""

import importlib
from dataclasses import replace

import pytest

from shotveil.gateware.formal.proof import Bug
from shotveil.models.common.checks import RangeError
from tests.gateware.formal.proving import PROOFS

STAGE = "shotveil.gateware.primitives.stage"


def test_each_proof_has_a_bug_to_find():
    assert len(PROOFS) == 13
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


def test_a_block_is_made_smaller_in_a_copy_of_its_module():
    proof = PROOFS["replay"]
    module = importlib.import_module(proof.block)
    assert proof.component().dut.elaborate.__globals__["FLIGHTS"] == proof.smaller["FLIGHTS"]
    assert module.FLIGHTS == 64
    with pytest.raises(RangeError, match="has no DEPTH to make smaller"):
        replace(proof, smaller={"DEPTH": 1}).component()
