"""Named bins: hits, the share that was met, and the page."""

import pytest
from cocotb_coverage.coverage import coverage_db

from shotveil.sim.benches import coverage


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """The points of other benches, which other tests may have imported, do not count here."""
    before = dict(coverage_db)
    coverage_db.clear()
    yield
    coverage_db.clear()
    coverage_db.update(before)


def test_hits_are_counted_by_bin():
    sample = coverage.point("colour", "red", "green", "blue")
    for bin in ("red", "green", "red"):
        sample(bin)
    hits = coverage.collected()
    assert hits == {"colour": {"red": 2, "green": 1, "blue": 0}}
    assert coverage.share(hits) == 2 / 3 and coverage.missed(hits) == ["colour: blue"]
    page = coverage.page("paint", hits)
    assert "2 of 3 named bins" in page and page.count('class="missed"') == 1


def test_a_hit_of_no_bin_is_an_error():
    sample = coverage.point("shape", "round")
    with pytest.raises(ValueError, match="no bin 'square'"):
        sample("square")
    assert coverage.share({}) == 1.0
