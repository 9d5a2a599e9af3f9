"""Each request is carried out once: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["endpoint"].bugs


def test_it_holds():
    proving.holds("endpoint")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("endpoint")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("endpoint", bug)
