"""The model owner's side with light that returns as it should: order, charges, refusals, ends."""

import logging
import math
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest

from shotveil.host.leakage.composition import LOST, ChannelClass
from shotveil.host.ledger.accounts import Emission, LayerChannel
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.stores import make_ledger, open_filter
from shotveil.host.parties.server import (
    IDLE_SECONDS,
    MOST_OF_CLIENT,
    MOST_SESSIONS,
    ModelServer,
    ServerSettings,
    disclosed_bits,
)
from shotveil.host.parties.transmitter import decoys_of
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import MOST_REASON, ProtocolError, Refusal
from shotveil.host.run.schedule import Part
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.host.verification.records import Period
from shotveil.models.common.checks import RangeError
from shotveil.models.link.decoys import RowMoments
from shotveil.models.link.encoding import encode_rows
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.networks.network import Layer, Network

RNG = np.random.default_rng(1)
NETWORK = Network(
    "small",
    (Layer(RNG.normal(size=(8, 6)), bias=True), Layer(RNG.normal(size=(4, 8)))),
)
LINK = Link(1.3, 6.0)
ROWS = [encode_rows(layer.weights, LINK.modulation_variance) for layer in NETWORK.layers]


class Light:
    """A transmitter whose light comes back as declared, or with the noise `variance`."""

    mixes = True

    def __init__(self):
        self.held, self.shots, self.dropped, self.expected = {}, [], [], []
        self.variance, self.symbols = 1.0, 1000
        self.whole = self.refuse_drop = False

    def hold(self, key, rows):
        self.held[key] = rows

    def parts(self, rows, decoys, images, checks):
        half = rows.rows // 2
        for first, stop in ((0, half), (half, rows.rows)):
            own = tuple(range(decoys)) if first == 0 else ()
            yield Part(first, stop, own if self.whole else None)

    def send(self, shot):
        self.shots.append(shot)
        modes = self.held[shot.weights].modes
        count = np.full(modes, self.symbols)
        one = SymbolStatistics(count, 12.0 * count, 12.0 * count, (12.0 + self.variance) * count)
        return one.pooled(), one

    epoch = ""

    def begin(self, session, client):
        return

    def await_optics(self, session, batch, layer):
        return

    def expect(self, request, key, plan, decoys):
        self.expected.append((key, len(plan), decoys.rows))

    def never_sent(self, reserve):
        return None

    def drop(self, dropped):
        self.dropped.append(dropped)
        if self.refuse_drop:
            raise ProtocolError(Refusal.UNAVAILABLE, "the link is gone")


class Setup:
    def __init__(self, folder, budget=None, ledger=None, **settings):
        self.ledger = ledger or BudgetFilter(folder / "ledger.db", create=True)
        self.light = Light()
        if budget is not None:
            self.ledger.register(NETWORK)
            self.ledger.set_budget(NETWORK.digest, budget, "declared")
        settings.setdefault("decoy_rate", 0.25)
        link = settings.pop("link", LINK)
        self.settings = ServerSettings(link, patience=0.0, **settings)
        self.server = ModelServer(
            NETWORK, self.settings, self.ledger, "port", np.random.default_rng(3), self.make
        )

    def make(self, port, rng):
        assert port == "port" and isinstance(rng, np.random.Generator)
        return self.light

    @property
    def ledger_events(self):
        return [event.kind for event in self.ledger._log.events()]

    @property
    def account(self):
        return self.ledger.accounts.networks[NETWORK.digest]

    def open(self, client="alice", network="", version=4):
        return self.server.open(pb.Hello(version=version, network=network), client)

    def layer(self, session, layer, batch=0, images=5, checks=0, client="alice", version=4):
        request = pb.LayerRequest(
            version=version, session=session, batch=batch, layer=layer, images=images, checks=checks
        )
        return self.server.run_layer(request, client)

    def close(self, session, client="alice", version=4):
        return self.server.close(pb.Goodbye(version=version, session=session), client)


@pytest.fixture
def at(tmp_path):
    setup = Setup(tmp_path)
    yield setup
    setup.ledger.close()


@contextmanager
def refused(kind, reason=""):
    with pytest.raises(ProtocolError) as found:
        yield
    assert found.value.refusal is kind and re.search(reason, str(found.value)), found.value


def test_a_session_begins_with_what_the_client_has_to_know(at):
    welcome = at.open()
    assert welcome.version == 4 and len(welcome.session) == 32 and welcome.network == "small"
    assert [(s.rows, s.columns, s.bias, s.scale) for s in welcome.layers] == [
        (8, 6, True, ROWS[0].scale),
        (4, 8, False, ROWS[1].scale),
    ]
    assert [(s.gain, s.photons) for s in welcome.layers] == [(1.3, 6.0)] * 2
    assert (welcome.decoy_rate, welcome.transmittance_out) == (0.25, 1.0)
    session = at.ledger.accounts.sessions[welcome.session]
    assert (session.network, session.client) == (NETWORK.digest, "alice")
    assert session.modulation_variance == [12.0, 12.0] and session.failure_probability == 1e-10
    assert session.channels == [
        LayerChannel(ChannelClass(1.0, LINK.declared_excess_noise(modes))) for modes in (3, 4)
    ]
    assert at.account.total.disclosed == disclosed_bits(ROWS)
    # Weights are held once; decoys come with each part.
    assert [(v.rows, v.modes) for v in at.light.held.values()] == [(8, 3), (4, 4)]
    assert at.open("bob").session != welcome.session and len(at.light.held) == 2


def test_networks_are_known_by_name_or_the_start_of_their_digest(at):
    for name in ("", "small", NETWORK.digest, NETWORK.digest[:8]):
        at.open(network=name)
    for name in ("large", NETWORK.digest[:7], "x" + NETWORK.digest[1:], NETWORK.digest[1:]):
        with refused(Refusal.NOT_FOUND, "is not served; allowed: small"):
            at.open(network=name)
    with refused(Refusal.INVALID_ARGUMENT, "version 1"):
        at.open(version=1)
    assert len(at.ledger.accounts.sessions) == 4


def test_a_layer_is_reserved_before_its_light_and_committed_after(at):
    session = at.open().session
    before = len(at.ledger_events)
    parts = at.layer(session, 0, images=5, checks=2)
    assert len(at.ledger_events) == before, "nothing is charged before it is asked for"
    progress = next(parts)
    assert at.ledger_events[before:] == ["reserve", "channel", "commit"]
    progress = [progress, *parts]
    assert at.ledger_events[before:] == ["reserve", "channel", "commit"] * 2
    assert [p.part for p in progress] == [0, 1]
    assert not any(p.warning for p in progress) and "agrees" in progress[0].reason
    # In each repetition every row once, in the part it belongs to, and each decoy once.
    first, second = at.light.shots
    for shot, p, rows in zip((first, second), progress, ([0, 1, 2, 3], [4, 5, 6, 7]), strict=True):
        assert np.sort(orders(p, 7)).tolist() == [[-1, *rows]] * 7 and p.order == shot.order
        assert (shot.version, shot.session, shot.batch, shot.layer) == (4, session, 0, 0)
        assert shot.images == 7 and shot.part == p.part
        assert at.light.held[shot.weights].rows == 8
    drawn = [decoys_of(shot, at.light.held[shot.weights])[0] for shot in (first, second)]
    assert drawn[0].shape == (1, 3) and not np.allclose(*drawn)
    assert [(s.first, s.stop, s.last) for s in (first, second)] == [(0, 4, False), (4, 8, True)]
    assert at.account.total.copies() == 8 * 7, "checks are charged like images"
    np.testing.assert_array_equal(at.ledger.accounts.sessions[session].committed[0], [7] * 8)


def orders(message, repetitions=5):
    assert message.mixed
    return Order.from_bytes(message.order, repetitions, True).names


def test_order_and_decoys_are_drawn_anew_for_each_repetition_and_part(at):
    session = at.open().session
    for batch in range(40):
        list(at.layer(session, 0, batch))
    shots = at.light.shots[::2]
    places = Counter(np.argmin(np.concatenate([orders(shot) for shot in shots]), axis=1).tolist())
    assert set(places) == set(range(5)) and max(places.values()) < 70
    # A slot is a row's no more often in one batch than in others.
    same = np.mean([np.mean(orders(shot)[1:] == orders(shot)[0]) for shot in shots])
    assert abs(same - 1 / 5) < 0.05
    assert len({shot.decoy_seed for shot in at.light.shots}) == len(at.light.shots)


def test_images_count_when_their_last_layer_is_done(at):
    session = at.open().session
    list(at.layer(session, 0, 0, 5))
    list(at.layer(session, 0, 1, 3))
    list(at.layer(session, 1, 1, 3, checks=2))
    receipt = at.close(session)
    assert (receipt.network, receipt.images) == ("small", 3)
    session = at.open().session
    for batch, images in ((0, 5), (7, 2)):
        for layer in (0, 1):
            list(at.layer(session, layer, batch, images))
    assert at.close(session).images == 7
    with refused(Refusal.NOT_FOUND):
        at.close(session)


def test_layers_of_a_batch_come_once_each_in_turn(at):
    session = at.open().session
    running = at.layer(session, 0)
    with refused(Refusal.ALREADY_EXISTS, "layer 0 of batch 0 was asked for already"):
        at.layer(session, 0)
    with refused(Refusal.ALREADY_EXISTS, "layer 1 of batch 0"):
        at.layer(session, 1)  # while the one before is on its way
    list(running)
    with refused(Refusal.ALREADY_EXISTS):
        at.layer(session, 0)
    with refused(Refusal.FAILED_PRECONDITION, "goes on with layer 1 and 5 images"):
        at.layer(session, 1, images=4)
    with refused(Refusal.INVALID_ARGUMENT, r"layer 2 is outside \[0, 1\]"):
        at.layer(session, 2)
    with refused(Refusal.FAILED_PRECONDITION, "goes on with layer 0 and 9 images"):
        at.layer(session, 1, batch=1, images=9)
    list(at.layer(session, 1))
    with refused(Refusal.ALREADY_EXISTS):
        at.layer(session, 1)
    with refused(Refusal.INVALID_ARGUMENT, "layer 2"):
        at.layer(session, 2)
    for fields in ({"images": 0}, {"images": 1025}, {"checks": 1025}, {"version": 1}):
        with refused(Refusal.INVALID_ARGUMENT):
            at.layer(session, 0, batch=9, **fields)
    list(at.layer(session, 0, batch=9, images=1024, checks=1024))


def test_what_was_broken_off_is_not_repeated(at):
    session = at.open().session
    parts = at.layer(session, 0)
    next(parts)
    parts.close()  # the client vanished between two parts
    for layer in (0, 1):
        with refused(Refusal.ALREADY_EXISTS):
            at.layer(session, layer)
    assert at.close(session).images == 0


def test_a_session_belongs_to_one_client(at):
    session = at.open("alice").session
    for ask in (lambda: at.layer(session, 0, client="bob"), lambda: at.close(session, "bob")):
        with refused(Refusal.NOT_FOUND, "there is no such session"):
            ask()
    with refused(Refusal.NOT_FOUND):
        at.close("nonsense")
    with refused(Refusal.INVALID_ARGUMENT, "version"):
        at.close(session, version=0)
    at.close(session)


def test_a_refusal_ends_the_session_and_is_remembered(at, caplog):
    session = at.open().session
    at.light.variance, at.light.symbols = 9.0, 100_000
    caplog.set_level(logging.WARNING, "shotveil.server")
    with refused(Refusal.ABORTED, "verification refused: more excess noise"):
        list(at.layer(session, 0))
    assert "client alice is refused" in caplog.text
    account = at.ledger.accounts.sessions[session]
    assert account.ended.startswith("ABORTED: verification refused")
    # Not committed, and what was declared is not believed: in no layer.
    assert at.ledger.accounts.outstanding
    assert [c.declared for c in account.channels] == [c.certified for c in account.channels]
    assert account.channels[0].certified.excess_noise > 8 and account.channels[1].certified == LOST
    assert at.ledger_events[-4:] == ["refused", "channel", "channel", "end"]
    (dropped,) = at.light.dropped
    assert dropped.session == session and dropped.refusal == "ABORTED"
    assert dropped.reason.startswith("verification refused: more excess noise")
    for ask in (lambda: at.layer(session, 0, 5), lambda: at.close(session)):
        with refused(Refusal.ABORTED, "verification refused"):  # as it was said
            ask()
    with refused(Refusal.NOT_FOUND):
        at.layer(session, 0, client="bob")


def test_the_first_refusal_is_what_all_are_told(at):
    session = at.open().session
    beside = at.layer(session, 0, batch=1)
    next(beside)
    at.light.variance, at.light.symbols = 9.0, 100_000
    with refused(Refusal.ABORTED):
        list(at.layer(session, 0, batch=0))
    with refused(Refusal.ABORTED, "verification refused"):
        list(beside)


def test_warnings_are_passed_on(at, caplog):
    """Little by little the excess is found: at one in a thousand before one in a million."""
    caplog.set_level(logging.WARNING, "shotveil.server")
    session = at.open().session
    at.light.variance, at.light.symbols = 1.7, 5
    batch, warned = 0, []
    while not warned and batch < 500:
        warned = [p for p in at.layer(session, 0, batch) if p.warning]
        batch += 1
    assert "more excess noise" in warned[0].reason and "0.001" in warned[0].reason
    assert "client alice: more excess noise" in caplog.text
    # It is a warning: what was sent is committed, and the session goes on.
    assert not at.ledger.accounts.outstanding
    assert at.close(session).images == 0


def test_a_certificate_restates_the_channel_of_its_layer(at):
    session = at.open().session
    at.light.symbols = 10
    list(at.layer(session, 0))
    at.light.symbols = 2000  # of each of 4 modes and in each of two parts: 16,000
    list(at.layer(session, 1))
    account = at.ledger.accounts.sessions[session]
    assert account.channels[1].certified != LOST and account.channels[0].certified == LOST
    assert account.channels[1].declared == (1.0, LINK.declared_excess_noise(4))
    # It is restated before the part is committed: nothing ever counts at the better channel.
    assert at.ledger_events[-3:] == ["reserve", "channel", "commit"]
    before = at.ledger_events.count("channel")
    at.light.symbols = 1
    list(at.layer(session, 0, batch=1))
    assert at.ledger_events.count("channel") == before, "hardly more light tells nothing new"


def test_evidence_goes_on_over_sessions_and_restarts(tmp_path):
    """Noise that no session shows by itself is found over all of them, and the refusal stays."""
    setup, sessions = Setup(tmp_path), 0
    with refused(Refusal.ABORTED, "more excess noise"):
        while sessions < 200:
            setup.light.variance, setup.light.symbols = 1.7, 5
            session = setup.open().session
            list(setup.layer(session, 0))
            setup.close(session)
            sessions += 1
            if sessions % 5 == 0:
                setup.ledger.close()
                setup = Setup(tmp_path)
    assert sessions > 5, "over a restart"
    for restart in (False, True):
        if restart:
            setup.ledger.close()
            setup = Setup(tmp_path)
        with refused(Refusal.PERMISSION_DENIED, "until the owner readmits it: more excess noise"):
            setup.open()
        setup.close(setup.open("bob").session, "bob")  # of bob nothing is known
    charged = setup.account.total.bits("certified")
    setup.ledger.readmit("alice")
    assert setup.account.total.bits("certified") == charged
    # A new beginning: evidence is gathered again, beside light that stays charged as it was.
    setup.light.variance = 1.0
    session = setup.open().session
    list(setup.layer(session, 0))
    assert setup.account.total.bits("certified") > charged
    setup.ledger.close()


def test_all_sessions_of_a_client_have_one_channel(tmp_path):
    """The light of earlier sessions is charged at what is known now, and of one client alone."""
    setup = Setup(tmp_path)
    charged = []
    for symbols in (1000, 10_000, 100_000):
        setup.light.symbols = symbols
        session = setup.open().session
        list(setup.layer(session, 0))
        setup.close(session)
        channels = {id(s.channels) for s in setup.ledger.accounts.sessions.values()}
        assert len(channels) == 1
        charged.append(setup.ledger.accounts.sessions[session].channels[0].certified.excess_noise)
    assert charged[0] > charged[1] > charged[2]
    first = setup.account.total.bits("certified")
    bobs = setup.ledger.accounts.sessions[setup.open("bob").session]
    assert bobs.channels[0].certified == LOST
    # Other terms begin anew.
    setup.ledger.close()
    other = Setup(tmp_path, link=Link(1.3, 7.0))
    assert other.account.total.bits("certified") == pytest.approx(first)
    later = other.ledger.accounts.sessions[other.open().session]
    assert later.channels[0].certified == LOST and later.standing
    other.ledger.close()


def test_a_client_that_is_refused_in_one_session_gets_no_light_in_another(at):
    bad, beside = (at.open().session for _ in range(2))
    parts = at.layer(beside, 0)
    next(parts)
    at.light.variance, at.light.symbols = 9.0, 100_000
    with refused(Refusal.ABORTED):
        list(at.layer(bad, 0))
    shots = len(at.light.shots)
    with refused(Refusal.ABORTED, "verification refused: more excess noise"):
        next(parts)
    assert len(at.light.shots) == shots


def test_a_budget_lets_out_as_many_rows_as_fit(tmp_path):
    told = disclosed_bits(ROWS) / (8 * 6 + 4 * 8)
    setup = Setup(tmp_path, budget=told + 0.6)
    session = setup.open().session
    with refused(Refusal.RESOURCE_EXHAUSTED, "budget exhausted"):
        progress = []
        progress.extend(setup.layer(session, 0, images=1000))
    named = [orders(p, 1000) for p in progress]
    rows = sorted(slot for order in named for slot in order[0] if slot >= 0)
    assert rows == list(range(len(rows))) and 0 < len(rows) < 8
    assert setup.account.total.bits("declared") <= told + 0.6
    # Decoys go with the rows that they lie among, cut as the budget cuts.
    decoys = sum(np.sum(order[0] < 0) for order in named)
    assert decoys == sum(d * 4 < len(rows) for d in range(2))
    assert [s.part for s in setup.light.shots] == list(range(len(setup.light.shots)))
    assert setup.ledger.accounts.sessions[session].ended.startswith("RESOURCE_EXHAUSTED: budget")
    setup.ledger.close()


def test_a_session_that_the_budget_does_not_let_in_leaves_room(tmp_path):
    setup = Setup(tmp_path, budget=0.01, sessions=1)
    for _ in range(2):
        with refused(Refusal.RESOURCE_EXHAUSTED, "the session alone"):
            setup.open()
    assert not setup.ledger.accounts.sessions and not setup.light.dropped
    setup.ledger.set_budget(NETWORK.digest, None, "declared")
    setup.open()
    setup.ledger.close()


def test_a_layer_sent_whole_is_one_reserve(at):
    session = at.open().session
    at.light.whole = True
    before = len(at.ledger_events)
    parts = at.layer(session, 0)
    first = next(parts)
    assert at.ledger_events[before:] == ["reserve"], "committed with the last part alone"
    assert [expected[1:] for expected in at.light.expected] == [(2, 2)]
    assert sorted(orders(first)[0]) == [-2, -1, 0, 1, 2, 3]
    (last,) = parts
    assert sorted(orders(last)[0]) == [4, 5, 6, 7] and (first.part, last.part) == (0, 1)
    assert at.ledger_events[before:] == ["reserve", "channel", "commit"]
    assert [(s.first, s.stop, s.last) for s in at.light.shots] == [(0, 4, False), (4, 8, True)]


def test_sessions_are_limited_and_make_room_when_idle(tmp_path, monkeypatch):
    start = time.monotonic()
    now = [start]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    setup = Setup(tmp_path, sessions=2, idle=10.0)
    first, second = setup.open("a").session, setup.open("b").session
    for session, client in ((first, "a"), (second, "b")):
        list(setup.layer(session, 0, client=client))  # used at 0
    now[0] = start + 9
    with refused(Refusal.RESOURCE_EXHAUSTED, "2 sessions are open already"):
        setup.open("c")
    running = setup.layer(first, 1, client="a")  # used at 9
    now[0] = start + 10
    with refused(Refusal.RESOURCE_EXHAUSTED):
        setup.open("c")  # 10 s are not more than 10 s
    now[0] = start + 10.5
    third = setup.open("c").session
    list(setup.layer(third, 0, client="c"))
    assert setup.ledger.accounts.sessions[second].ended == "idle"
    now[0] = start + 20
    with refused(Refusal.RESOURCE_EXHAUSTED):
        setup.open("d")  # what runs is not idle, however long it takes
    list(running)
    setup.open("d")
    ended = {s: setup.ledger.accounts.sessions[s].ended for s in (first, third)}
    assert ended == {first: "idle", third: ""}
    setup.ledger.close()


def test_all_sessions_end_with_the_server(at):
    sessions = [at.open(name).session for name in "ab"]
    at.light.refuse_drop = True  # the link may be gone already
    at.server.shut_down()
    assert [at.ledger.accounts.sessions[s].ended for s in sessions] == ["the server shut down"] * 2
    assert [d.reason for d in at.light.dropped] == [
        "the session was ended: the server shut down"
    ] * 2
    at.server.shut_down()
    assert len(at.light.dropped) == 2


def test_a_server_that_drains_waits_for_no_session_that_is_quiet(at, monkeypatch):
    class Hurry(threading.Event):
        waited = 0

        def wait(self, timeout=None):
            self.waited += 1
            return True

    at.open()  # no layer was ever sent
    at.server.drain(hurry := Hurry(), 60)
    assert hurry.waited == 1  # it began just now
    monkeypatch.setattr("shotveil.host.parties.server.QUIET_SECONDS", 0.0)
    at.server.drain(hurry, 60)
    assert hurry.waited == 1


def test_reasons_are_cut_to_what_the_link_takes(at):
    session = at.open().session
    found = at.server._sessions[session]
    at.server._end(session, found, "x" * 2000)
    (dropped,) = at.light.dropped
    assert len(dropped.reason) == MOST_REASON and dropped.reason.endswith("x…")
    assert at.ledger.accounts.sessions[session].ended == "x" * 2000
    session = at.open().session
    exact = "y" * (MOST_REASON - len("the session was ended: "))
    at.server._end(session, at.server._sessions[session], exact)
    assert at.light.dropped[1].reason == f"the session was ended: {exact}"


def test_of_refusals_the_last_few_are_remembered(at):
    refusal = ProtocolError(Refusal.ABORTED, "no")
    sessions = []
    for _ in range(MOST_SESSIONS + 1):
        session = at.open().session
        sessions.append(session)
        at.server._end(session, at.server._sessions[session], "no", refusal)
    with refused(Refusal.NOT_FOUND):
        at.close(sessions[0])
    for session in sessions[1:]:
        with refused(Refusal.ABORTED):
            at.close(session)


def named_rows(progress, shots, repetitions):
    """Return, for each repetition, the name under which the client reads each row that was sent."""
    places = np.full((repetitions, 8), -1)
    for told, shot in zip(progress, shots, strict=True):
        names, sent = orders(told, repetitions), orders(shot, repetitions)
        np.testing.assert_array_equal(names < 0, sent < 0)
        np.testing.assert_array_equal(names[names < 0], sent[sent < 0])
        for repetition, (name, row) in enumerate(zip(names, sent, strict=True)):
            places[repetition, row[row >= 0]] = name[row >= 0]
    return places


def test_hidden_units_come_in_an_order_of_their_own_for_each_image(tmp_path):
    at = Setup(tmp_path, fresh_orders=True)
    welcome = at.open()
    session, held = welcome.session, dict(at.light.held)
    assert welcome.most_images == 1 and at.open("bob").most_images == 1
    seen = []
    for batch in range(60):
        progress = list(at.layer(session, 0, batch, images=1, checks=2))
        places = named_rows(progress, at.light.shots[-2:], 3)
        assert np.sort(places[0]).tolist() == list(range(8)) and (places == places[0]).all()
        outputs = list(at.layer(session, 1, batch, images=1))
        (key,) = at.light.dropped[-1].keys
        sent = at.light.held.pop(key)
        assert [shot.weights for shot in at.light.shots[-2:]] == [key, key] and key not in held
        # What the client reads as unit `places[0][r]` is row r, and meets the column of row r.
        columns = NETWORK.layers[1].weights[:, np.argsort(places[0])]
        expected = encode_rows(columns, LINK.modulation_variance)
        np.testing.assert_allclose(sent.x, expected.x)
        np.testing.assert_allclose(sent.p, expected.p)
        told = [message.order for message in outputs]
        assert told == [shot.order for shot in at.light.shots[-2:]], "outputs keep their places"
        seen.append(places[0])
    assert at.light.held == held and not at.server._sessions[session].orders
    # Each row is at each place in one image of eight, whatever place it had before.
    often = np.array([np.bincount(row, minlength=8) for row in np.array(seen).T])
    assert often.min() > 0 and often.max() < 22
    assert len({tuple(places) for places in seen}) == 60
    # Rows are charged by their own names.
    np.testing.assert_array_equal(at.ledger.accounts.sessions[session].committed[0], [180] * 8)
    at.ledger.close()


def test_in_a_fresh_order_an_image_comes_alone(tmp_path):
    """Whoever read many images or checks in one order would need no matching."""
    at = Setup(tmp_path, fresh_orders=True)
    session = at.open().session
    before = len(at.ledger_events)
    with refused(Refusal.INVALID_ARGUMENT, r"images of a batch in a fresh order = 2 is outside"):
        at.layer(session, 0, images=2)
    with refused(Refusal.INVALID_ARGUMENT, r"checks of a batch in a fresh order = 3 is outside"):
        at.layer(session, 0, images=1, checks=3)
    assert len(at.ledger_events) == before and not at.light.shots
    # What is broken off is forgotten, and its rows are not kept.
    parts = at.layer(session, 0, images=1)
    next(parts)
    parts.close()
    assert not at.server._sessions[session].orders
    list(at.layer(session, 0, 1, images=1))
    parts = at.layer(session, 1, 1, images=1)
    next(parts)
    parts.close()
    assert len(at.light.dropped) == 1 and not at.server._sessions[session].orders
    at.ledger.close()
    alone = Network("alone", (Layer(RNG.normal(size=(4, 8))),))
    ledger = BudgetFilter(tmp_path / "alone.db", create=True)
    settings = ServerSettings(LINK, fresh_orders=True)
    with pytest.raises(RangeError, match="alone cannot be permuted; allowed: whole files of dense"):
        ModelServer(alone, settings, ledger, "port", np.random.default_rng(1), at.make)
    ledger.close()


@pytest.fixture
def two(database, tmp_path):
    """Two servers of a fleet."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg")
    make_ledger(database)
    with open_filter(database) as first, open_filter(database) as second:
        yield Setup(tmp_path, ledger=first), Setup(tmp_path, ledger=second)


def test_a_client_that_comes_back_is_judged_by_what_all_servers_know(two):
    """Else what another server learned meanwhile would be written over, to and fro."""
    one, other = two

    def serve(at, session, batch):
        for layer in (0, 1):
            list(at.layer(session, layer, batch))

    def known(at):
        return {
            name: Period.from_bytes(data).decoys.count.sum()
            for name, data in at.ledger.take_over("alice").items()
        }

    serve(one, one.open().session, 0)
    once = known(one)
    serve(other, other.open().session, 0)
    # Its first session there is over, but nobody has told the server that has it.
    session = one.open().session
    serve(one, session, 0)
    assert once and known(one) == {name: 3 * count for name, count in once.items()}
    # A second session at the same server goes on with what the first one knows.
    again = one.open().session
    assert one.server._sessions[again].monitor is one.server._sessions[session].monitor
    serve(one, session, 1)
    serve(one, again, 0)
    assert known(one) == {name: 5 * count for name, count in once.items()}


def test_settings_are_checked():
    settings = ServerSettings(LINK)
    assert (settings.decoy_rate, settings.patience) == (1 / 16, 10.0)
    assert (settings.sessions, settings.idle) == (MOST_SESSIONS, IDLE_SECONDS) == (256, 600.0)
    assert settings.monitor == MonitorSettings()
    for fields in (
        *({"decoy_rate": rate} for rate in (0.0, 1.01, math.nan)),
        *({"sessions": number} for number in (0, 257, 1.5)),
        {"link": Link(1.3, 0.0)},
    ):
        with pytest.raises(RangeError, match=r"decoy rate|sessions|photons"):
            ServerSettings(**{"link": LINK, **fields})
    ServerSettings(LINK, decoy_rate=1.0, sessions=256)
    ServerSettings(LINK, sessions=1)


def test_what_a_session_tells_besides_its_light():
    expected = sum(64 + RowMoments.of(rows).bits for rows in ROWS)
    assert disclosed_bits(ROWS) == expected > 128
    assert disclosed_bits([]) == 0


def test_decoys_are_rounded_up(tmp_path):
    setup = Setup(tmp_path, decoy_rate=0.13)
    session = setup.open().session
    for layer in (0, 1):
        list(setup.layer(session, layer))
    sent = [(shot.layer, (orders(shot)[0] < 0).sum()) for shot in setup.light.shots]
    assert [sum(n for layer, n in sent if layer == i) for i in (0, 1)] == [2, 1]
    setup.ledger.close()


def test_a_session_that_is_just_beginning_does_not_give_way(at):
    """Of a client that begins many at once, while the link is slow to answer the first."""
    server, names = at.server, []

    def slow(session, client):
        at.light.begin = lambda session, client: None
        names.extend(at.open().session for _ in range(MOST_OF_CLIENT))

    at.light.begin = slow
    first = at.open().session
    # The last of the others took the place of the one that was used least recently.
    assert set(server._sessions) == {first, *names[1:]}
    ended = {name for name, each in at.ledger.accounts.sessions.items() if each.ended}
    assert ended == {names[0]}
    server.shut_down()
    assert all(each.ended for each in at.ledger.accounts.sessions.values())


def test_a_session_that_begins_while_the_server_shuts_down_is_ended(at):
    at.light.begin = lambda session, client: at.server.shut_down()
    with pytest.raises(ProtocolError, match="the server shuts down"):
        at.open()
    (session,) = at.ledger.accounts.sessions.values()
    assert session.ended == "the server shut down" and not at.server._sessions


def test_light_that_is_not_mixed_is_never_certified(tmp_path):
    setup = Setup(tmp_path)
    setup.light.mixes, setup.light.symbols = False, 100_000
    session = setup.open().session
    list(setup.layer(session, 0))
    channel = setup.ledger.accounts.sessions[session].channels[0]
    assert channel.certified == LOST and channel.declared != LOST
    setup.ledger.close()


def test_a_link_that_cannot_be_asked_now_is_asked_again_when_a_session_begins(at):
    server, light = at.server, at.light
    asked, answers = [], [ProtocolError(Refusal.UNAVAILABLE, "cut"), {"by": "link"}, None]
    first = at.open().session
    reserve = at.ledger.reserve(first, 0, 0, 4, 1, emission=Emission("e", 0, 0))

    def never_sent(reserve):
        asked.append(reserve)
        if isinstance(answer := answers.pop(0), ProtocolError):
            raise answer
        return answer

    light.never_sent = never_sent
    server._settle(reserve)
    assert asked == [reserve] and reserve.sequence in at.ledger.accounts.outstanding
    at.open("bob")
    assert asked == [reserve] * 2 and reserve.sequence not in at.ledger.accounts.outstanding
    at.open("bob")
    assert asked == [reserve] * 2 and at.ledger_events.count("settle") == 1


def test_a_session_that_the_budget_does_not_let_in_is_no_longer_known_to_the_link(tmp_path):
    setup = Setup(tmp_path, budget=0.001)
    for epoch, dropped in (("", 0), ("e", 1)):  # a link that keeps sessions has an epoch
        setup.light.epoch = epoch
        with refused(Refusal.RESOURCE_EXHAUSTED, "the session alone"):
            setup.open()
        assert len(setup.light.dropped) == dropped and not setup.server._sessions
    setup.ledger.close()
