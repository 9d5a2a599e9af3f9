"""Nothing is asked for that is not loaded: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["row_store"].bugs


def test_it_holds():
    proving.holds("row_store")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("row_store")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("row_store", bug)
