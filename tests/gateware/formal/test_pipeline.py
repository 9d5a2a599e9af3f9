"""A pipeline loses no sample, whoever pauses: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["pipeline"].bugs


def test_it_holds():
    proving.holds("pipeline")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("pipeline")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("pipeline", bug)
