"""The deep FIFO loses, repeats and swaps no word: proved, and every planted bug is found."""

import pytest

from tests.gateware.formal import proving

BUGS = proving.PROOFS["memory"].bugs


def test_it_holds():
    proving.holds("memory")


def test_it_is_not_vacuous():
    proving.is_not_vacuous("memory")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what for bug in BUGS])
def test_it_finds(bug):
    proving.finds("memory", bug)
