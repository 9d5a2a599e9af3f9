"""The parties' calls over TLS on loopback: who may ask what, what is refused, and what is told."""

import logging
import socket
import threading
import time

import grpc
import pytest

from shotveil.host.parties import rpc
from shotveil.host.parties.keys import CLIENT, LINK, SERVER, make_keys, read_keys, role_name
from shotveil.host.parties.receipts import Signer
from shotveil.host.parties.rpc import (
    MODEL,
    RemoteClientPort,
    RemoteModel,
    RemoteServerPort,
    serve_link,
    serve_model,
)
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import MOST_BYTES, ProtocolError, Refusal


class Model:
    """Answers as a model server; `trouble` is raised instead, if any."""

    def __init__(self):
        self.heard, self.trouble, self.over = [], None, threading.Event()

    def open(self, hello, client):
        self.heard.append(("open", hello, client))
        if self.trouble:
            raise self.trouble
        return pb.Welcome(version=4, session="s", network=hello.network)

    def run_layer(self, request, client):
        self.heard.append(("run_layer", request, client))
        return self._parts(request)

    def _parts(self, request):
        try:
            for part in range(request.images):
                if part == 2 and self.trouble:
                    raise self.trouble
                yield pb.Progress(part=part)
        finally:
            self.over.set()

    def close(self, goodbye, client):
        self.heard.append(("close", goodbye, client))
        return pb.Receipt(images=7)


class Light:
    """Answers as a link does."""

    def __init__(self):
        self.heard, self.epochs, self.sign = [], 0, lambda statement: statement

    def load(self, emissions):
        self.heard.append(("load", [m.key for m in emissions]))
        return pb.Loaded(rows=len(self.heard[-1][1]))

    def emit(self, shot):
        self.heard.append(("emit", shot.part))
        return pb.Returned(modes=shot.part)

    def send(self, lights):
        for light in lights:
            self.heard.append(("send", light.part))
            yield pb.Record(values=bytes([light.part]))

    def drop(self, dropped):
        self.heard.append(("drop", dropped.session))
        return pb.Loaded(symbol_level=True)

    def claim(self):
        self.epochs += 1
        return pb.Loaded(epoch=f"epoch {self.epochs}")

    def begin(self, announcement):
        self.heard.append(("begin", announcement.client))
        return pb.Loaded()

    def await_optics(self, light):
        self.heard.append(("await", light.layer))
        return pb.Loaded()

    def state(self, light):
        return self.sign(pb.Statement(body="said"))

    def measure(self, settings, client):
        self.heard.append(("measure", settings.layer, client))
        for part in range(settings.images):
            yield pb.Reading(part=part)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder, ["alice"])
    return {
        "server": read_keys(folder, SERVER),
        "link": read_keys(folder, LINK),
        "alice": read_keys(folder, f"{CLIENT}-alice"),
    }


@pytest.fixture
def model(keys):
    answers = Model()
    server, port = serve_model(answers, "127.0.0.1:0", keys["server"])
    remote = RemoteModel(f"127.0.0.1:{port}", keys["alice"])
    yield answers, remote, port
    remote.hang_up()
    server.stop(0).wait()


@pytest.fixture
def link(keys):
    answers = Light()
    server, port = serve_link(answers, "127.0.0.1:0", keys["link"])
    yield answers, f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_a_model_hears_what_was_asked_and_by_whom(model):
    answers, remote, _ = model
    assert remote.open(pb.Hello(version=4, network="n")).network == "n"
    parts = remote.run_layer(pb.LayerRequest(layer=3, images=2))
    assert [p.part for p in parts] == [0, 1]
    assert remote.close(pb.Goodbye(session="s")).images == 7
    assert [(method, client) for method, _, client in answers.heard] == [
        ("open", "alice"),
        ("run_layer", "alice"),
        ("close", "alice"),
    ]
    assert answers.heard[0][1] == pb.Hello(version=4, network="n")
    assert answers.heard[1][1].layer == 3 and answers.heard[2][1].session == "s"


def test_a_link_has_an_end_for_each_party(link, keys):
    answers, address = link
    port, client = (
        RemoteServerPort(address, keys["server"]),
        RemoteClientPort(address, keys["alice"]),
    )
    assert port.claim().epoch == "epoch 1"
    assert port.load(pb.Emission(key=k) for k in "abc").rows == 3
    assert port.emit(pb.Shot(part=4)).modes == 4
    assert [r.values for r in port.send(pb.Light(part=p) for p in (1, 2))] == [b"\1", b"\2"]
    assert port.drop(pb.Dropped(session="s")).symbol_level
    assert [r.part for r in client.measure(pb.Settings(layer=9, images=3))] == [0, 1, 2]
    port.begin(pb.Announcement(client="alice"))
    port.await_optics(pb.Light(layer=5))
    with pytest.raises(ProtocolError, match="no link signed the statement"):
        port.state(pb.Light())
    answers.sign = Signer(*keys["link"][1:])
    assert port.state(pb.Light()).body == "said"
    assert answers.heard == [
        ("load", ["a", "b", "c"]),
        ("emit", 4),
        ("send", 1),
        ("send", 2),
        ("drop", "s"),
        ("measure", 9, "alice"),
        ("begin", "alice"),
        ("await", 5),
    ]
    for remote in (port, client):
        remote.hang_up()


def test_a_link_has_one_server_until_that_one_has_gone(link, keys):
    """However it goes: what it asked for before is refused from then on."""
    answers, address = link
    first, second = (RemoteServerPort(address, keys["server"]) for _ in range(2))
    assert first.claim().epoch == "epoch 1"
    with pytest.raises(ProtocolError, match="another server holds the link") as found:
        second.claim()
    assert found.value.refusal is Refusal.ALREADY_EXISTS and answers.epochs == 1
    with pytest.raises(ProtocolError, match="holds no rows") as found:
        second.emit(pb.Shot())
    assert found.value.refusal is Refusal.NOT_FOUND and not answers.heard
    first.hang_up()
    for _ in range(100):
        try:
            assert second.claim().epoch == "epoch 2"
            break
        except ProtocolError:
            time.sleep(0.05)
    assert second.emit(pb.Shot(part=3)).modes == 3
    second.hang_up()


def test_no_client_can_fill_the_log(model, caplog):
    answers, remote, _ = model
    answers.trouble = ProtocolError(Refusal.ABORTED, "x" * 5000)
    with caplog.at_level(logging.WARNING, "shotveil.rpc"):
        for _ in range(80):
            with pytest.raises(ProtocolError):
                remote.open(pb.Hello())
    lines = [r.getMessage() for r in caplog.records if r.name == "shotveil.rpc"]
    assert len(lines) == 50 and all(line.startswith("refused client:alice: x") for line in lines)
    assert max(map(len, lines)) < 400


def test_each_client_may_begin_so_many_sessions_and_one_more_in_a_while(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("shotveil.host.parties.rpc.time.monotonic", lambda: now[0])
    rate = rpc._Rate(most=3, seconds=2.0)

    def begun(name, tries=10):
        found = 0
        for _ in range(tries):
            try:
                rate.require(name)
                found += 1
            except ProtocolError as error:
                assert error.refusal is Refusal.RESOURCE_EXHAUSTED
                assert f"client {name} began 3 sessions" in str(error)
        return found

    assert begun("a") == 3 and begun("b") == 3  # each for itself
    now[0] = 1.9
    assert begun("a") == 0  # and what is refused costs no more time
    now[0] = 4.1
    assert begun("a") == 2
    now[0] = 1000.0
    assert begun("a") == 3  # no more than at the beginning, however long it waited


def test_sessions_beyond_the_rate_reach_no_server(model, keys, monkeypatch):
    monkeypatch.setattr(rpc, "OPENS", 4)
    monkeypatch.setattr(rpc, "OPEN_SECONDS", 1e6)
    answers = Model()
    server, port = serve_model(answers, "127.0.0.1:0", keys["server"])
    alice, refused = RemoteModel(f"127.0.0.1:{port}", keys["alice"]), 0
    for _ in range(6):
        try:
            alice.open(pb.Hello())
        except ProtocolError:
            refused += 1
    assert (len(answers.heard), refused) == (4, 2)
    alice.hang_up()
    server.stop(grace=0).wait()


def test_what_was_left_out_of_the_log_is_told_later(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr("shotveil.host.parties.rpc.time.monotonic", lambda: now[0])
    refusals = rpc._Refusals(most=2, seconds=10)
    with caplog.at_level(logging.WARNING, "shotveil.rpc"):
        for _ in range(5):
            refusals.note("client:a", "no")
        refusals.note("client:b", "no")
        now[0] = 11.0
        refusals.note("client:a", "still no")
    assert [r.getMessage() for r in caplog.records] == [
        "refused client:a: no",
        "refused client:a: no",
        "refused client:b: no",
        "refused client:a 3 times more",
        "refused client:a: still no",
    ]


def test_a_role_may_do_what_is_its_own(link, model, keys):
    answers, address = link
    wrong = RemoteServerPort(address, keys["alice"])
    calls = [
        lambda: wrong.load([pb.Emission(key="a")]),
        lambda: wrong.emit(pb.Shot()),
        lambda: list(wrong.send([pb.Light()])),
        lambda: wrong.drop(pb.Dropped()),
        lambda: list(RemoteClientPort(address, keys["server"]).measure(pb.Settings(images=1))),
        lambda: RemoteModel(f"127.0.0.1:{model[2]}", keys["link"]).open(pb.Hello()),
    ]
    owners = ["server"] * 4 + ["client"] * 2
    for call, owner in zip(calls, owners, strict=True):
        with pytest.raises(
            ProtocolError, match=f"certificate is of a .*, not of a {owner}"
        ) as found:
            call()
        assert found.value.refusal is Refusal.PERMISSION_DENIED
    assert not answers.heard and not model[0].heard


def test_nobody_answers_for_another_role(model, keys):
    """A server's certificate does not make a link, whatever its address."""
    with pytest.raises(ProtocolError, match=r"no link at .* answered within 0\.5 s") as found:
        RemoteServerPort(f"127.0.0.1:{model[2]}", keys["server"], patience=0.5)
    assert found.value.refusal is Refusal.UNAVAILABLE
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ProtocolError, match=f"no server at 127.0.0.1:{port} answered"):
        RemoteModel(f"127.0.0.1:{port}", keys["alice"], patience=0.5)


def test_a_stranger_is_not_heard(model, keys, tmp_path):
    make_keys(tmp_path, ["alice"])  # of another authority
    strange = read_keys(tmp_path, f"{CLIENT}-alice")
    with pytest.raises(ProtocolError, match="a certificate was refused"):
        RemoteModel(f"127.0.0.1:{model[2]}", strange, patience=0.5)
    assert not model[0].heard


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_arrives_as_it_was_said(model, refusal, caplog):
    answers, remote, _ = model
    answers.trouble = ProtocolError(refusal, "for a reason")
    with (
        caplog.at_level(logging.WARNING, "shotveil.rpc"),
        pytest.raises(ProtocolError, match=r"server at 127.*: for a reason") as found,
    ):
        remote.open(pb.Hello())
    assert found.value.refusal is refusal
    assert "for a reason" in caplog.text


def test_a_refusal_between_two_parts_arrives_after_the_first(model):
    answers, remote, _ = model
    answers.trouble = ProtocolError(Refusal.ABORTED, "verification refused")
    parts = remote.run_layer(pb.LayerRequest(images=5))
    assert [next(parts).part, next(parts).part] == [0, 1]
    with pytest.raises(ProtocolError, match="verification refused") as found:
        next(parts)
    assert found.value.refusal is Refusal.ABORTED and answers.over.is_set()


def test_what_went_wrong_inside_is_logged_and_told_to_nobody(model, caplog):
    answers, remote, _ = model
    answers.trouble = ValueError("the secret weights are 0.25")
    with pytest.raises(ProtocolError, match="the request failed; see the log") as found:
        remote.open(pb.Hello())
    assert found.value.refusal is Refusal.UNAVAILABLE  # no refusal of ours
    assert "secret" not in str(found.value) and "secret weights" in caplog.text


def test_a_malformed_request_is_refused_before_anything_acts_on_it(model, keys):
    answers, _, port = model
    authority, certificate, key = keys["alice"]
    channel = grpc.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(authority, key, certificate),
        [("grpc.ssl_target_name_override", role_name(SERVER))],
    )
    ask = channel.unary_unary(f"/{MODEL}/Open", lambda data: data, pb.Welcome.FromString)
    with pytest.raises(grpc.RpcError, match="3 bytes are no Hello") as found:
        ask(b"\xff\xff\xff", timeout=10)
    assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as found:
        ask(bytes(MOST_BYTES + 1), timeout=10)
    assert found.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as found:
        channel.unary_unary(f"/{MODEL}/Peek", lambda data: data)(b"", timeout=10)
    assert found.value.code() is grpc.StatusCode.UNIMPLEMENTED
    channel.close()
    assert not answers.heard


def test_a_client_that_goes_away_is_noticed(model):
    answers, remote, _ = model
    parts = remote.run_layer(pb.LayerRequest(images=1_000_000))
    assert next(parts).part == 0
    parts.close()
    assert answers.over.wait(10)


def test_a_layer_that_takes_too_long_is_given_up(model, keys):
    impatient = RemoteModel(f"127.0.0.1:{model[2]}", keys["alice"], deadline=0.2)
    with pytest.raises(ProtocolError) as found:
        for _ in impatient.run_layer(pb.LayerRequest(images=10_000_000)):
            pass
    assert found.value.refusal is Refusal.DEADLINE_EXCEEDED
    impatient.hang_up()


def test_an_address_has_one_listener(model, keys):
    for address in (f"127.0.0.1:{model[2]}", "256.0.0.1:99"):
        with pytest.raises(OSError, match=f"address {address} cannot be listened on"):
            serve_model(Model(), address, keys["server"])
