"""Metrics: each number is that of the ledger's own report, and the port is on loopback."""

import urllib.request
from collections import Counter
from types import SimpleNamespace

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.odometer import report
from shotveil.host.operations.metrics import ServerMetrics, metrics_at
from shotveil.models.common.checks import RangeError

GOOD = ChannelClass(0.9, 0.01)


def scraped(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        (sample.name.removeprefix("shotveil_"), *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def ledger(tmp_path, small_network):
    with BudgetFilter(tmp_path / "ledger.db", create=True) as ledger:
        ledger.register(small_network)
        ledger.set_budget(small_network.digest, 8.0, "declared")
        for session, client in (("s1", "alice"), ("s2", "bob")):
            ledger.open_session(session, small_network.digest, client, 2.0, [GOOD] * 2, 1e-6, 40.0)
        yield ledger


def test_the_metrics_are_what_the_ledger_reports(ledger, small_network):
    reserve = ledger.reserve("s1", 0, 0, 24, 3)
    ledger.commit(reserve, {"layer 0": b"evidence"})
    ledger.reserve("s2", 1, 0, 10, 5)
    ledger.refuse("bob", "too much noise", {"layer 1": b"more"})
    server = SimpleNamespace(images=7, open_sessions=2, layers_on_their_way=1)
    metrics = ServerMetrics(ledger, server, Counter(ABORTED=3), lambda: True)
    with metrics_at("127.0.0.1:0", metrics) as address:
        found = scraped(address)
        ledger.reserve("s1", 0, 0, 24, 1)
        later = scraped(address)
    (entry,) = report(ledger.accounts)
    name, digest = small_network.name, small_network.digest
    of = tuple(sorted((name, digest)))
    for sense, bits in entry["leakage_bits"].items():
        key = tuple(sorted((name, digest, sense)))
        assert later["leakage_bits_per_weight", *key] == bits >= 0
        assert later["reserved_bits_per_weight", *key] > found["reserved_bits_per_weight", *key] > 0
        assert found["leakage_bits_per_weight", *key] < bits
    assert found["budget_bits_per_weight", *sorted((name, digest, "declared"))] == 8.0
    assert found["rows_sent_total", *of] == 24 * 3 + 10 * 5
    assert found["rows_never_verified", *of] == 10 * 5
    assert later["rows_never_verified", *of] == entry["row_copies_never_verified"] == 74
    assert found["sessions_total", *of] == 2
    assert found["failure_probability", *of] == entry["failure_probability"] == 2e-6
    assert found["refusals_total", "ABORTED"] == 3
    assert found["images_total",] == 7 and found["open_sessions",] == 2
    assert found["layers_on_their_way",] == found["serving",] == found["clients_refused",] == 1
    assert found["clients_with_evidence",] == found["evidence_records",] == 2
    assert found["outstanding_reserves",] == 1 and later["outstanding_reserves",] == 2
    assert later["ledger_events_total",] == ledger.log.head.sequence


@pytest.mark.parametrize("address", ["0.0.0.0:0", "example.org:9000", "[::]:0"])
def test_metrics_are_for_this_machine_alone(ledger, address):
    with pytest.raises(RangeError, match="no loopback address"), metrics_at(address, None):
        pass


def test_a_port_that_is_taken_is_named(ledger):
    metrics = ServerMetrics(ledger, SimpleNamespace(), {}, lambda: False)
    with metrics_at("127.0.0.1:0", metrics) as address:  # noqa: SIM117
        with pytest.raises(OSError, match=f"at {address}"), metrics_at(address, metrics):
            pass
