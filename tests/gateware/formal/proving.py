"""What the test file of each proof calls: it holds, can be reached, and finds each planted bug."""

from shotveil.sim.proofs import formal

PROOFS = formal.proofs()


def holds(name):
    outcome = formal.prove(PROOFS[name])
    assert outcome.holds, outcome.log


def is_not_vacuous(name):
    outcome = formal.reaches(PROOFS[name])
    assert outcome.holds, outcome.log


def finds(name, bug):
    assert formal.finds(PROOFS[name], bug).holds
