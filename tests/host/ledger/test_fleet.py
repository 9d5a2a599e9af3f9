"""Many servers, one account: decisions, sessions, refusals, and what a dead server leaves."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

import sqlalchemy as sa

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.leakage.majorant import plane_table
from shotveil.host.ledger import fleet, snapshots
from shotveil.host.ledger.accounts import LayerChannel
from shotveil.host.ledger.budget import BudgetExhausted, standing_name
from shotveil.host.ledger.event_log import Event, Head
from shotveil.host.ledger.fleet import FleetFilter
from shotveil.host.ledger.odometer import read_accounts, report
from shotveil.host.ledger.postgres_log import split_address
from shotveil.host.ledger.stores import make_ledger, open_log
from shotveil.models.common.checks import RangeError
from tests.host.ledger.test_postgres_log import run
from tests.host.parties.parties import NETWORK

GOOD = ChannelClass(0.9, 0.01)


def begin(ledger, session, client, **more):
    ledger.open_session(session, NETWORK.digest, client, 2.0, [GOOD] * 2, 1e-6, 4.0, **more)


def turn(ledger):
    """Take a turn of a server, in which it reads what others wrote and writes what waits."""
    ledger.read(lambda accounts: None)


def kinds_of(ledger):
    return [event.kind for event in ledger.log.events()]


@pytest.fixture
def waiting(monkeypatch):
    """Lets commits wait until something else takes a turn; to be named before the servers."""
    monkeypatch.setattr(fleet, "RIDE", 3600.0)


@pytest.fixture
def address(database):
    make_ledger(database)
    return database


@pytest.fixture
def two(address):
    with FleetFilter(address) as one, FleetFilter(address) as other:
        one.register(NETWORK)
        yield one, other


def test_both_decide_on_the_same_account(two, address):
    one, other = two
    one.set_budget(NETWORK.digest, 4.0, "declared")
    begin(one, "s1", "alice")
    begin(other, "s2", "bob")
    with pytest.raises(BudgetExhausted):
        while True:
            for ledger, session in ((one, "s1"), (other, "s2")):
                ledger.reserve(session, 0, 0, 64, 3, patience=0)
    for ledger, session in ((one, "s1"), (other, "s2")):
        with pytest.raises(BudgetExhausted):
            ledger.reserve(session, 0, 0, 64, 3, patience=0)
    total = other.accounts.networks[NETWORK.digest].total
    assert 0 < total.bits("declared") <= 4.0
    assert report(one.accounts) == report(other.accounts) == report(read_accounts(address))
    with open_log(address, writable=False) as log:
        assert log.verify() == other.log.head


def test_a_budget_that_is_lowered_at_one_server_holds_at_the_other(two):
    one, other = two
    begin(other, "s", "alice")
    one.set_budget(NETWORK.digest, 0.001, "declared")
    with pytest.raises(BudgetExhausted):
        other.reserve("s", 0, 0, 64, 1000, patience=0)


def test_a_reserve_waits_for_light_that_another_server_has_on_its_way(two):
    one, other = two
    for ledger, session in ((one, "s1"), (other, "s2")):
        begin(ledger, session, session)
    reserve = one.reserve("s1", 0, 0, 64, 1)
    full = one.accounts.networks[NETWORK.digest].total.bits("declared")
    one.set_budget(NETWORK.digest, full * 1.001, "declared")
    later = threading.Timer(0.3, one.commit, [reserve])
    later.start()
    assert other.reserve("s2", 0, 0, 1, 1, patience=20).stop == 1
    later.join()


def test_a_client_has_its_sessions_at_one_server(two):
    one, other = two
    begin(one, "here", "alice", standing="terms")
    begin(one, "another's", "bob")
    reserve = one.reserve("here", 0, 0, 64, 1)
    one.commit(reserve, {"layer 0": b"first"})
    in_flight = one.reserve("here", 0, 0, 64, 1)
    begin(other, "there", "alice", standing="terms")
    assert other.evidence("alice") == {"layer 0": b"first"}
    assert other.accounts.sessions["here"].ended == "the client went to another server"
    assert not other.accounts.sessions["another's"].ended
    turn(one)
    with pytest.raises(RangeError, match="its light stays charged"):
        one.commit(in_flight, {"layer 0": b"older"})
    with pytest.raises(RangeError, match="session here has ended"):
        one.reserve("here", 0, 0, 64, 1)
    other.commit(other.reserve("there", 0, 0, 64, 1), {"layer 0": b"second"})
    turn(other)
    assert one.evidence("alice") == {"layer 0": b"second"}
    assert in_flight.sequence in one.accounts.outstanding


def test_a_commit_takes_no_turn_and_is_written_before_the_next_light_is_granted(
    waiting, two, monkeypatch
):
    one, other = two
    begin(one, "s", "alice")
    begun, real = [], one._log.begin
    monkeypatch.setattr(one._log, "begin", lambda: (begun.append(one.log.head), real())[1])
    for number in range(3):
        one.commit(one.reserve("s", 0, 0, 64, 1), {"layer 0": b"%d" % number})
    assert len(begun) == 3
    assert kinds_of(other)[2:] == ["reserve", "commit", "reserve", "commit", "reserve"]
    name = standing_name("alice", 0, "layer 0")
    assert other.log.record(name) == b"1"  # as of the last light that was granted
    assert one.evidence("alice") == {"layer 0": b"2"}
    assert len(begun) == 4 and not one.accounts.outstanding
    assert other.log.verify() == one.log.head


def test_who_joins_a_turn_writes_what_waits_before_anything_else(waiting, two):
    one, other = two
    begin(one, "s", "alice")
    made = one.reserve("s", 0, 0, 64, 1)
    joins = threading.Thread(target=one.reserve, args=["s", 0, 0, 64, 1])
    with one._changed:
        one.commit(made)
        joins.start()
        while one._changed._waiting < 1:
            threading.Event().wait(0.01)
    joins.join()
    assert kinds_of(other)[-3:] == ["reserve", "commit", "reserve"]


def test_a_commit_that_no_turn_takes_along_is_written_soon(two):
    one, other = two
    begin(one, "s", "alice")
    one.commit(one.reserve("s", 0, 0, 64, 1))
    while kinds_of(other)[-1] != "commit":  # the test has a time limit
        threading.Event().wait(0.01)
    turn(other)
    assert not other.accounts.outstanding


def test_a_commit_is_decided_on_by_its_own_server_at_once(waiting, two):
    one, _ = two
    begin(one, "s", "alice")
    full = one.reserve("s", 0, 0, 64, 1)
    total = one.accounts.networks[NETWORK.digest].total.bits("declared")
    one.set_budget(NETWORK.digest, total * 1.001, "declared")
    one.commit(full)  # which makes room for more
    assert one.reserve("s", 0, 0, 64, 1, patience=0).stop > 1


def test_commits_wait_in_no_greater_number_than_may_share_a_turn(waiting, two, monkeypatch):
    one, other = two
    monkeypatch.setattr(fleet, "MOST_SHARING", 2)
    begin(one, "s", "alice")
    made = [one.reserve("s", 0, 0, 64, 1) for _ in range(3)]
    for reserve in made[:2]:
        one.commit(reserve)
    assert kinds_of(other).count("commit") == 0
    one.commit(made[2])
    assert kinds_of(other).count("commit") == 3
    assert not one._commits


def test_a_reserve_is_committed_once_however_often_it_is_told(waiting, two):
    one, other = two
    begin(one, "s", "alice")
    reserve = one.reserve("s", 0, 0, 64, 1)
    one.commit(reserve)
    for _ in range(2):  # while the first commit waits, and when it is written
        with pytest.raises(RangeError, match="is not outstanding"):
            one.commit(reserve)
    assert kinds_of(other).count("commit") == 1
    at_once = one.reserve("s", 0, 0, 64, 1)
    one.commit(at_once)
    with pytest.raises(RangeError, match="is not outstanding"):
        one.commit(at_once, None, LayerChannel(GOOD, GOOD, GOOD))
    assert one.accounts.sessions["s"].channels[0] == LayerChannel(GOOD)


@pytest.mark.parametrize("how", ["end", "close", "refuse", "restate", "settle"])
def test_a_commit_that_waits_is_written_before_whatever_comes_next(waiting, two, how):
    one, other = two
    begin(one, "s", "alice")
    reserve = one.reserve("s", 0, 0, 64, 1)
    one.commit(reserve, {"layer 0": b"older"})
    if how == "end":
        one.end_session("s", "over")
    elif how == "close":
        one.close()
    elif how == "refuse":
        one.refuse("alice", "too much noise", {"layer 0": b"newer"})
        assert one.evidence("alice") == {"layer 0": b"newer"}
    elif how == "restate":
        later = one.reserve("s", 0, 0, 64, 1)
        one.commit(later, {"layer 0": b"newer"}, LayerChannel(GOOD, GOOD, GOOD))
        assert one.evidence("alice") == {"layer 0": b"newer"}
    else:
        with pytest.raises(RangeError, match="is not outstanding"):
            one.settle(reserve.sequence, {})
    assert kinds_of(other)[3] == "commit"
    turn(other)
    assert not other.accounts.outstanding


def test_a_commit_that_waits_while_its_session_ends_elsewhere_changes_nothing(waiting, two):
    one, other = two
    begin(one, "here", "alice", standing="terms")
    reserve = one.reserve("here", 0, 0, 64, 1)
    one.commit(reserve, {"layer 0": b"older"})
    begin(other, "there", "alice", standing="terms")
    other.commit(other.reserve("there", 0, 0, 64, 1), {"layer 0": b"newer"})
    turn(other)
    with pytest.raises(RangeError, match="session here has ended"):
        one.reserve("here", 0, 0, 64, 1)
    assert reserve.sequence in one.accounts.outstanding
    assert one.evidence("alice") == other.evidence("alice") == {"layer 0": b"newer"}
    assert not one._commits


@pytest.mark.parametrize("written", [False, True])
def test_no_server_adds_to_evidence_that_another_one_took_over(waiting, two, written):
    """Else a client could go to and fro, and none of its evidence would be kept."""
    one, other = two
    begin(one, "here", "alice", standing="terms")
    begin(one, "another's", "bob")
    one.commit(one.reserve("here", 0, 0, 64, 1), {"layer 0": b"first"})
    reserve = one.reserve("here", 0, 0, 64, 1)
    one.commit(reserve, {"layer 0": b"second"})
    if written:
        turn(one)
    known = other.take_over("alice")
    assert known == {"layer 0": b"second" if written else b"first"}
    turn(one)
    begin(other, "there", "alice", standing="terms")
    assert other.evidence("alice") == known
    assert (reserve.sequence in other.accounts.outstanding) == (not written)
    assert not one.accounts.sessions["another's"].ended


def test_light_whose_commit_waits_when_its_server_is_killed_stays_charged_as_lost(waiting, two):
    one, other = two
    begin(one, "s", "alice")
    reserve = one.reserve("s", 0, 0, 64, 1)
    turn(other)
    lost = other.accounts.networks[NETWORK.digest].total.bits("declared")
    one.commit(reserve)
    one._holder.close()
    one._log.close()  # its process is gone, and it wrote nothing
    turn(other)
    assert list(other.accounts.outstanding) == [reserve.sequence]
    assert other.accounts.networks[NETWORK.digest].total.bits("declared") == lost


@pytest.mark.parametrize("kept", [False, True])
def test_a_commit_whose_turn_fails_is_written_by_the_next_one_and_once(
    waiting, two, monkeypatch, kept
):
    """The database may have kept a turn though its answer was lost."""
    one, other = two
    begin(one, "s", "alice")
    reserve = one.reserve("s", 0, 0, 64, 1)
    one.commit(reserve, {"layer 0": b"first"})
    real = one._log.finish

    def cut(**how):
        real(keep=kept)
        raise RangeError("the connection was cut")

    monkeypatch.setattr(one._log, "finish", cut)
    with pytest.raises(RangeError, match="the connection was cut"):
        one.reserve("s", 0, 0, 64, 1)
    assert kinds_of(other).count("commit") == kept
    monkeypatch.setattr(one._log, "finish", real)
    one.reserve("s", 0, 0, 64, 1)
    assert kinds_of(other).count("commit") == 1
    assert reserve.sequence not in one.accounts.outstanding and not one._commits
    assert one.evidence("alice") == {"layer 0": b"first"}
    assert other.log.verify() == one.log.head


def test_a_server_that_commits_while_the_database_is_away_goes_on_when_it_is_back(two, address):
    one, other = two
    begin(one, "s", "alice")
    made = [one.reserve("s", 0, 0, 64, 1) for _ in range(4)]
    stop = threading.Event()

    def cut():
        while not stop.wait(0.02):
            other._log._query(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'relation' "
                "AND relation = 'head'::regclass AND mode = 'RowShareLock'"
            )

    cutter = threading.Thread(target=cut)
    with pytest.raises(RangeError), one._changed:
        cutter.start()
        for reserve in made:
            one.commit(reserve)
        one.reserve("s", 0, 0, 64, 1)
        stop.wait(0.3)
    stop.set()
    cutter.join()
    while kinds_of(other).count("commit") < 4:  # the test has a time limit
        threading.Event().wait(0.01)
    assert kinds_of(other)[-4:] == ["commit"] * 4


def test_what_the_first_decision_needs_is_read_before_the_first_turn(address):
    plane_table.cache_clear()
    with FleetFilter(address):
        assert plane_table.cache_info().currsize == 1


def test_a_client_that_one_server_refuses_is_refused_by_the_other(two, monkeypatch):
    one, other = two
    assert other.refusal("alice") == ""
    one.refuse("alice", "too much noise", {"layer 0": b"evidence"})
    monkeypatch.setattr(fleet, "STALE", 0.0)
    assert other.refusal("alice") == "too much noise"
    other.readmit("alice")
    assert one.refusal("alice") == ""


def test_sessions_of_a_server_that_is_gone_are_ended_and_its_light_stays_charged(two, monkeypatch):
    one, other = two
    begin(one, "mine", "alice")
    begin(other, "theirs", "bob")
    reserve = one.reserve("mine", 0, 0, 64, 1)
    # The process dies: its connections end, and nothing is written.
    one._holder.close()
    one._log.close()
    while other._log.is_held(one._server):  # the database sees it soon; the test has a time limit
        threading.Event().wait(0.01)
    monkeypatch.setattr(fleet, "REAP_SECONDS", 0.0)
    begin(other, "new", "carol")
    assert other.accounts.sessions["mine"].ended == "the server had stopped"
    assert not other.accounts.sessions["theirs"].ended
    assert reserve.sequence in other.accounts.outstanding


def test_a_server_that_stops_ends_its_own_sessions_alone(two):
    one, other = two
    begin(one, "mine", "alice")
    begin(other, "theirs", "bob")
    one.close()
    with other._changed:
        ended = {name: s.ended for name, s in other.accounts.sessions.items()}
    assert ended == {"mine": "the server had stopped", "theirs": ""}


def test_threads_that_wait_share_a_turn(two):
    one, _ = two
    finished = []
    real = one._log.finish
    one._log.finish = lambda **how: (finished.append(how), real(**how))[1]
    begin(one, "s", "alice")
    finished.clear()
    held = threading.Event()

    def reserve():
        one.reserve("s", 0, 0, 64, 1)

    threads = [threading.Thread(target=reserve) for _ in range(10)]
    with one._changed:
        for thread in threads:
            thread.start()
        while one._changed._waiting < 10:
            held.wait(0.01)
    for thread in threads:
        thread.join()
    assert len(finished) == 1
    assert len(one.accounts.outstanding) == 10
    assert one.log.verify() == one.log.head


def test_what_did_not_get_to_disk_is_an_error_for_all_who_shared_the_turn(two, monkeypatch):
    one, other = two
    begin(one, "s", "alice")
    before = one.log.head
    errors = []

    def reserve():
        try:
            one.reserve("s", 0, 0, 64, 1)
        except RangeError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=reserve) for _ in range(3)]
    with pytest.raises(RangeError, match="what was written is not on disk"), one._changed:
        for thread in threads:
            thread.start()
        while one._changed._waiting < 3:
            threading.Event().wait(0.01)
        # The database drops the connection of the turn.
        (pid,) = one._log._turn.exec_driver_sql("SELECT pg_backend_pid()").one()
        other._log._query("SELECT pg_terminate_backend(%s)", (pid,))
    for thread in threads:
        thread.join()
    # All of them joined that turn. Whoever comes next begins a new one, on what is in the database.
    assert len(errors) == 3 and other.log.verify() == before
    one.reserve("s", 0, 0, 64, 1)
    assert list(one.accounts.outstanding) == [before.sequence + 1]
    assert other.log.verify() == one.log.head
    assert other.log.holds(before)


def test_an_event_that_the_accounts_refuse_is_not_written(two):
    one, other = two
    begin(one, "s", "alice")
    before = one.log.head
    with pytest.raises(RangeError, match="makes no sense"):
        one._write("commit", {"reserve": 99})
    assert one.log.head == before == other.log.verify()
    one.reserve("s", 0, 0, 64, 1)


def test_a_ledger_that_was_moved_is_not_written_any_more(two):
    one, other = two
    with one._changed:
        one._log.append("moved", {"to": "elsewhere"}, None)
        one.accounts.apply(Event(0, 0.0, "moved", {"to": "elsewhere"}, b""))
    with pytest.raises(RangeError, match="was moved to elsewhere"):
        begin(other, "s", "alice")


def test_a_snapshot_is_made_by_whoever_crosses_its_place(two, address, monkeypatch):
    one, other = two
    for module in ("fleet", "budget"):
        monkeypatch.setattr(f"shotveil.host.ledger.{module}.EVERY", 8)
    begin(one, "s1", "alice")
    begin(other, "s2", "bob")
    saved = []
    for ledger in two:
        log = ledger.log
        monkeypatch.setattr(ledger, "_keep", lambda log=log: saved.append(log.head.sequence))
    for _ in range(12):
        one.commit(one.reserve("s1", 0, 0, 64, 1))
        other.commit(other.reserve("s2", 0, 0, 64, 1))
    # Each time by one server, wherever it stood.
    assert [number // 8 for number in saved] == sorted({number // 8 for number in saved})
    assert len(saved) >= 5


def test_a_snapshot_is_made_beside_the_turns_and_holds_what_was_written_before(two, address):
    one, other = two
    begin(one, "s1", "alice")
    with one._changed:
        one._keep()
        head = one.log.head
        one.reserve("s1", 0, 0, 64, 1)
    begin(other, "s2", "bob")

    def made():
        return other._log._query("SELECT last FROM snapshot")

    while not made():  # the test has a time limit
        threading.Event().wait(0.01)
    assert made()[0][0] == head.sequence
    with open_log(address, writable=False) as log:
        state, events = log.resume(snapshots.version())
        assert state is not None and [event.kind for event in events] == ["reserve", "session"]
        with other._changed:
            assert report(snapshots.restore(log)) == report(other.accounts)
    # One that another server began before changes nothing.
    other.log._store_snapshot([(1, b"")], (1, "", b"", b""), 0)
    assert made()[0][0] == head.sequence


def test_a_turn_that_failed_leaves_no_snapshot(two):
    one, other = two
    begin(one, "s", "alice")
    with pytest.raises(RangeError, match="does not hold event"):
        snapshots.write(other.log, Head(one.log.head.sequence, b"x" * 32), b"")


def test_a_server_whose_name_was_lost_takes_it_again(two, monkeypatch):
    one, other = two
    monkeypatch.setattr(fleet, "REAP_SECONDS", 0.0)
    (pid,) = one._holder.exec_driver_sql("SELECT pg_backend_pid()").one()
    other._log._query("SELECT pg_terminate_backend(%s, 20000)", (pid,))
    assert not other._log.is_held(one._server)
    begin(one, "s", "alice")
    assert other._log.is_held(one._server)
    begin(other, "new", "bob")
    assert not other.accounts.sessions["s"].ended


@pytest.mark.parametrize("lost", ["commit", "reserve"])
def test_a_database_may_lose_a_commit_with_its_power_and_nothing_else(two, address, lost):
    """A commit does not wait for the disk: without it the light stays charged as lost."""
    one, other = two
    begin(one, "s", "alice")
    kept = one.reserve("s", 0, 0, 64, 1)
    run(address, "CREATE TABLE old AS SELECT * FROM head")
    if lost == "commit":
        one.commit(kept)
        turn(one)
    else:
        one.reserve("s", 1, 0, 10, 1)
    with other._changed:
        assert other.log.head.sequence == kept.sequence + 1
    run(
        address,
        "ALTER TABLE events DISABLE TRIGGER ALL",
        f"DELETE FROM events WHERE sequence > {kept.sequence}",
        "DELETE FROM head",
        "INSERT INTO head SELECT * FROM old",
    )
    for ledger in (other, one):
        if lost == "reserve":
            for _ in range(2):  # also after a turn that failed
                with pytest.raises(RangeError, match="was rolled back"):
                    ledger.set_budget(NETWORK.digest, 99.0, "declared")
        else:
            with ledger._changed:
                assert list(ledger.accounts.outstanding) == [kept.sequence]
    if lost == "commit":
        one.commit(kept)
        other.reserve("s", 0, 0, 64, 1)
        assert other.log.verify() == other.log.head


def test_a_database_that_crashes_keeps_all_light_that_left_and_the_servers_go_on(two, address):
    one, other = two
    begin(one, "s", "alice")
    begin(other, "o", "bob")
    run(address, "ALTER SYSTEM SET wal_writer_delay = '10s'", alone=True)
    try:
        run(address, "SELECT pg_reload_conf()")
        made = one.reserve("s", 0, 0, 64, 1)
        one.commit(made)
        turn(one)  # whose commit is not on the disk
        with other._changed:
            assert not other.accounts.outstanding
        ((pid,),) = other._log._query("SELECT pg_backend_pid()")
        os.kill(pid, signal.SIGKILL)  # then PostgreSQL starts all over, from its disk
        for ledger, session in ((other, "o"), (one, "s")):
            again, deadline = None, time.monotonic() + 60
            while again is None:
                assert time.monotonic() < deadline
                with suppress(RangeError):
                    again = ledger.reserve(session, 0, 0, 64, 1)
            assert made.sequence < again.sequence
        events = list(other.log.events())
        kinds = {event.sequence: event.kind for event in events}
        assert kinds[made.sequence] == kinds[again.sequence] == "reserve"
        with one._changed:
            assert report(one.accounts) == report(read_accounts(address))
    finally:
        run(address, "ALTER SYSTEM RESET wal_writer_delay", alone=True)
        run(address, "SELECT pg_reload_conf()")


def test_only_a_turn_that_has_to_last_waits_for_the_disk(two):
    one, other = two
    begin(one, "s", "alice")

    def surely():
        assert other._log._query("SHOW synchronous_commit")[0][0] == "on"
        return other._log._query("SELECT max(last) FROM lasting")[0][0]

    made = one.reserve("s", 0, 0, 64, 1)
    assert surely() == made.sequence and one.log.lasting == one.log.head
    one.commit(made)
    turn(one)
    assert surely() == made.sequence == one.log.lasting.sequence < one.log.head.sequence
    one.commit(one.reserve("s", 0, 0, 64, 1), {"evidence": b"x"}, LayerChannel(GOOD, GOOD, GOOD))
    assert surely() == one.log.head.sequence and one.log.lasting == one.log.head
    assert kinds_of(other)[-2:] == ["channel", "commit"]


def test_others_go_on_while_a_server_waits_for_the_disk_and_its_light_does_not(two, address):
    one, other = two
    begin(one, "s", "alice")
    begin(other, "o", "bob")
    made = []
    engine = sa.create_engine(split_address(address)[0].set(drivername="postgresql+psycopg"))
    with engine.connect() as slow:  # as a disk that takes its time for what `one` wrote
        slow.exec_driver_sql("LOCK TABLE lasting IN EXCLUSIVE MODE")
        waiting = threading.Thread(target=lambda: made.append(one.reserve("s", 0, 0, 64, 1)))
        before = other.log.head.sequence
        waiting.start()
        while other._log._query("SELECT sequence FROM head")[0][0] == before:
            threading.Event().wait(0.01)
        with other._changed:  # it has its turn, and knows of the light that has not left
            assert list(other.accounts.outstanding) == [before + 1]
            assert other.log.lasting.sequence <= before and not made
        slow.rollback()
        waiting.join()
    engine.dispose()
    with other._changed:
        assert other.log.lasting.sequence == before + 1
    assert made


def test_who_waits_for_its_turn_reads_what_is_there_already(two, monkeypatch):
    one, other = two
    begin(one, "s", "alice")
    for _ in range(5):
        one.reserve("s", 0, 0, 64, 1)
    before, left = other.log.head.sequence, []
    follow = other._log.follow

    def followed(apply, stored):
        left.append(stored.sequence - other.log.head.sequence)
        return follow(apply, stored)

    monkeypatch.setattr(other._log, "follow", followed)
    with one._changed:
        waiting = threading.Thread(target=other.set_budget, args=[NETWORK.digest, 9.0, "declared"])
        waiting.start()
        while other.log.head.sequence < before + 6:
            threading.Event().wait(0.01)
        assert len(other.accounts.outstanding) == 5
    waiting.join()
    assert left[0] >= 6 and left[-1] == 0, "nothing was left to read in its turn"
    assert one.log.verify() == other.log.head
