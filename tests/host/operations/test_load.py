"""A small load on a real database, with kills; and that the check finds what it is for."""

import os

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.operations.load import load
from shotveil.models.common.checks import RangeError

SMALL = {"servers": 2, "clients": 3, "rate": 0.0, "budget_share": 100.0, "seed": 1}


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def test_servers_that_are_killed_lose_nothing_and_charge_nothing_twice(database, notes):
    done = []
    found = load(database, notes, reserves=300, kill_every=1.5, progress=done.append, **SMALL)
    assert found.reserves >= 300 and sum(done) == found.reserves
    assert 0 < found.rows_sent <= found.rows_charged <= found.rows_sent + 64 * 3 * found.kills
    assert 0 < found.median <= found.p99
    assert (found.servers, found.clients, found.rate) == (2, 3, 0.0)
    assert (found.processor is None) == (found.kills > 0)


def test_a_budget_is_used_to_the_last_row_and_not_exceeded(database, notes):
    found = load(database, notes, reserves=200, kill_every=0, **(SMALL | {"budget_share": 0.001}))
    assert 0.5 * found.budget < found.bits <= found.budget
    assert found.rows_sent == found.rows_charged < 200 * 64 / 4
    assert 0 < found.processor < 60


def test_light_without_a_charge_is_found(tmp_path, notes):
    (notes / "0-0").write_text("999 64 0.001\n")
    with pytest.raises(RangeError, match="light of reserve 999 left and is not charged"):
        load(tmp_path / "a.db", notes, reserves=1, kill_every=0, **(SMALL | {"servers": 1}))


def test_a_ledger_that_is_there_is_not_loaded(tmp_path, notes):
    EventLog(tmp_path / "a.db", create=True).close()
    with pytest.raises(RangeError, match="exists already"):
        load(tmp_path / "a.db", notes, reserves=1, kill_every=0, **SMALL)


@pytest.mark.skipif(not os.environ.get("SHOTVEIL_SOAK"), reason="minutes: make soak-fleet")
@pytest.mark.parametrize(
    ("rate", "kill_every"), [(0.0, 0.0), (50.0, 0.0), (100.0, 0.0), (200.0, 0.0), (100.0, 10.0)]
)
def test_eight_servers_and_four_hundred_clients(database, notes, rate, kill_every):
    found = load(
        database, notes, servers=8, clients=50, reserves=10_000, rate=rate, kill_every=kill_every,
        budget_share=100.0, seed=1,
    )  # fmt: skip
    print(f"\n{rate:g} a second, kills every {kill_every:g} s: {found}")
    assert found.rows_charged <= found.rows_sent + 64 * 50 * found.kills
