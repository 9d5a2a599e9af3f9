"""A frame is compared with what was sent in it: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["replay"].bugs


def test_it_holds():
    proving.holds("replay")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("replay")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("replay", bug)
