"""Settings stay as a batch began with them: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["settings"].bugs


def test_it_holds():
    proving.holds("settings")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("settings")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("settings", bug)
