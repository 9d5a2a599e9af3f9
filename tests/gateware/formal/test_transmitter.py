"""A batch plays what was sent to it alone: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["transmitter"].bugs


def test_it_holds():
    proving.holds("transmitter")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("transmitter")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("transmitter", bug)
