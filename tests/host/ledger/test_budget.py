"""The budget filter: charges first, never over, and nothing is lost when a process dies."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from shotveil.host.leakage.composition import LOST, ChannelClass, composed_leakage
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.leakage.weight_bounds.holevo_amplified import holevo_amplified
from shotveil.host.ledger.accounts import SENSES, Accounts, Budget, LayerChannel, Tally
from shotveil.host.ledger.budget import BudgetExhausted, BudgetFilter, remaining_inferences
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import history, read_accounts, report
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network

V_A, DELTA = 12.0, 1e-10
GOOD = ChannelClass(1.0, 1e-3)
RNG = np.random.default_rng(1)
NETWORK = Network("small", (Layer(RNG.normal(size=(40, 30))), Layer(RNG.normal(size=(10, 40)))))
SHARE = 1200 / 1600  # of the weights that lie in layer 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        yield ledger


def open_session(ledger, name="s", client="alice", declared=GOOD, told=0.0):
    ledger.open_session(name, NETWORK.digest, client, V_A, [declared, declared], DELTA, told)


def total(ledger, sense="declared"):
    return ledger.accounts.networks[NETWORK.digest].total.bits(sense)


def chi(inferences, channel, sense="declared"):
    """What that many copies leak; where it is certified, to clients that may amplify as well."""
    bound = holevo_amplified if sense == "certified" else majorant_after
    return float(bound(inferences, V_A, *channel))


def test_a_ledger_is_made_only_where_that_is_asked_for(path):
    """A path that is mistyped must not begin an account at zero."""
    with pytest.raises(RangeError, match="ledger"):
        BudgetFilter(path)
    assert not path.exists()


def test_a_reserve_counts_as_lost_light_until_it_is_committed(ledger):
    open_session(ledger)
    reserve = ledger.reserve("s", 0, 0, 40, 5)
    assert total(ledger) == pytest.approx(SHARE * chi(5, LOST))
    ledger.commit(reserve)
    assert total(ledger) == pytest.approx(SHARE * chi(5, GOOD))
    assert total(ledger, "certified") == pytest.approx(SHARE * chi(5, LOST))


def test_copies_compose_by_chi_of_k_over_clients_and_apart_for_each(ledger):
    for client in ("alice", "bob"):
        open_session(ledger, client, client)
        for _ in range(3):
            ledger.commit(ledger.reserve(client, 0, 0, 40, 10))
    account = ledger.accounts.networks[NETWORK.digest]
    assert total(ledger) == pytest.approx(SHARE * chi(60, GOOD))
    assert account.clients["bob"].bits("declared") == pytest.approx(SHARE * chi(30, GOOD))
    assert total(ledger) < 2 * account.clients["bob"].bits("declared")


def test_what_every_session_tells_is_charged_once(path):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        assert total(ledger) == 0
        for name, client in (("a", "alice"), ("b", "alice"), ("c", "bob")):
            open_session(ledger, name, client, told=160.0)
            assert total(ledger) == pytest.approx(0.1)
        account = ledger.accounts.networks[NETWORK.digest]
        assert [t.bits("declared") for t in account.clients.values()] == pytest.approx([0.1, 0.1])
        ledger.commit(ledger.reserve("a", 0, 0, 40, 5))
        assert total(ledger) == pytest.approx(0.1 + SHARE * chi(5, GOOD))
        open_session(ledger, "d", told=320.0)  # more is told: that is charged, not both
        assert total(ledger) == pytest.approx(0.2 + SHARE * chi(5, GOOD))
    (found,) = report(read_accounts(path))
    assert found["disclosed_bits"] == 320
    assert found["leakage_bits"]["declared"] == pytest.approx(0.2 + SHARE * chi(5, GOOD))


def test_a_session_that_would_tell_more_than_the_budget_is_refused(ledger):
    ledger.set_budget(NETWORK.digest, 0.15, "declared")
    ledger.set_budget(NETWORK.digest, 0.05, "declared", "bob")
    open_session(ledger, "a", told=160.0)
    head = ledger._log.head
    for client, told in (("alice", 320.0), ("bob", 160.0)):
        with pytest.raises(BudgetExhausted, match="the session alone"):
            open_session(ledger, "b", client, told=told)
    assert (
        ledger._log.head == head and "bob" not in ledger.accounts.networks[NETWORK.digest].clients
    )
    open_session(ledger, "c", told=160.0)  # nothing new is told
    with pytest.raises(BudgetExhausted):  # what was told leaves less room for light
        ledger.reserve("c", 0, 0, 40, 10**6, patience=0)
        ledger.reserve("c", 0, 0, 40, 10**6, patience=0)
    assert total(ledger) <= 0.15


def test_a_part_of_the_rows_is_charged_as_that_part(ledger):
    open_session(ledger)
    ledger.commit(ledger.reserve("s", 0, 0, 10, 7))
    assert total(ledger) == pytest.approx(SHARE * chi(7, GOOD) / 4)


def test_a_new_statement_rates_all_that_the_session_committed_to(ledger):
    open_session(ledger)
    open_session(ledger, "other")
    for session in ("s", "other"):
        ledger.commit(ledger.reserve(session, 0, 0, 40, 5))
    certified = ChannelClass(0.99, 0.01)
    ledger.restate("s", 0, LayerChannel(GOOD, GOOD, certified))
    ledger.restate("other", 0, LayerChannel(GOOD, GOOD, certified))
    expected = SHARE * chi(10, certified, "certified")
    assert total(ledger, "certified") == pytest.approx(expected)
    assert total(ledger) == pytest.approx(SHARE * chi(10, GOOD))
    ledger.restate("s", 0, LayerChannel(certified, certified, certified))  # after a refusal
    assert total(ledger) > SHARE * chi(5, certified)


def test_only_a_commit_to_a_known_channel_does_not_wait_for_the_disk(ledger):
    def waits(step):
        step()
        return ledger.log._database.execute("PRAGMA synchronous").fetchone()[0] == 2

    open_session(ledger)
    first, second = (ledger.reserve("s", 0, 0, 40, 3) for _ in range(2))
    worse = LayerChannel(LOST, GOOD, LOST)
    assert not waits(lambda: ledger.commit(first))
    assert waits(lambda: ledger.reserve("s", 0, 0, 40, 3))
    assert waits(lambda: ledger.commit(second, channel=worse))
    assert waits(lambda: ledger.end_session("s", "done"))


def test_a_commit_brings_its_channel_in_one_step(ledger, path):
    open_session(ledger)
    reserves = [ledger.reserve("s", 0, 0, 40, 3) for _ in range(3)]
    bad = LayerChannel(ChannelClass(0.9, 0.1), GOOD, LOST)
    ledger.commit(reserves[0])
    ledger.commit(reserves[1], channel=bad)
    assert [e.kind for e in ledger.log.events()][-2:] == ["channel", "commit"]
    two = total(ledger)
    ledger.commit(reserves[2], channel=bad)  # the channel is that already
    assert [e.kind for e in ledger.log.events()][-2:] == ["commit", "commit"]
    assert ledger.accounts.sessions["s"].channels[0] == bad
    nine = SHARE * float(composed_leakage([bad.declared], np.array([9 * V_A])))
    lost = SHARE * float(composed_leakage([bad.declared, LOST], V_A * np.array([6, 3])))
    assert two == pytest.approx(lost) and total(ledger) == pytest.approx(nine)
    assert read_accounts(path).networks[NETWORK.digest].total.bits("declared") == total(ledger)


@pytest.mark.parametrize("sense", ["declared", "certified"])
def test_no_moment_is_ever_over_budget_and_refusal_is_to_the_row(path, ledger, sense):
    limit = SHARE * chi(3, LOST)
    ledger.set_budget(NETWORK.digest, limit, sense)
    open_session(ledger, declared=ChannelClass(0.3, 0.1))  # lossy: a few copies fill the budget
    granted = 0
    with pytest.raises(BudgetExhausted, match=r"small has .* of .* bits per weight .* raises"):
        while True:
            reserve = ledger.reserve("s", 0, 0, 40, 1, patience=0)
            granted += reserve.stop - reserve.first
            if sense == "declared":
                ledger.commit(reserve)
    # One row more would not have fitted.
    account = ledger.accounts.networks[NETWORK.digest]
    assert total(ledger, sense) <= limit
    assert granted >= 3 * 40 - 1
    # Every prefix of the record keeps the budget.
    accounts = Accounts()
    with EventLog(path, writable=False) as log:
        for event in log.events():
            accounts.apply(event)
            account = accounts.networks[NETWORK.digest]
            assert account.total.bits(sense) <= limit


def test_a_smaller_part_is_granted_when_the_whole_does_not_fit(ledger):
    ledger.set_budget(NETWORK.digest, SHARE * chi(1, LOST) * 0.5, "declared")
    open_session(ledger)
    reserve = ledger.reserve("s", 0, 0, 40, 1)
    assert (reserve.first, reserve.stop) == (0, 20)


def test_client_budgets_hold_beside_the_networks(ledger):
    ledger.set_budget(NETWORK.digest, SHARE * chi(2, LOST) / 4, "declared", "")
    ledger.set_budget(NETWORK.digest, 100.0, "declared", "bob")
    open_session(ledger, "a", "alice")
    open_session(ledger, "b", "bob")
    assert ledger.reserve("a", 0, 0, 40, 2).stop == 10
    with pytest.raises(BudgetExhausted, match="client alice"):
        ledger.reserve("a", 0, 10, 40, 2, patience=0)
    assert ledger.reserve("b", 0, 0, 40, 2).stop == 40
    ledger.set_budget(NETWORK.digest, None, "declared", "")
    assert ledger.reserve("a", 0, 10, 40, 2).stop == 40


def test_a_reserve_waits_for_light_on_its_way(ledger):
    ledger.set_budget(NETWORK.digest, SHARE * chi(1, LOST) * 1.0001, "declared")
    open_session(ledger)
    first = ledger.reserve("s", 0, 0, 40, 1)
    timer = threading.Timer(0.2, ledger.commit, [first])
    timer.start()
    start = time.monotonic()
    second = ledger.reserve("s", 0, 0, 10, 1, patience=30)
    assert second.stop == 10 and time.monotonic() - start < 20
    timer.join()


def test_an_old_session_is_ended_and_its_reserves_stay(path):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        open_session(ledger)
        ledger.reserve("s", 0, 0, 40, 5)
        before = total(ledger)
    with BudgetFilter(path, create=True) as ledger:
        assert total(ledger) == before
        with pytest.raises(RangeError, match="has ended"):
            ledger.reserve("s", 0, 0, 40, 5)
        with pytest.raises(RangeError, match="known already"):
            open_session(ledger)
        assert report(ledger.accounts)[0]["row_copies_never_verified"] == 200


def test_clients_at_once_never_exceed_one_budget(path, ledger):
    """8 threads, a reserve of random size each time; checked on the record, event by event."""
    limit = SHARE * chi(8, LOST)
    ledger.set_budget(NETWORK.digest, limit, "certified")
    refused = []

    def ask(number):
        rng = np.random.default_rng(number)
        open_session(ledger, f"s{number}", f"client {number}")
        try:
            while True:
                first = int(rng.integers(39))
                ledger.reserve(f"s{number}", 0, first, 40, int(rng.integers(1, 3)), patience=0)
        except BudgetExhausted:
            refused.append(number)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    accounts = Accounts()
    with EventLog(path, writable=False) as log:
        for event in log.events():
            accounts.apply(event)
            if accounts.networks:
                assert accounts.networks[NETWORK.digest].total.bits("certified") <= limit
    assert accounts.networks[NETWORK.digest].total.bits("certified") == total(ledger, "certified")
    assert total(ledger, "certified") > 0.5 * limit


def test_remaining_inferences_are_exactly_what_still_fits(ledger):
    open_session(ledger)
    for layer in (0, 1):
        ledger.commit(ledger.reserve("s", layer, 0, 40 if layer == 0 else 10, 20))
    account = ledger.accounts.networks[NETWORK.digest]
    budget = Budget(1.0, "declared")
    left = remaining_inferences(account, account.total, budget, [GOOD, GOOD], [V_A] * 2)
    assert chi(20 + left, GOOD) <= 1.0 < chi(21 + left, GOOD)
    used = remaining_inferences(
        account, account.total, Budget(0.01, "declared"), [GOOD] * 2, [V_A] * 2
    )
    assert used == 0


def test_report_and_history_agree_with_the_accounts(path, ledger):
    ledger.set_budget(NETWORK.digest, 5.0, "declared")
    open_session(ledger)
    ledger.commit(ledger.reserve("s", 0, 0, 40, 5))
    entry = report(read_accounts(path))[0]
    assert entry["leakage_bits"]["declared"] == total(ledger)
    assert entry["budget"] == {"bits": 5.0, "sense": "declared"}
    assert entry["remaining_inferences"]["declared"] > entry["remaining_inferences"]["certified"]
    moments = history(path, NETWORK.digest)
    assert moments[-1].declared == total(ledger)
    assert max(m.declared for m in moments) == pytest.approx(SHARE * chi(5, LOST))


def test_bad_requests_are_refused_and_leave_nothing(path, ledger):
    open_session(ledger)
    with EventLog(path, writable=False) as log:
        before = log.verify()
    with pytest.raises(RangeError, match="budget = -1"):
        ledger.set_budget(NETWORK.digest, -1.0, "declared")
    with pytest.raises(RangeError, match="sense = 'estimated'"):
        ledger.set_budget(NETWORK.digest, 1.0, "estimated")
    for rows in ((0, 41), (-1, 3), (5, 5), (7, 3)):
        with pytest.raises(ValueError, match="rows"):
            ledger.reserve("s", 0, *rows, 1)
    with pytest.raises(ValueError, match="rows"):
        ledger.reserve("s", 0, 0, 40, 0)
    reserve = ledger.reserve("s", 0, 0, 1, 1)
    ledger.commit(reserve)
    with pytest.raises(RangeError, match="not outstanding"):
        ledger.commit(reserve)
    with EventLog(path, writable=False) as log:
        assert log.verify().sequence == before.sequence + 2


def worker(path: Path, light: Path) -> None:
    """Reserve, send, commit, until killed. What was sent is known to `light` alone."""
    ledger = BudgetFilter(path, create=True)
    ledger.register(NETWORK)
    session = f"session {os.getpid()}"
    open_session(ledger, session)
    log = os.open(light, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    while True:
        reserve = ledger.reserve(session, 0, 0, 40, 3)
        os.write(log, f"{reserve.sequence}\n".encode())
        ledger.commit(reserve)


def kill_and_restart(folder: Path, kills: int, rng: np.random.Generator) -> int:
    """SIGKILL a process that sends light at random moments; check the record after each."""
    path, light = folder / "ledger.db", folder / "light"
    program = (
        "import sys, pathlib, importlib.util as u;"
        f"s = u.spec_from_file_location('worker', {str(Path(__file__))!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m);"
        "m.worker(*map(pathlib.Path, sys.argv[1:]))"
    )
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(light)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.exponential(0.03))
        process.kill()
        process.wait()
        process.stdout.close()
        check(path, light)
    return len(light.read_text().split())


def check(path, light):
    sent = {int(line) for line in light.read_text().split()} if light.exists() else set()
    with EventLog(path, writable=False) as log:
        events = list(log.events())
    reserved = {e.sequence: e.body for e in events if e.kind == "reserve"}
    committed = {e.body["reserve"] for e in events if e.kind == "commit"}
    assert sent <= set(reserved), "light without a reserve on disk"
    assert committed <= sent
    accounts = read_accounts(path)
    if not reserved:
        return
    bits = accounts.networks[NETWORK.digest].total.bits("declared")
    least = SHARE * chi(3 * len(sent), GOOD)
    most = SHARE * chi(3 * len(reserved), LOST)
    assert least * (1 - 1e-12) <= bits <= most * (1 + 1e-12)


def test_sigkill_at_random_moments_loses_no_charge(tmp_path):
    assert kill_and_restart(tmp_path, 6, np.random.default_rng(8)) > 5


def test_a_session_that_is_refused_leaves_a_record_that_can_be_read_again(path):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        open_session(ledger)
        head = ledger._log.head
        with pytest.raises(RangeError, match="s is known already"):
            open_session(ledger)
        with pytest.raises(RangeError, match="3 channels are declared; allowed: 2"):
            ledger.open_session("t", NETWORK.digest, "alice", V_A, [GOOD] * 3, DELTA)
        for layer in (-1, 2):
            with pytest.raises(ValueError, match=f"layer {layer} of 2"):
                ledger.reserve("s", layer, 0, 1, 1)
        assert ledger._log.head == head
    with BudgetFilter(path, create=True) as ledger:
        assert ledger.accounts.sessions["s"].ended == "the server had stopped"


LINES = (Layer(np.ones((5, 3))), Layer(np.ones((2, 5))))
LINED = Network("lined", LINES)
CHANNELS = [GOOD, ChannelClass(0.9, 0.02), ChannelClass(1.0, 0.0)]


class AnySequence(RuleBasedStateMachine):
    """Whatever is asked for in whatever order: no budget is ever exceeded, and the record tells
    what memory holds. A row is refused only where it does not fit.

    Channels are restated for the better alone: for the worse, what has leaked may well be more
    than was allowed, and nothing more is let out (see the test of a new statement)."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.ledger = BudgetFilter(self.path, create=True)
        self.ledger.register(LINED)
        self.open, self.pending, self.last = {}, [], {}
        self.copies = 0
        self.certified = {}

    @initialize(
        bits=st.floats(0.2, 4),
        own=st.floats(0.2, 4),
        sense=st.sampled_from(["declared", "certified"]),
    )
    def limits(self, bits, own, sense):
        self.sense, self.limit, self.own = sense, bits, own
        self.ledger.set_budget(LINED.digest, bits, sense)
        self.ledger.set_budget(LINED.digest, own, sense, "")

    @property
    def account(self):
        return self.ledger.accounts.networks[LINED.digest]

    def budgets(self, client):
        tally = self.account.clients.get(client) or Tally(self.account.layers)
        return (self.limit, self.account.total), (self.own, tally)

    @rule(client=st.sampled_from("ab"), told=st.sampled_from([0.0, 5.0]))
    def begin(self, client, told):
        name = f"s{len(self.ledger.accounts.sessions)}"
        head = self.ledger._log.head
        extra = Tally(self.account.layers)
        extra.disclosed = told
        fits = all(
            tally.bits(self.sense, extra) <= limit or told <= tally.disclosed
            for limit, tally in self.budgets(client)
        )
        try:
            self.ledger.open_session(name, LINED.digest, client, V_A, [GOOD, GOOD], DELTA, told)
        except BudgetExhausted:
            assert not fits and self.ledger._log.head == head
        else:
            assert fits
            self.open[name] = client

    @precondition(lambda self: self.open)
    @rule(data=st.data(), layer=st.integers(0, 1), inferences=st.integers(1, 8))
    def reserve(self, data, layer, inferences):
        name = data.draw(st.sampled_from(sorted(self.open)))
        rows = LINES[layer].rows
        first = data.draw(st.integers(0, rows - 1))
        stop = data.draw(st.integers(first + 1, rows))
        head, limits = self.ledger._log.head, self.budgets(self.open[name])

        def fits(end):
            copies = np.zeros(rows, np.int64)
            copies[first:end] = inferences
            extra = Tally(self.account.layers)
            extra.add(self.sense, layer, LOST, V_A, copies)
            return all(tally.bits(self.sense, extra) <= limit for limit, tally in limits)

        most = max((end for end in range(first + 1, stop + 1) if fits(end)), default=first)
        try:
            reserve = self.ledger.reserve(name, layer, first, stop, inferences, patience=0)
        except BudgetExhausted as error:
            assert most == first and self.ledger._log.head == head
            assert ("with fewer images at once" in str(error)) == (inferences > 1)
        else:
            granted = reserve.session, reserve.layer, reserve.first, reserve.stop
            assert granted == (name, layer, first, most) and reserve.inferences == inferences
            self.pending.append(reserve)
            self.copies += inferences * (most - first)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def commit(self, data):
        number = data.draw(st.integers(0, len(self.pending) - 1))
        reserve = self.pending.pop(number)
        before = self.account.total.bits("declared")
        self.ledger.commit(reserve)
        assert self.account.total.bits("declared") <= before * (1 + 1e-12)
        with pytest.raises(RangeError, match="not outstanding"):
            self.ledger.commit(reserve)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), layer=st.integers(0, 1), channel=st.sampled_from(CHANNELS))
    def certify(self, data, layer, channel):
        name = data.draw(st.sampled_from(sorted(self.open)))
        if (name, layer) not in self.certified:
            self.certified[name, layer] = LayerChannel(GOOD, channel, channel)
        head = self.ledger._log.head.sequence
        old = self.ledger.accounts.sessions[name].channels[layer]
        new = self.certified[name, layer]
        self.ledger.restate(name, layer, new)
        assert self.ledger._log.head.sequence == head + (new != old)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def expire(self, data):
        name = data.draw(st.sampled_from(sorted(self.open)))
        del self.open[name]
        before = self.account.total.bits(self.sense)
        self.ledger.end_session(name, "idle")
        self.ledger.end_session(name, "again")  # says nothing new
        assert self.ledger.accounts.sessions[name].ended == "idle"
        assert self.account.total.bits(self.sense) == before, "what was sent stays charged"
        with pytest.raises(RangeError, match="has ended"):
            self.ledger.reserve(name, 0, 0, 1, 1)

    @rule()
    def restart(self):
        before = {sense: self.account.total.bits(sense) for sense in SENSES}
        self.ledger.close()
        self.ledger = BudgetFilter(self.path, create=True)
        assert {sense: self.account.total.bits(sense) for sense in SENSES} == before
        self.open.clear()
        assert all(s.ended for s in self.ledger.accounts.sessions.values())

    @invariant()
    def no_budget_is_exceeded(self):
        assert self.account.total.bits(self.sense) <= self.limit
        for tally in self.account.clients.values():
            assert tally.bits(self.sense) <= self.own
            for sense in SENSES:
                assert tally.bits(sense) <= self.account.total.bits(sense) * (1 + 1e-12)

    @invariant()
    def nothing_is_credited_back(self):
        assert self.account.total.copies() == self.copies
        assert {r.sequence for r in self.pending} == set(self.ledger.accounts.outstanding)

    def teardown(self):
        live = self.account
        read = read_accounts(self.path).networks[LINED.digest]
        for sense in SENSES:
            assert read.total.bits(sense) == live.total.bits(sense)
            for client, tally in live.clients.items():
                assert read.clients[client].bits(sense) == tally.bits(sense)
        self.ledger.close()
        self.folder.cleanup()


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=15, stateful_step_count=25)


@pytest.mark.parametrize(
    "place, bad, name",
    [
        (3, 0.0, "modulation variance"),
        (5, 0.0, "failure probability"),
        (5, 1.0, "failure probability"),
        (6, -0.5, "disclosed bits"),
    ],
)
def test_what_a_session_is_opened_with_is_checked(ledger, place, bad, name):
    arguments = ["s", NETWORK.digest, "alice", V_A, [GOOD, GOOD], DELTA, 0.0]
    arguments[place] = bad
    head = ledger._log.head
    with pytest.raises(RangeError, match=name):
        ledger.open_session(*arguments)
    assert ledger._log.head == head


def standing(ledger, name, client="alice", of="light"):
    ledger.open_session(name, NETWORK.digest, client, V_A, [GOOD, GOOD], DELTA, standing=of)


def test_a_standing_risks_its_failure_once_and_each_other_session_its_own(path):
    with BudgetFilter(path, create=True) as ledger:
        account = ledger.register(NETWORK)
        for number, (of, client, times) in enumerate(
            [("light", "alice", 1), ("light", "alice", 1), ("other", "bob", 2), ("", "bob", 3)]
        ):
            standing(ledger, f"s{number}", client, of)
            assert account.failure_probability == pytest.approx(times * DELTA)


def test_sessions_with_one_standing_are_charged_at_one_channel(path, monkeypatch):
    """What is learned later of a client's light rates all of it, that of ended sessions too."""
    worse = ChannelClass(0.9, 0.1)
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        for name, client in (("a", "alice"), ("b", "alice"), ("c", "bob")):
            standing(ledger, name, client)
            ledger.commit(ledger.reserve(name, 0, 0, 40, 5))
            ledger.end_session(name, "done")
        standing(ledger, "d")
        ledger.restate("d", 0, LayerChannel(worse, worse, worse))
        clients = ledger.accounts.networks[NETWORK.digest].clients
        for sense in SENSES:
            expected = SHARE * chi(10, worse, sense)
            assert clients["alice"].bits(sense) == pytest.approx(expected)
        assert clients["bob"].bits("declared") == pytest.approx(SHARE * chi(5, GOOD))
        before = total(ledger)
    assert read_accounts(path).networks[NETWORK.digest].total.bits("declared") == before
    (entry,) = report(read_accounts(path))
    assert entry["failure_probability"] == pytest.approx(2 * DELTA), "one for each standing"
    # The same holds after a snapshot was read, and for sessions that are forgotten by then.
    monkeypatch.setattr("shotveil.host.ledger.accounts.KEPT_SESSIONS", 1)
    again = ChannelClass(0.8, 0.2)
    with BudgetFilter(path) as ledger:
        for name in "efgh":
            standing(ledger, name)
            ledger.end_session(name, "done")
        assert "a" not in ledger.accounts.sessions
        standing(ledger, "i")
        ledger.restate("i", 0, LayerChannel(again, again, again))
        alice = ledger.accounts.networks[NETWORK.digest].clients["alice"]
        expected = SHARE * chi(10, again, "certified")
        assert alice.bits("certified") == pytest.approx(expected)
    (entry,) = report(read_accounts(path))
    assert entry["failure_probability"] == pytest.approx(2 * DELTA)


def test_a_refused_client_stays_refused_until_it_is_readmitted(path):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        with pytest.raises(RangeError, match="'alice' is not refused; allowed: none"):
            ledger.readmit("alice")
        standing(ledger, "a")
        ledger.commit(ledger.reserve("a", 0, 0, 40, 5), {"x": b"before"})
        ledger.refuse("alice", "noise", {"x": b"last"})
        assert (ledger.refusal("alice"), ledger.refusal("bob")) == ("noise", "")
    (entry,) = report(read_accounts(path))
    assert [c["refused"] for c in entry["clients"]] == ["noise"]
    with BudgetFilter(path) as ledger:
        assert ledger.refusal("alice") == "noise" and ledger.evidence("alice") == {"x": b"last"}
        with pytest.raises(RangeError, match="'bob' is not refused; allowed: alice"):
            ledger.readmit("bob")
        ledger.readmit("alice")
        assert ledger.refusal("alice") == "" and ledger.evidence("alice") == {}
        # The light before is charged apart from the light after.
        standing(ledger, "b")
        sessions = ledger.accounts.sessions
        assert sessions["a"].standing != sessions["b"].standing
        assert sessions["a"].channels is not sessions["b"].channels
        ledger.commit(ledger.reserve("b", 0, 0, 40, 5), {"x": b"anew"})
        assert ledger.evidence("alice") == {"x": b"anew"}
    with BudgetFilter(path) as ledger:
        assert ledger.evidence("alice") == {"x": b"anew"}


@pytest.mark.parametrize("change", ["edit", "old", "remove"])
def test_evidence_that_was_changed_is_refused(path, change):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        standing(ledger, "a")
        for value in (b"first", b"second"):
            ledger.commit(ledger.reserve("a", 0, 0, 40, 5), {"x": value})
    with closing(sqlite3.connect(path)) as database, database:
        if change == "remove":
            database.execute("DELETE FROM records")
        else:
            new = b"first" if change == "old" else b"other"
            database.execute("UPDATE records SET value = ?", (new,))
    database.close()
    with BudgetFilter(path) as ledger:
        with pytest.raises(
            RangeError, match="evidence on client 'alice' is missing or was changed"
        ):
            ledger.evidence("alice")
        assert ledger.evidence("bob") == {}


def test_a_standing_is_of_one_client_and_its_terms(ledger):
    standing(ledger, "a", "alice")
    standing(ledger, "b", "bob")
    first, second = (ledger.accounts.sessions[name] for name in "ab")
    assert first.standing != second.standing and first.channels is not second.channels
