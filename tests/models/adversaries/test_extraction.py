"""What is said of extraction, on its page and by itself."""

from pathlib import Path

import pytest

from shotveil.models.adversaries.adversary import Adversary, adversaries, plain_uses
from shotveil.models.adversaries.extraction import EXTRACTION
from shotveil.models.common.checks import RangeError


def test_it_is_plain_use_and_no_adversary_of_a_link():
    assert plain_uses()["extraction"] is EXTRACTION
    assert "extraction" not in adversaries(Adversary)
    assert EXTRACTION.strong() == 100 and EXTRACTION.strong(7.0) == 7
    for wrong in (0, 0.5, 1e10):
        with pytest.raises(RangeError, match="number of inferences"):
            EXTRACTION.strong(wrong)


def test_the_page_of_two_parties_lists_it():
    page = (Path(__file__).parents[3] / "docs/parties.md").read_text(encoding="utf-8")
    strength = f"{EXTRACTION.strength.meaning}: {EXTRACTION.strength.usual:g}"
    assert (
        f"| `extraction` | client | {EXTRACTION.says} | {strength} | `{EXTRACTION.covered_by}` |"
    ) in page
