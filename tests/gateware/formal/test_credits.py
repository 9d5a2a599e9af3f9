"""No word is told to fit that does not: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["credits"].bugs


def test_it_holds():
    proving.holds("credits")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("credits")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("credits", bug)
