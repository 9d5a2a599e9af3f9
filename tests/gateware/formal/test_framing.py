"""Frames have no gap and start where they may: proved, and every planted bug is found."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["framing"].bugs


def test_it_holds():
    proving.holds("framing")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("framing")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("framing", bug)
