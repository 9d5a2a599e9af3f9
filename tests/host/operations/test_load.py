"""A small load on a real database, with kills; and that the check finds what it is for."""

import os

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

from shotveil.host.commands.show import progress_bars
from shotveil.host.leakage.composition import LOST
from shotveil.host.ledger.accounts import Tally
from shotveil.host.ledger.event_log import Event, EventLog
from shotveil.host.operations.load import ROWS, VARIANCE, _Fits, first_moment, load
from shotveil.models.common.checks import RangeError

SMALL = {"servers": 2, "clients": 3, "rate": 0.0, "budget_share": 100.0, "seed": 1}


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def test_servers_that_are_killed_lose_nothing_and_charge_nothing_twice(database, notes):
    told = []
    found = load(
        database, notes, reserves=300, kill_every=1.5, progress=lambda *step: told.append(step),
        **SMALL,
    )  # fmt: skip
    made = [done for stage, done, total in told if (stage, total) == ("reserves", 300)]
    assert found.reserves >= 300 and sum(made) == found.reserves
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


def test_the_check_finds_a_total_above_the_budget_and_what_may_be_left_out_of_it():
    most = 300
    whole = Tally([(ROWS, 16)])
    whole.add("declared", 0, LOST, VARIANCE, most)
    fits = _Fits(whole.bits("declared"))
    total = Tally([(ROWS, 16)])
    body = {"first": 0, "stop": ROWS, "inferences": 1}
    for sequence in range(1, most + 1):
        total.add("declared", 0, LOST, VARIANCE, 1)
        fits.require(total, Event(sequence, 0.0, "reserve", body, b""))
    total.add("declared", 0, LOST, VARIANCE, np.arange(ROWS) == 0)
    with pytest.raises(RangeError, match=f"event {most + 1} takes the total to"):
        fits.require(total, Event(most + 1, 0.0, "reserve", body | {"stop": 1}, b""))


def test_no_two_clients_of_a_load_begin_at_the_same_moment():
    begun = {first_moment(server, client) for server in range(8) for client in range(50)}
    assert len(begun) == 400 and 0 <= min(begun) < 0.05 < 0.95 < max(begun) < 1


@pytest.mark.skipif(not os.environ.get("SHOTVEIL_RESERVES"), reason="hours: make soak-reserves")
def test_a_million_reserves_with_kills_are_never_above_the_budget(database, notes):
    """Near its end, what is committed and the light on its way take all of the budget."""
    told = []
    reserves = int(os.environ["SHOTVEIL_RESERVES"])
    with progress_bars() as progress:

        def tell(stage: str, done: int, total: int) -> None:
            progress(stage, done, total)
            if stage == "events checked":
                told.append((done, total))

        found = load(
            database, notes, servers=8, clients=50, reserves=reserves, rate=0.0, kill_every=60.0,
            budget_share=7.3, seed=1, progress=tell,
        )  # fmt: skip
    print(f"\n{found}")
    assert found.reserves >= reserves and 0 < found.bits <= found.budget
    assert sum(done for done, _ in told) // 1000 == told[-1][1] // 1000
    assert found.rows_charged <= found.rows_sent + 64 * 50 * found.kills


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
