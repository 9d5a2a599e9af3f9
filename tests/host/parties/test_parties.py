"""Server, client and link joined in one process: results, privacy of messages, order, refusals."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.leakage.composition import LOST
from shotveil.host.leakage.data import data_leakage, image_bits
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.ledger.accounts import Accounts, Emission
from shotveil.host.ledger.checkpoints import Checkpoint
from shotveil.host.ledger.data_ledger import DataBudgetExhausted, DataLedger
from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.local import LocalModel
from shotveil.host.parties.server import ModelServer, ServerSettings, disclosed_bits
from shotveil.host.parties.transmitter import SymbolTransmitter
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.host.run.inference import infer
from shotveil.host.run.schedule import Part
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Link
from tests.host.parties.parties import IMAGES, LINK, NETWORK, SEED, parties


class TappedLink:
    """Passes everything on and keeps every message, with who sent and who received it."""

    def __init__(self, link, messages):
        self._link, self.messages = link, messages

    def load(self, emissions):
        def seen():
            for emission in emissions:
                self.messages.append(("server", "link", emission))
                yield emission

        return self._link.load(seen())

    def emit(self, shot):
        self.messages.append(("server", "link", shot))
        returned = self._link.emit(shot)
        self.messages.append(("link", "server", returned))
        return returned

    def drop(self, dropped):
        self.messages.append(("server", "link", dropped))
        return self._link.drop(dropped)

    def __getattr__(self, name):  # what carries no array: claims, sessions, statements
        return getattr(self._link, name)

    def measure(self, settings):
        self.messages.append(("client", "link", settings))
        readings = self._link.measure(settings)  # at once, as the link itself does

        def seen():
            for reading in readings:
                self.messages.append(("link", "client", reading))
                yield reading

        return seen()


class TappedModel(LocalModel):
    def __init__(self, server, client, messages):
        super().__init__(server, client)
        self.messages = messages

    def open(self, hello):
        self.messages.append(("client", "server", hello))
        welcome = super().open(hello)
        self.messages.append(("server", "client", welcome))
        return welcome

    def run_layer(self, request):
        self.messages.append(("client", "server", request))
        for progress in super().run_layer(request):
            self.messages.append(("server", "client", progress))
            yield progress


class _Refused:
    def __init__(self, refusal, reason=""):
        self._refusal, self._reason = refusal, reason

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is ProtocolError, f"{kind} instead of a refusal"
        assert error.refusal is self._refusal and self._reason in str(error), error
        return True


@pytest.mark.parametrize("batch", [256, 100, 1])
def test_one_seed_gives_the_results_of_in_process_inference(tmp_path, batch, monkeypatch):
    monkeypatch.setattr("shotveil.host.run.inference.IMAGES_IN_BATCH", batch)
    images = IMAGES[:5] if batch == 1 else IMAGES
    expected = infer(NETWORK, images, LINK, np.random.default_rng(SEED))
    with parties(tmp_path) as (_, _, client):
        outputs = client().classify(images, batch)
    np.testing.assert_allclose(outputs, expected.outputs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("symbol_level", [False, True])
def test_fresh_orders_of_hidden_units_leave_the_outputs_as_they_are(tmp_path, symbol_level):
    """In light so bright that noise hides nothing; a client that asks for more gets one by one."""
    bright = Link(gain=2.0, photons=1e7)
    how = {"true_link": bright, "declared": bright, "symbol_level": symbol_level}
    with parties(tmp_path, fresh_orders=True, **how) as (ledger, server, client):
        alice = client(max_image_bits=1e9, check_rate=0.02)
        outputs = alice.classify(IMAGES[:6], 4)
        alice.close()
        assert server.images == 6 and not ledger.accounts.outstanding
    expected = NETWORK.forward(IMAGES[:6])
    np.testing.assert_allclose(outputs, expected, atol=0.02 * np.abs(expected).max())


def test_later_sessions_have_noise_of_their_own(tmp_path):
    with parties(tmp_path) as (_, _, client):
        first, second = client().classify(IMAGES[:50]), client().classify(IMAGES[:50])
    assert np.abs(first - second).min() > 0


def numbers(message):
    """All that a message holds, as numbers: fields, and arrays unpacked."""
    found = []
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for item in values:
            if isinstance(item, bytes):
                kind = {"places": "<i4", "order": "<i4", "measure_p": "u1"}.get(field.name, "<f8")
                found.extend(np.frombuffer(item, kind).tolist())
            elif isinstance(item, (int, float)):
                found.append(float(item))
            elif not isinstance(item, str):
                found.extend(numbers(item))
    return np.array(found)


def test_no_message_carries_data_to_the_server_or_weights_to_the_client(tmp_path):
    """Every message is unpacked and held against the secrets, exactly and by correlation."""
    messages = []
    images = IMAGES[:40]
    with parties(tmp_path, tap=lambda link: TappedLink(link, messages)) as (_, server, _):
        port = server._light._port
        model = TappedModel(server, "alice", messages)
        DataClient(model, port, np.random.default_rng(3)).classify(images, 20)
    to_server = [m for _, to, m in messages if to == "server"]
    to_client = [m for _, to, m in messages if to == "client"]
    # Each side got only what its own end gives.
    assert {type(m) for m in to_server} == {pb.Hello, pb.LayerRequest, pb.Returned}
    assert {type(m) for m in to_client} == {pb.Welcome, pb.Progress, pb.Reading}

    xi, norms = directions(NETWORK.layers[0].inputs_of(images))
    data = np.concatenate([images.ravel(), xi.real.ravel(), xi.imag.ravel(), norms])
    rows = [encode_rows(layer.weights, LINK.modulation_variance) for layer in NETWORK.layers]
    weights = np.concatenate(
        [layer.weights.ravel() for layer in NETWORK.layers]
        + [part.ravel() for r in rows for part in (r.x, r.p)]
    )

    def common(messages, secret):
        held = np.unique(np.concatenate([numbers(m) for m in messages]))
        # Whole numbers are counters, which may equal a pixel by chance.
        held, secret = held[held != np.rint(held)], secret[secret != np.rint(secret)]
        return np.intersect1d(held.round(12), secret.round(12))

    assert len(common([m for who, _, m in messages if who == "client"], data)) > 100, "no check"
    assert len(common([m for who, _, m in messages if who == "server"], weights)) > 100, "no check"
    assert len(common(to_server, data)) == 0
    assert len(common(to_client, weights)) == 0
    # Sums over a part, and one value for each image and slot: nothing of the size of the secrets.
    for message in to_server:
        if isinstance(message, pb.Returned):
            assert len(numbers(message)) <= 3 * message.modes + 8
    # The client's values are products with the weights: as noisy as the physics says.
    readings = [m for m in to_client if isinstance(m, pb.Reading)]
    assert all(len(m.values) == 8 * 20 * m.slots for m in readings)


def test_decoys_look_like_weights_to_the_client(tmp_path):
    """Readings in decoy slots have the spread of the others, and any place among them."""
    messages = []
    with parties(tmp_path, tap=lambda link: TappedLink(link, messages), decoy_rate=0.5) as (
        _,
        server,
        _,
    ):
        model = TappedModel(server, "alice", messages)
        DataClient(model, server._light._port, np.random.default_rng(3)).classify(IMAGES, 600)
    reading = next(m for _, _, m in messages if isinstance(m, pb.Reading))
    progress = next(m for _, _, m in messages if isinstance(m, pb.Progress))
    values = np.frombuffer(reading.values).reshape(600, reading.slots)
    order = Order.from_bytes(progress.order, 600, progress.mixed)
    assert progress.mixed and (order.listed < 0).sum() == 32
    # Every slot holds as much of the decoys as any other, so all of them read alike.
    spread = np.sqrt((values**2).mean(axis=0))
    assert spread.max() / spread.min() < 1.5
    decoy = np.where(order.listed < 0, 1.0, 0.0)
    share = np.mean(order.played(np.tile(decoy, (600, 1))) ** 2, axis=0)
    assert np.abs(share - 1 / 3).max() < 5 * np.sqrt(2 / 9 / 600)


def test_layers_go_in_order_once_each(tmp_path):
    with parties(tmp_path) as (ledger, server, client):
        open_client = client()
        session = open_client.welcome.session

        def ask(batch, layer, images=5, name="alice", session=session):
            request = pb.LayerRequest(
                version=4, session=session, batch=batch, layer=layer, images=images
            )
            return server.run_layer(request, name)

        before = ledger._log.head
        with _Refused(Refusal.FAILED_PRECONDITION):
            ask(0, 1)  # the first layer comes first
        with _Refused(Refusal.INVALID_ARGUMENT):
            ask(0, 0, images=0)
        with _Refused(Refusal.INVALID_ARGUMENT):
            ask(0, 0, images=10**6)
        with _Refused(Refusal.NOT_FOUND):
            ask(0, 0, name="mallory")  # somebody else's session
        with _Refused(Refusal.NOT_FOUND):
            ask(0, 0, session="nonsense")
        assert ledger._log.head == before, "a refusal was charged"
        open_client.classify(IMAGES[:5])
        charged = ledger._log.head
        for layer in (0, 1):
            with _Refused(Refusal.ALREADY_EXISTS):
                ask(0, layer)  # replayed
        assert ledger._log.head == charged, "a replay was charged"


def told_alone(ledger):
    """Whether nothing is charged but what every session discloses."""
    total = ledger.accounts.networks[NETWORK.digest].total
    return total.bits("declared") == pytest.approx(total.disclosed / NETWORK.weights)


def test_a_client_that_never_sets_its_optics_is_charged_nothing(tmp_path):
    with parties(tmp_path) as (ledger, server, client):
        session = client().welcome.session
        request = pb.LayerRequest(version=4, session=session, batch=0, layer=0, images=5)
        with _Refused(Refusal.DEADLINE_EXCEEDED):
            list(server.run_layer(request, "alice"))
        assert told_alone(ledger) and not ledger.accounts.outstanding
        assert ledger.accounts.sessions[session].ended
        with _Refused(Refusal.DEADLINE_EXCEEDED):  # the session's last word
            server.run_layer(request, "alice")


def _settings(session, images, batch=0):
    xi = np.zeros((images, 21))
    xi[:, 0] = 1
    return pb.Settings(
        version=4,
        session=session,
        batch=batch,
        layer=0,
        gain=LINK.gain,
        images=images,
        modes=21,
        real=xi.tobytes(),
        imaginary=(0 * xi).tobytes(),
    )


def test_light_that_the_link_shows_was_never_sent_is_not_charged(tmp_path):
    """The client is ready for other light than it asked for, so the link sends none."""
    links = []
    with parties(tmp_path, tap=lambda link: links.append(link) or link) as (ledger, server, client):
        session = client().welcome.session
        links[0].measure(_settings(session, images=3))
        request = pb.LayerRequest(version=4, session=session, batch=0, layer=0, images=5)
        with _Refused(Refusal.FAILED_PRECONDITION):
            list(server.run_layer(request, "alice"))
        kinds = [event.kind for event in ledger.log.events()]
        assert kinds[-3:] == ["reserve", "settle", "end"]
        assert told_alone(ledger) and not ledger.accounts.outstanding
        settled = next(e for e in ledger.log.events() if e.kind == "settle")
        assert json.loads(settled.body["evidence"]["statement"])["emitted"] is False


def test_light_that_left_stays_charged_whatever_comes_back(tmp_path):
    class Deaf:
        """A link whose answers to the server are lost on the way, though its light left."""

        def __init__(self, link):
            self._link = link

        def __getattr__(self, name):
            return getattr(self._link, name)

        def emit(self, shot):
            self._link.emit(shot)
            raise ProtocolError(Refusal.UNAVAILABLE, "the cable was cut")

    with parties(tmp_path, tap=Deaf) as (ledger, _, client):
        with _Refused(Refusal.UNAVAILABLE):
            client().classify(IMAGES[:5])
        assert len(ledger.accounts.outstanding) == 1
        total = ledger.accounts.networks[NETWORK.digest].total
        lost = float(majorant_after(5, LINK.modulation_variance, *LOST))
        share = NETWORK.layers[0].weights.size / NETWORK.weights
        told = total.disclosed / NETWORK.weights
        assert total.bits("declared") == pytest.approx(share * lost + told)


def test_a_server_that_starts_settles_what_the_one_before_never_sent(tmp_path):
    links = []
    with parties(tmp_path, tap=lambda link: links.append(link) or link) as (ledger, _, client):
        asked = client()
        asked.classify(IMAGES[:5])
        session, epoch = asked.welcome.session, links[0]._sessions.epoch
        sent = ledger.reserve(session, 0, 0, 64, 5, emission=Emission(epoch, 0, 0))
        never = ledger.reserve(session, 0, 0, 64, 5, emission=Emission(epoch, 7, 0))
        other = ledger.reserve(session, 0, 0, 64, 5, emission=Emission("of long ago", 7, 0))
        ModelServer(NETWORK, ServerSettings(LINK), ledger, links[0], np.random.default_rng(1))
        assert set(ledger.accounts.outstanding) == {sent.sequence, other.sequence}
        with pytest.raises(RangeError, match="not outstanding"):
            ledger.settle(never.sequence, {})


def test_a_link_that_begins_anew_is_loaded_again(tmp_path):
    links = []
    with parties(tmp_path, tap=lambda link: links.append(link) or link) as (ledger, _, client):
        before = client()
        before.classify(IMAGES[:5])
        links[0].claim()  # as a link that was restarted: it knows no rows and no session
        after = client("bob")
        assert after.classify(IMAGES[:5]).shape == (5, 10)
        assert ledger.accounts.sessions[before.welcome.session].ended == "the link began anew"
        with pytest.raises(ProtocolError):
            before.classify(IMAGES[:5])


def test_a_client_takes_room_from_itself_alone(tmp_path):
    with parties(tmp_path, sessions=12) as (_, server, client):
        others = [client(name) for name in ("bob", "carol", "dave")]
        for _ in range(40):
            client("alice")
        assert [s.client for s in server._sessions.values()].count("alice") == 8
        for other in others:
            assert other.classify(IMAGES[:2]).shape == (2, 10)


def test_a_receipt_shows_that_the_ledger_was_put_back(tmp_path):
    with parties(tmp_path) as (ledger, _, client):
        asked = client()
        asked.classify(IMAGES[:5])
        receipt = asked.close().checkpoint
        assert Checkpoint.parse(receipt).head == ledger.log.head
        client(checkpoint=receipt)
        now, old = ledger.log.head, list(ledger.log.events())[2]
        ledger.log._head = Head(old.sequence, old.digest)  # as an older copy says
        with _Refused(Refusal.FAILED_PRECONDITION):
            client("bob", checkpoint=receipt)
        with _Refused(Refusal.FAILED_PRECONDITION):
            client("bob", checkpoint="x")
        ledger.log._head = now


def test_the_session_is_charged_as_its_images_say(tmp_path):
    with parties(tmp_path) as (ledger, _, client):
        client().classify(IMAGES[:300], 100)
        account = ledger.accounts.networks[NETWORK.digest]
        expected = sum(
            layer.weights.size
            * float(
                majorant_after(
                    300, LINK.modulation_variance, 1.0, LINK.declared_excess_noise(layer.modes)
                )
            )
            for layer in NETWORK.layers
        )
        expected += account.total.disclosed
        assert account.total.bits("declared") == pytest.approx(expected / NETWORK.weights)
        assert account.total.bits("certified") > account.total.bits("declared")
        assert not ledger.accounts.outstanding


def test_an_exhausted_budget_refuses_and_holds(tmp_path):
    with parties(tmp_path, budget=2.5) as (ledger, _, client):
        with _Refused(Refusal.RESOURCE_EXHAUSTED):
            client().classify(np.repeat(IMAGES, 20, axis=0), 50)
        assert ledger.accounts.networks[NETWORK.digest].total.copies() > 0
        accounts = Accounts()
        with EventLog(ledger._log.path, writable=False) as log:
            for event in log.events():
                accounts.apply(event)
                if accounts.networks:
                    total = accounts.networks[NETWORK.digest].total
                    assert total.bits("declared") <= 2.5


def test_eight_clients_at_once_share_one_budget(tmp_path):
    refusals = []
    with parties(tmp_path, budget=2.6) as (ledger, _, client):

        def work(number):
            try:
                client(f"client-{number}").classify(np.repeat(IMAGES, 20, axis=0), 20)
            except ProtocolError as error:
                refusals.append((error.refusal, str(error)))

        threads = [threading.Thread(target=work, args=[i]) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Of the server or of the link, whichever tells them first.
        assert [kind for kind, _ in refusals] == [Refusal.RESOURCE_EXHAUSTED] * 8, refusals
        accounts = Accounts()
        with EventLog(ledger._log.path, writable=False) as log:
            for event in log.events():
                accounts.apply(event)
                if accounts.networks:
                    total = accounts.networks[NETWORK.digest].total
                    assert total.bits("declared") <= 2.6
        assert len(accounts.networks[NETWORK.digest].clients) > 1


@pytest.mark.parametrize(
    "true_link, reason",
    [
        (Link(gain=1.3, photons=6.0, transmittance_back=0.9), "less transmittance"),
        (Link(gain=1.3, photons=6.0, excess_noise=0.3), "more excess noise"),
    ],
)
def test_a_channel_that_is_not_as_declared_is_refused(tmp_path, true_link, reason):
    with parties(tmp_path, true_link=true_link) as (ledger, _, client):
        asked = client()
        with pytest.raises(ProtocolError, match=reason):
            asked.classify(np.repeat(IMAGES, 5, axis=0), 20)
        session = ledger.accounts.sessions[asked.welcome.session]
        assert "ABORTED" in session.ended
        # The declaration was refuted: what was committed is rated at what is certified.
        assert all(channel.declared == channel.certified for channel in session.channels)
        assert ledger.accounts.outstanding, "the refused light stays charged as lost"


def test_the_client_charges_its_images_and_keeps_its_budget(tmp_path):
    ledger = DataLedger(tmp_path / "data.db", budget=1e9)
    with parties(tmp_path) as (_, _, client):
        asked = client(ledger=ledger)
        asked.classify(IMAGES[:20])
        once = ledger.leakage()
        asked.classify(IMAGES[:10])
        twice = ledger.leakage()
        rows = NETWORK.layers[0].rows + 4
        one = data_leakage(LINK.noise_quantum, rows, 21)["qcrb"]
        two = data_leakage(LINK.noise_quantum, 10 + 1, 32)["qcrb"]
        assert once["qcrb"]["most"] == pytest.approx(float(42 * one + 64 * two) / 41)
        assert twice["qcrb"]["most"] > once["qcrb"]["most"]
        assert twice["qcrb"]["mean"] < twice["qcrb"]["most"]
        assert ledger.images == 20
        ledger.close()
        # A new process, the same file: the account goes on.
        budget = (once["qcrb"]["most"] + twice["qcrb"]["most"]) / 2
        ledger = DataLedger(tmp_path / "data.db", budget=budget, bound="qcrb")
        assert ledger.leakage() == twice
        again = client(ledger=ledger)
        with pytest.raises(DataBudgetExhausted, match="bits per element"):
            again.classify(IMAGES[10:20])
        again.classify(IMAGES[20:30])
        assert ledger.images == 30
        ledger.close()


def test_the_client_counts_what_its_own_loss_imbalance_returns(tmp_path):
    ledger = DataLedger(tmp_path / "data.db")
    with parties(tmp_path) as (_, _, client):
        even, asked = client(), client(ledger=ledger, loss_imbalance=0.02)
        asked.classify(IMAGES[:5])
        rows = NETWORK.layers[0].rows + 4, 10 + 1
        expected = sum(
            float(image_bits(LINK.noise_quantum, m, n, 0.0004 * n * LINK.photons)["holevo"])
            for m, n in zip(rows, (21, 32), strict=True)
        )
        assert asked.image_bits["holevo"] == pytest.approx(expected)
        assert ledger.leakage()["holevo"]["image_most"] == pytest.approx(expected)
        assert expected > 1.1 * even.image_bits["holevo"]
    ledger.close()


def test_light_far_brighter_than_declared_is_refused_in_the_first_batch(tmp_path):
    bright = replace(LINK, photons=LINK.photons * 1e4)
    with parties(tmp_path, true_link=bright, declared=bright) as (_, server, client):
        honest = server.open

        def lie(hello, name):
            welcome = honest(hello, name)
            for layer in welcome.layers:
                layer.photons = LINK.photons
            return welcome

        server.open = lie
        asked = client(check_rate=0.05)
        with pytest.raises(ProtocolError, match=r"light is refused: it is .* times as bright"):
            asked.classify(IMAGES[:128], 128)
        server.open = honest
        client(check_rate=0.05).classify(IMAGES[:128], 128)


def test_a_lower_gain_of_the_client_is_respected(tmp_path):
    with parties(tmp_path) as (_, _, client):
        asked = client(max_gain=1.1)
        assert asked.gain == 1.1
        outputs = asked.classify(IMAGES[:50])
    assert np.corrcoef(outputs.ravel(), NETWORK.forward(IMAGES[:50]).ravel())[0, 1] > 0.3


def test_images_that_do_not_fit_are_refused_by_the_client(tmp_path):
    with parties(tmp_path) as (_, _, client):
        with pytest.raises(RangeError, match="do not fit"):
            client().classify(IMAGES[:, :5])
        with pytest.raises(RangeError, match="batch = 0"):
            client().classify(IMAGES, 0)


def test_checks_of_the_probe_pass_for_coherent_light(tmp_path):
    with parties(tmp_path) as (_, _, client):
        asked = client(check_rate=1.0)
        asked.classify(IMAGES, 100)
        assert asked.check.count > 30_000
        assert asked.check.variance == pytest.approx(asked.check.expected, rel=0.05)


def test_where_light_leads_to_one_client_a_session_ends_before_the_next(tmp_path):
    with parties(tmp_path, sessions=1, idle=0.2) as (ledger, _, client):
        first = client("alice")
        with _Refused(Refusal.RESOURCE_EXHAUSTED, "a session is open already"):
            client("bob")
        time.sleep(0.3)
        assert client("bob").classify(IMAGES[:2], 2).shape == (2, 10)
        with _Refused(Refusal.NOT_FOUND):
            first.close()
        assert sorted(s.ended for s in ledger.accounts.sessions.values()) == ["", "idle"]


def test_a_layer_that_is_sent_whole_or_not_at_all_is_refused_without_light(tmp_path):
    sent = []

    class Whole(SymbolTransmitter):
        def parts(self, rows, decoys, images, checks):
            middle = rows.rows // 2
            yield Part(0, middle, ())
            yield Part(middle, middle, tuple(range(decoys)))  # which no budget limits
            yield Part(middle, rows.rows, ())

        def send(self, shot):
            sent.append(
                (
                    shot.first,
                    shot.stop,
                    Order.from_bytes(shot.order, shot.images, shot.mixed).names.shape[1],
                )
            )
            return super().send(shot)

    told = disclosed_bits([encode_rows(layer.weights, 1.0) for layer in NETWORK.layers])
    how = {"transmitter": Whole, "symbol_level": True}
    with parties(tmp_path, **how) as (ledger, _, client):
        client().classify(IMAGES[:2], 2)
        assert ledger.accounts.networks[NETWORK.digest].total.copies() == 2 * 74
        # One reserve a layer: nothing between two parts tells whether weights come next.
        kinds = [e.kind for e in ledger._log.events() if e.kind != "channel"]
        assert kinds[-4:] == ["reserve", "commit"] * 2
    assert sent[:3] == [(0, 32, 32), (32, 32, 4), (32, 64, 32)]
    del sent[:]
    weights = sum(layer.weights.size for layer in NETWORK.layers)
    room = told / weights + 0.5  # for some of the rows
    (tmp_path / "less").mkdir()
    with parties(tmp_path / "less", budget=room, **how) as (ledger, _, client):
        with _Refused(Refusal.RESOURCE_EXHAUSTED, "of the 64 rows of a layer fit"):
            client().classify(IMAGES[:64], 64)
        assert not sent and ledger.accounts.outstanding


def test_each_layer_has_its_own_gain_and_light(tmp_path):
    links = (Link(1.3, 6.0), Link(1.05, 400.0))
    expected = infer(NETWORK, IMAGES, links, np.random.default_rng(SEED))
    with parties(tmp_path, declared=links) as (ledger, _, client):
        asked = client(check_rate=0.0)
        outputs = asked.classify(IMAGES, 256)
        session = ledger.accounts.sessions[asked.welcome.session]
        assert asked.gains == [1.3, 1.05] and asked.gain == 1.3
        assert session.modulation_variance == [12.0, 800.0]
        assert [c.declared.excess_noise for c in session.channels] == [
            link.declared_excess_noise(layer.modes)
            for link, layer in zip(links, NETWORK.layers, strict=True)
        ]
        declared = ledger.accounts.networks[NETWORK.digest].total.bits("declared")
        leaked = network_leakage(NETWORK, links, len(IMAGES)).weight_leakage_bits_after
        assert declared >= leaked * (1 - 1e-9)
        # A cap holds for every layer, and the checks see coherent light at either gain.
        capped = client(max_gain=1.1, check_rate=0.5)
        assert capped.gains == [1.1, 1.05]
        capped.classify(IMAGES, 256)
        assert capped.check.variance == pytest.approx(capped.check.expected, rel=0.1)
    np.testing.assert_allclose(outputs, expected.outputs, rtol=1e-12, atol=1e-12)
