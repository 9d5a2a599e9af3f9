"""What is said of matching, on its page and by itself."""

from pathlib import Path

import pytest

from shotveil.models.adversaries.adversary import Adversary, adversaries, plain_uses
from shotveil.models.adversaries.matching import MATCHING
from shotveil.models.common.checks import RangeError


def test_it_is_no_adversary_of_a_link():
    assert plain_uses()["matching"] is MATCHING
    assert "matching" not in adversaries(Adversary)
    assert MATCHING.strong() == 60
    for wrong in (0, 1.5, 1e7):
        with pytest.raises(RangeError, match="number of inferences"):
            MATCHING.strong(wrong)


def test_the_page_of_two_parties_lists_it():
    page = (Path(__file__).parents[3] / "docs/parties.md").read_text(encoding="utf-8")
    strength = f"{MATCHING.strength.meaning}: {MATCHING.strength.usual:g}"
    assert f"| `matching` | client | {MATCHING.says} | {strength} | `holevo` |" in page
