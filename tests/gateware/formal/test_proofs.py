"""Every proof holds, what it covers can happen, and it finds each planted bug."""

import pytest

from shotveil.sim.proofs import formal

PROOFS = formal.proofs()
BUGS = [(name, bug) for name, proof in PROOFS.items() for bug in proof.bugs]


def test_each_proof_has_a_bug_to_find():
    assert PROOFS
    assert all(proof.bugs for proof in PROOFS.values())


@pytest.mark.parametrize("name", PROOFS)
def test_it_holds(name):
    outcome = formal.prove(PROOFS[name])
    assert outcome.holds, outcome.log


@pytest.mark.parametrize("name", PROOFS)
def test_it_is_not_vacuous(name):
    outcome = formal.reaches(PROOFS[name])
    assert outcome.holds, outcome.log


@pytest.mark.parametrize(("name", "bug"), BUGS, ids=[f"{n}: {b.what}" for n, b in BUGS])
def test_it_finds(name, bug):
    assert formal.finds(PROOFS[name], bug).holds
