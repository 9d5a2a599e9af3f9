"""A stage parts handshakes and keeps its sample: the proof holds, and it finds each planted bug."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["stage"].bugs


def test_it_holds():
    proving.holds("stage")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("stage")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("stage", bug)
