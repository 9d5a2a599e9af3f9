"""A swap sends each sum once, and keeps it: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["sum_bank"].bugs


def test_it_holds():
    proving.holds("sum_bank")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("sum_bank")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("sum_bank", bug)
