"""Format 3: a ledger of format 2 comes into it with every event and record to the byte."""

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytest.importorskip("alembic")

from shotveil.host.ledger.event_log import Head
from shotveil.host.ledger.fleet import FleetFilter
from shotveil.host.ledger.odometer import report
from shotveil.host.ledger.snapshots import restore
from shotveil.host.ledger.stores import open_log, upgrade_ledger
from shotveil.models.common.checks import RangeError
from tests.host.ledger.old_databases import KEPT, put_back


def test_a_ledger_of_format_2_is_upgraded_without_a_loss(database):
    put_back(database)
    with pytest.raises(RangeError, match=r"has format 2; allowed: 3, which `shotveil ledger upg"):
        FleetFilter(database)
    head = Head.parse(KEPT["head"])
    for _ in range(2):  # nothing changes the second time
        assert upgrade_ledger(database) == head
        with open_log(database, writable=False) as log:
            rows = [list(row) for row in log.rows(head.sequence)]
            records = log.records()
            assert report(restore(log)) == KEPT["report"]
        assert [[*row[:4], {"hex": row[4].hex()}] for row in rows] == KEPT["rows"]["events"]
        kept = {name: bytes.fromhex(value["hex"]) for name, value in KEPT["rows"]["records"]}
        assert records == kept and len(records) == 2
    # It was in another cluster then, as after a restored dump.
    with open_log(database, adopt=True):
        pass
    with FleetFilter(database) as ledger:
        assert ledger.refusal("bob") == "too much noise"
        assert ledger.evidence("alice") == {"layer": b"evidence of 1"}
        ledger.readmit("bob")
    with open_log(database, writable=False) as log:
        assert log.verify(head).sequence > head.sequence
