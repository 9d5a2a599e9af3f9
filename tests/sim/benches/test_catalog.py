"""The list of benches, and what is refused."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.benches import catalog


def test_each_bench_says_what_it_shows_and_has_tests():
    known = catalog.benches()
    assert {"dac", "endpoint", "node_server", "node_client"} <= known.keys()
    assert "coverage" not in known and "host" not in known
    assert all(len(shows) > 30 and shows.endswith(".") for shows in known.values())


@pytest.mark.parametrize(
    ("name", "simulator", "message"),
    [("doc", "icarus", "'doc' has no bench; allowed: .*dac"), ("dac", "vcs", "'vcs' is unknown")],
)
def test_what_is_unknown_is_refused(tmp_path, name, simulator, message):
    with pytest.raises(RangeError, match=message):
        catalog.play(name, tmp_path, simulator)
