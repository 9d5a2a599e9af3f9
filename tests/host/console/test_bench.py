"""A bench of nodes, and who may be asked for what."""

import pytest

from shotveil.host.console.bench import Bench
from shotveil.models.common.checks import RangeError
from tests.host.console.conftest import until


def test_two_nodes_have_topics_of_their_own():
    bench = Bench(["light:server", "model:client"])
    try:
        topics = until({}, bench, lambda t: {"0/status", "1/status"} <= t.keys())
        assert topics["page"] == {
            "kind": "bench", "title": "light:server, model:client", "nodes": 2,
        }  # fmt: skip
        assert topics["0/about"]["role"] == "server" and topics["1/about"]["role"] == "client"
        bench.act({"node": 1, "act": "capture", "light": True})
        until(topics, bench, lambda t: "1/record" in t)
        assert topics["1/record"]["both"] is False and "0/record" not in topics
        with pytest.raises(RangeError, match="a client's node"):
            bench.act({"node": 1, "act": "calibrate"})
        for node in (2, -1, "0", True, None):
            with pytest.raises(RangeError, match="allowed: 0 to 1"):
                bench.act({"node": node, "act": "stop"})
    finally:
        bench.close()


@pytest.mark.parametrize("urls", [[], ["model:server"] * 3, ["nowhere"], ["model:server", "x:y"]])
def test_other_benches_are_refused(urls):
    with pytest.raises(RangeError):
        Bench(urls)
