"""One server as a process: it drains when it is told to, and gives nothing away meanwhile."""

import base64
import json
import signal
import threading

import numpy as np
import pytest

pytest.importorskip("grpc")

from grpc_health.v1 import health_pb2

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.protocol.wire import ProtocolError, Refusal
from tests.host.operations.processes import OneServer


@pytest.fixture
def one(tmp_path, small_network):
    with OneServer(tmp_path, small_network) as found:
        yield found


def test_a_server_that_drains_lets_its_clients_finish_and_takes_no_new_one(one):
    watched = one.health()
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    images = np.random.default_rng(1).uniform(size=(40, 784)).astype(np.float32)
    # Batches go one after the other, and the signal comes while they do.
    client = one.client(in_flight=1)
    told = threading.Event()

    def progress(_):
        if not told.is_set():
            one.server.send_signal(signal.SIGTERM)
            # Once the state is heard, everything that follows meets a server that drains.
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
            told.set()

    outputs = client.classify(images, batch=4, progress=progress)
    assert outputs.shape == (40, 10) and told.is_set()
    with pytest.raises(ProtocolError, match="takes no new sessions") as refused:
        one.client()
    assert refused.value.refusal is Refusal.UNAVAILABLE
    assert "shotveil_serving 0.0" in one.metrics()
    assert client.close().images == 40
    assert one.ended(one.server) == 0
    accounts = read_accounts(one.folder / "ledger.db")
    assert [s.ended for s in accounts.sessions.values()] == ["closed by the client"]
    assert not accounts.outstanding
    one.channel.close()
    for port in client.ports:
        port.hang_up()


def test_a_second_signal_ends_a_server_at_once(one, monkeypatch):
    client = one.client()
    watched = one.health()
    next(watched)
    one.server.send_signal(signal.SIGTERM)
    next(watched)  # it drains, for at least the seconds after which a session counts as quiet
    one.server.send_signal(signal.SIGTERM)
    assert one.ended(one.server) == 0
    (session,) = read_accounts(one.folder / "ledger.db").sessions.values()
    assert session.ended == "the server shut down"
    one.channel.close()
    for port in client.ports:
        port.hang_up()


def forms(values):
    """Every form in which numbers could get into a text: as digits, and as bytes."""
    data = np.ascontiguousarray(values, dtype=np.float32)
    for x in np.abs(data):
        yield from (text for text in (str(x), f"{x:.8f}") if len(text) > 8)
    for order in ("<f4", ">f4", "<f8", ">f8"):
        whole = data.astype(order).tobytes()
        yield whole[:12].hex()
        yield base64.b64encode(whole[:12]).decode()


def secrets_of(one, network, images):
    """What nobody may read in the metrics or the log, by name."""
    found = {}
    for path in one.folder.glob("*.key"):
        text = path.read_bytes()
        if text.startswith(b"-----"):
            found[path.name] = text.decode().splitlines()[1:-1]
    key = (one.folder / "ledger.db.key").read_bytes()
    with EventLog(one.folder / "ledger.db", writable=False) as log:
        for name, each in (
            ("ledger's key", key),
            ("ledger's hash key", log.secret),
            ("ledger's signing key", log.signing_secret),
        ):
            found[name] = [each.hex(), base64.b64encode(each).decode(), repr(each)[2:-1]]
    for number, layer in enumerate(network.layers):
        found[f"weights of layer {number}"] = list(forms(layer.weights.ravel()))
    found["data"] = list(forms(images.ravel()))
    return found


def test_no_secret_weight_or_datum_is_in_any_byte_of_metrics_and_logs(one, small_network):
    images = np.random.default_rng(1).uniform(size=(20, 784)).astype(np.float32)
    client = one.client(check_rate=0.2)
    client.classify(images)
    one.metrics()
    client.close()
    for bad in ("nothing", "\n" * 300):  # refusals are logged
        with pytest.raises(ProtocolError):
            one.client(network=bad)
    said = one.metrics()
    assert "shotveil_images_total 20.0" in said
    assert 'shotveil_refusals_total{status="NOT_FOUND"} 1.0' in said
    for port in client.ports:
        port.hang_up()
    for child in (one.server, one.link):
        child.send_signal(signal.SIGTERM)
        assert one.ended(child) == 0
        assert child.lines or child is one.link  # a link that refuses nobody says nothing
        for line in child.lines:
            assert set(json.loads(line)) == {"time", "level", "logger", "message"}
    everything = b"".join(one.said).decode()
    assert "client alice" in everything and small_network.digest in everything
    known = secrets_of(one, small_network, images)
    assert len(known) == 8 + len(small_network.layers) and all(known.values())
    for name, texts in known.items():
        assert len(min(texts, key=len)) >= 8
        assert not [text for text in texts if text in everything], name
