"""The long floors, at small size by default; `make soak` runs them whole.

Kills at random moments, malformed messages at every party, and false alarms of many sessions.
"""

import json
import logging
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError

from shotveil.host.adversaries.attacks import HonestLayer, run_attack
from shotveil.host.leakage.composition import LOST
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.ledger.accounts import Accounts
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.keys import CLIENT, LINK, SERVER, make_keys, read_keys, role_name
from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.parties.rpc import (
    RemoteClientPort,
    RemoteModel,
    RemoteServerPort,
    serve_link,
    serve_model,
)
from shotveil.host.parties.server import ModelServer, ServerSettings
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from tests.host.parties.parties import IMAGES, NETWORK, SEED, parties
from tests.host.parties.parties import LINK as SETTINGS

SOAK = bool(os.environ.get("SHOTVEIL_SOAK"))
KILLS = 500 if SOAK else 6
MESSAGES = 100_000 if SOAK else 600
SESSIONS = 10_000 if SOAK else 1000


def serve(arguments, ready):
    """`shotveil serve`, in a process that was forked with all modules loaded."""
    os.dup2(ready.fileno(), 1)
    sys.stdout = os.fdopen(1, "w")  # the inherited one believes that 1 is a file
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.argv = ["shotveil", "serve", *arguments]
    from shotveil.host.commands.cli import main

    main()


def test_kills_at_random_moments_under_load(tmp_path, monkeypatch, caplog):
    """SIGKILL of `shotveil serve`; ledgers verify, and hold what was sent, at most as reserved."""
    caplog.set_level(logging.CRITICAL, logger="shotveil")
    keys, folder = tmp_path / "keys", tmp_path / "ledger"
    make_keys(keys, ["alice"])
    folder.mkdir()
    NETWORK.save(tmp_path / "small.npz")
    # What leaves is written down before it is simulated, as a fibre would have it: gone.
    light = os.open(folder / "light", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def record(shot):
        fields = ("session", "batch", "layer", "first", "stop", "images")
        os.write(light, (json.dumps([getattr(shot, name) for name in fields]) + "\n").encode())

    link = SimulatedLink(SETTINGS, SEED, patience=2.0, record=record)
    link_server, link_port = serve_link(link, "127.0.0.1:0", read_keys(keys, LINK))
    at_link, of_client = f"127.0.0.1:{link_port}", read_keys(keys, f"{CLIENT}-alice")
    arguments = ["--keys", keys, "--address", "127.0.0.1:0", "--link", at_link]
    arguments += ["--network", tmp_path / "small.npz", "--ledger", folder / "ledger.db"]
    arguments += ["--gain", SETTINGS.gain, "--photons", SETTINGS.photons]

    def load(at_server):
        try:
            model = RemoteModel(at_server, of_client, 2.0)
            ends = model, RemoteClientPort(at_link, of_client)
            while True:
                DataClient(*ends, np.random.default_rng(SEED)).classify(IMAGES, 20)
        except ProtocolError:
            return

    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # for the process that forks
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["shotveil.host.commands.cli", "shotveil.host.commands.serve", "shotveil.host.parties.rpc"]
    )
    rng = np.random.default_rng(SEED)
    early = total = 0
    for _ in range(KILLS):
        if not (folder / "ledger.db").exists():
            EventLog(folder / "ledger.db", create=True).close()
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=([str(a) for a in arguments], writer))
        process.start()
        writer.close()
        threads = []
        if rng.random() < 0.1:  # while it begins
            time.sleep(rng.exponential(0.1))
            early += 1
        else:
            with os.fdopen(os.dup(reader.fileno())) as lines:
                ready = next(line for line in lines if " ready at " in line)
            at_server = ready.split(" ready at ")[1].split(",")[0]
            threads = [threading.Thread(target=load, args=[at_server]) for _ in range(2)]
            for thread in threads:
                thread.start()
            time.sleep(rng.exponential(0.25))
        process.kill()
        process.join()
        reader.close()
        for thread in threads:
            thread.join()
        if (folder / "ledger.db").exists():
            sent = check_ledger(folder)
            if sent > 3000:  # a fresh one, so that the check stays quick
                total += sent
                for path in folder.iterdir():
                    if path.name != "light":
                        path.unlink()  # with its key, as nobody should do to a ledger in use
                os.ftruncate(light, 0)
    total += check_ledger(folder)
    os.close(light)
    link.shut_down()
    link_server.stop(grace=1).wait()
    print(
        f"\n{KILLS} kills of shotveil serve, {early} while it began, {total} parts sent: "
        "every ledger whole, no light without a reserve"
    )
    assert total > KILLS / 2


def check_ledger(folder):
    """Hold the ledger against what the link sent; return how much that was."""
    light = folder / "light"
    sent = [json.loads(line) for line in light.read_text().splitlines()] if light.exists() else []
    with EventLog(folder / "ledger.db", writable=False) as log:
        log.verify()
        events = list(log.events())
    accounts = Accounts()
    for event in events:
        accounts.apply(event)
    reserved = [e.body for e in events if e.kind == "reserve"]
    committed = [e.body["reserve"] for e in events if e.kind == "commit"]
    assert len(committed) == len(set(committed)), "a charge was released twice"

    def copies(entries):
        total = {}
        for session, layer, first, stop, images in entries:
            key = session, layer
            rows = total.setdefault(key, np.zeros(NETWORK.layers[layer].rows, dtype=int))
            rows[first:stop] += images
        return total

    names = ("session", "layer", "first", "stop", "inferences")
    on_disk = copies([[body[name] for name in names] for body in reserved])
    gone = copies([[s, layer, a, b, n] for s, _, layer, a, b, n in sent])
    for key, rows in gone.items():
        assert key in on_disk and (rows <= on_disk[key]).all(), "light without a reserve on disk"
    assert len(committed) <= len(sent)
    if NETWORK.digest in accounts.networks:
        total = accounts.networks[NETWORK.digest].total
        told = total.disclosed / NETWORK.weights
        least, most = bits(gone, None) + told, bits(on_disk, LOST) + told
        assert least * (1 - 1e-9) <= total.bits("declared") <= most * (1 + 1e-9)
    return len(sent)


def bits(copies, channel):
    """Leakage of all copies at one channel, or as declared; a plain sum over rows."""
    found = 0.0
    for i, layer in enumerate(NETWORK.layers):
        rows = sum(
            (n for (_, number), n in copies.items() if number == i), np.zeros(layer.rows, dtype=int)
        )
        rate = channel or (1.0, SETTINGS.declared_excess_noise(layer.modes))
        each = majorant_after(rows, SETTINGS.modulation_variance, *rate)
        found += layer.columns * float(each.sum())
    return found / NETWORK.weights


@pytest.mark.parametrize("gain", [1.00175, 1.3])
def test_false_alarms_of_honest_sessions_of_ten_thousand_images(gain):
    """At a level of 1e-2 the rate over many sessions is no higher, looked at some 80 times each."""
    setting = HonestLayer(
        Link(gain, 6.0), sessions=SESSIONS, monitor=MonitorSettings(false_alarm_probability=1e-2)
    )
    outcome = run_attack("over-amplification", gain, setting, SEED)
    print(f"\nG = {gain}: {outcome.detected:.2e} of {SESSIONS} honest sessions refused at 1e-2")
    assert outcome.detected <= 1e-2


@pytest.mark.parametrize(
    "name, strength", [("intercept-resend", 0.05), ("over-amplification", 1.5), ("tap", 0.01)]
)
def test_faults_are_detected_almost_surely(name, strength):
    outcome = run_attack(name, strength, HonestLayer(Link(1.3, 6.0), sessions=SESSIONS), SEED)
    print(
        f"\n{name} {strength}: detected in {outcome.detected:.4f} of {SESSIONS}, after "
        f"{outcome.images_median:.0f} images, {outcome.images_most:.0f} at most"
    )
    assert outcome.detected >= 0.999


def test_malformed_messages_harm_nobody(tmp_path, monkeypatch, caplog):
    """Random, truncated, altered, replayed and out-of-order bytes at server and link, over TLS."""
    # Few streams, so that one that never ends is noticed soon.
    few = [("grpc.max_concurrent_streams", 24), ("grpc.so_reuseport", 0)]
    monkeypatch.setattr("shotveil.host.parties.rpc._SERVER_OPTIONS", few)
    # As many sessions as it likes, so that not only the limit on them is met.
    monkeypatch.setattr("shotveil.host.parties.rpc.OPENS", 1 << 30)
    caplog.set_level(logging.ERROR, logger="shotveil")
    make_keys(tmp_path, ["alice"])
    shots = []
    link = SimulatedLink(SETTINGS, SEED, patience=0.3, record=shots.append)
    link_server, link_port = serve_link(link, "127.0.0.1:0", read_keys(tmp_path, LINK))
    at_link = f"127.0.0.1:{link_port}"
    server_port = RemoteServerPort(at_link, read_keys(tmp_path, SERVER))
    keys = read_keys(tmp_path, f"{CLIENT}-alice")
    with BudgetFilter(tmp_path / "ledger.db", create=True) as ledger:
        settings = ServerSettings(SETTINGS, patience=0.05)
        rng = np.random.default_rng(SEED)
        server = ModelServer(NETWORK, settings, ledger, server_port, rng)
        model_server, port = serve_model(server, "127.0.0.1:0", read_keys(tmp_path, SERVER))
        at_server = f"127.0.0.1:{port}"
        model, light = RemoteModel(at_server, keys), RemoteClientPort(at_link, keys)
        expected = DataClient(model, light, rng).classify(IMAGES[:5]).shape
        session = model.open(pb.Hello(version=4)).session
        before = len(shots)

        targets = raw_calls(tmp_path, at_server, at_link, server_port._metadata)
        statuses, thrown = {}, {"server": 0, "link": 0}
        with ThreadPoolExecutor(4) as pool:  # far fewer than there are streams
            while min(thrown.values()) < MESSAGES:
                jobs = []
                for number in range(250):  # opens fewer sessions than there may be
                    if number % 50 == 0:
                        session = model.open(pb.Hello(version=4)).session
                    place = int(rng.integers(len(targets)))
                    kind, message, call = targets[place]
                    jobs.append((call, kind, malform(message(session, rng), rng)))
                    thrown["server" if place < 3 else "link"] += 1
                for status in pool.map(lambda job: throw(*job), jobs):
                    statuses[status] = statuses.get(status, 0) + 1
                server.shut_down()  # of the sessions that messages opened by chance
                # Nobody is tired.
                client = DataClient(model, light, rng)
                assert client.classify(IMAGES[:5]).shape == expected
                client.close()
                server.shut_down()
        print(f"\nmalformed messages {thrown}: {statuses}")
        assert statuses.get("UNKNOWN", 0) == 0
        assert DataClient(model, light, rng).classify(IMAGES[:5]).shape == expected
        for connection in (model, light):
            connection.hang_up()
        for _, _, call in targets:
            call.channel.close()
        link.shut_down()
        model_server.stop(grace=1).wait()
        server.shut_down()
        server_port.hang_up()
        link_server.stop(grace=1).wait()
    # No charge lost, none twice: all light that left through the server is on the ledger.
    with EventLog(tmp_path / "ledger.db", writable=False) as log:
        events = list(log.events())
    reserves = [e for e in events if e.kind == "reserve"]
    committed = [e.body["reserve"] for e in events if e.kind == "commit"]
    assert len(committed) == len(set(committed)) <= len(reserves)
    digest = read_accounts(tmp_path / "ledger.db").networks[NETWORK.digest]
    assert digest.total.copies() == sum(
        (e.body["stop"] - e.body["first"]) * e.body["inferences"] for e in reserves
    )
    assert len(shots) >= before


class Call:
    """A raw method of a party: bytes in, whatever comes back is read and thrown away."""

    def __init__(self, channel, path, shape, metadata=()):
        self.channel, self.shape = channel, shape
        self.how = {"timeout": 5, "metadata": metadata}
        make = {"unary": channel.unary_unary, "collect": channel.stream_unary}
        self.method = make.get(shape, channel.unary_stream)(path, None, None)

    def __call__(self, messages):
        if self.shape == "collect":
            return self.method(iter(messages), **self.how)
        if self.shape == "unary":
            return [self.method(message, **self.how) for message in messages]
        return [list(self.method(message, **self.how)) for message in messages]


def raw_calls(folder, at_server, at_link, held):
    """(kind, maker of valid examples, call) of each method; every peer with its own certificate."""

    def channel(address, role, stem):
        authority, certificate, key = read_keys(folder, stem)
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        options = [("grpc.ssl_target_name_override", role_name(role))]
        return grpc.secure_channel(address, credentials, options)

    model = channel(at_server, SERVER, f"{CLIENT}-alice")
    server = channel(at_link, LINK, SERVER)
    client = channel(at_link, LINK, f"{CLIENT}-alice")

    def number(rng, most=4):
        return int(rng.integers(most))

    def settings(session, rng):
        images, modes = 1 + number(rng), 21
        xi = np.zeros((images, modes))
        xi[:, 0] = 1
        return pb.Settings(
            version=4,
            session=session,
            batch=number(rng, 1000),
            layer=number(rng, 2),
            gain=1.3,
            images=images,
            modes=modes,
            real=xi.tobytes(),
            imaginary=(0 * xi).tobytes(),
        )

    def emission(session, rng):
        x = rng.normal(size=(2, 3)).tobytes()
        key = f"fuzz {number(rng)}"
        return pb.Emission(version=4, key=key, scale=1.0, rows=2, modes=3, x=x, p=x)

    def shot(session, rng):
        first, stop = number(rng), number(rng, 8)
        return pb.Shot(
            version=4,
            session=session,
            batch=number(rng, 1000),
            layer=0,
            part=number(rng, 2),
            images=1 + number(rng),
            weights=f"fuzz {number(rng)}",
            first=first,
            stop=stop,
            order=np.arange(2 * first, 2 * stop, 2, dtype="<i4").tobytes(),
            last=True,
        )

    def request(session, rng):
        return pb.LayerRequest(
            version=4, session=session, batch=number(rng, 3), layer=number(rng), images=number(rng)
        )

    return [
        (pb.Hello, lambda s, r: pb.Hello(version=4), Call(model, f"/{M}/Open", "unary")),
        (pb.LayerRequest, request, Call(model, f"/{M}/RunLayer", "stream")),
        (
            pb.Goodbye,
            lambda s, r: pb.Goodbye(version=4, session="0" * 32),
            Call(model, f"/{M}/Close", "unary"),
        ),
        (pb.Emission, emission, Call(server, f"/{S}/Load", "collect", held)),
        (pb.Shot, shot, Call(server, f"/{S}/Emit", "unary", held)),
        (
            pb.Dropped,
            lambda s, r: pb.Dropped(version=4, session="x", keys=["fuzz 1"]),
            Call(server, f"/{S}/Drop", "unary", held),
        ),
        (pb.Settings, settings, Call(client, f"/{C}/Measure", "stream")),
    ]


M, S, C = "shotveil.v1.Model", "shotveil.v1.ServerPort", "shotveil.v1.ClientPort"


def malform(message, rng):
    """One or more raw messages: random, truncated, with bits flipped, or twice the same."""
    data = message.SerializeToString()
    choice = rng.integers(5)
    if choice == 0:
        return [rng.bytes(int(rng.integers(200)))]
    if choice == 1:
        return [data[: int(rng.integers(len(data) + 1))]]
    if choice == 2:
        altered = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            altered[int(rng.integers(len(altered)))] ^= 1 << int(rng.integers(8))
        return [bytes(altered)]
    return [data] * int(rng.integers(1, 3))


def throw(call, kind, messages):
    try:
        call(messages)
    except grpc.RpcError as error:
        # Neither a failure inside, nor a stream turned away because older ones never ended.
        unforeseen = grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE
        assert error.code() not in unforeseen, (kind, error.details())
        return error.code().name
    return "OK"


def test_malformed_light_harms_nobody():
    """At symbol level: truncated, altered, replayed and misplaced light, sent by whoever may."""
    rng = np.random.default_rng(SEED)
    link = SimulatedLink(SETTINGS, SEED, symbol_level=True, patience=0.05)
    modes, slots, repetitions = 6, 4, 3
    xi = np.full((repetitions, modes), modes**-0.5).tobytes()
    counted = {"refused": 0, "accepted": 0}

    def optics(session):
        return pb.Settings(
            version=4,
            session=session,
            gain=1.3,
            images=repetitions,
            modes=modes,
            real=xi,
            imaginary=bytes(len(xi)),
        )

    def lights(session):
        for repetition in range(repetitions):
            for first in (0, 2):
                yield pb.Light(
                    version=4,
                    session=session,
                    repetitions=repetitions,
                    slots=slots,
                    modes=modes,
                    last=True,
                    repetition=repetition,
                    first=first,
                    x=rng.normal(size=(2, modes)).tobytes(),
                    p=rng.normal(size=(2, modes)).tobytes(),
                    measure_p=b"\0\1",
                )

    for number in range(MESSAGES):
        session = f"s{number}"
        readings = link.measure(optics(session))
        sent = [light.SerializeToString() for light in lights(session)]
        place = int(rng.integers(len(sent)))
        bent = malform(pb.Light.FromString(sent[place]), rng)
        sent[place : place + 1] = bent
        try:
            # As the RPC layer does it: one message after another, parsed when its turn comes.
            assert len(list(link.send(parsed(sent)))) <= len(sent)
            assert len(list(readings)) == 1
            counted["accepted"] += 1
        except (ProtocolError, DecodeError):
            counted["refused"] += 1
        link.drop(pb.Dropped(version=4, session=session))
    print(f"\n{MESSAGES} malformed lights: {counted}")
    assert counted["refused"] > MESSAGES / 2
    readings = link.measure(optics("last"))
    assert len(list(link.send(lights("last")))) == 6 and len(list(readings)) == 1
    assert not link._exchanges


def parsed(sent):
    for data in sent:
        yield pb.Light.FromString(data)


class Recording:
    """What honest parties answered in one batch, layer by layer, to be replayed bent."""

    def __init__(self, model, light):
        self._model, self._light = model, light
        self.welcome, self.progress, self.readings = None, {}, {}

    def open(self, hello):
        self.welcome = self._model.open(hello)
        return self.welcome

    def run_layer(self, request):
        for progress in self._model.run_layer(request):
            self.progress.setdefault(request.layer, []).append(progress)
            yield progress

    def measure(self, settings):
        readings = self._light.measure(settings)

        def seen():
            for reading in readings:
                self.readings.setdefault(settings.layer, []).append(reading)
                yield reading

        return seen()


class Liar:
    """A server and a link in one, which replay a recording with some messages of their own."""

    def __init__(self, recording, rng, rate):
        self._recording, self._rng, self._rate = recording, rng, rate
        self._guard = threading.Lock()
        self.lies = 0

    def close(self, goodbye):
        return pb.Receipt()

    def _told(self, messages):
        for message in messages:
            with self._guard:
                bent = self._bent(message)
            yield from bent

    def _bent(self, message):
        if self._rng.random() > self._rate:
            return [message]
        self.lies += 1
        choice = self._rng.integers(8)
        if choice == 0:
            return []  # lost
        if choice == 1:
            return [message, message]  # replayed
        if choice == 2:  # another layer's, out of order
            store = self._recording.progress if hasattr(message, "warning") else None
            store = self._recording.readings if store is None else store
            layers = list(store.values())
            return [layers[self._rng.integers(len(layers))][0]]
        try:
            return [type(message).FromString(malform(message, self._rng)[0])]
        except DecodeError:
            raise ProtocolError(Refusal.UNAVAILABLE, "no message at all") from None

    def open(self, hello):
        welcome = self._recording.welcome
        with self._guard:
            if self._rng.random() > 0.05:
                return welcome
            self.lies += 1
            try:
                return type(welcome).FromString(malform(welcome, self._rng)[0])
            except DecodeError:
                raise ProtocolError(Refusal.UNAVAILABLE, "no message at all") from None

    def run_layer(self, request):
        return self._told(self._recording.progress.get(request.layer, []))

    def measure(self, settings):
        return self._told(self._recording.readings.get(settings.layer, []))


def test_malformed_answers_do_not_harm_a_client(tmp_path):
    """A client ends with a refusal or with numbers, whatever server and link tell it."""
    rng = np.random.default_rng(SEED)
    lies, refusals, answered = 0, 0, 0

    def ask(ends):
        # The same secrets each time, so that what was recorded fits them.
        client = DataClient(ends, ends, np.random.default_rng(SEED), check_rate=0.1)
        return client.classify(IMAGES[:10], 10)

    with parties(tmp_path) as (_, server, client):
        recording = Recording(client()._model, server._light._port)
        honest = ask(recording)
    while lies < MESSAGES:
        liar = Liar(recording, rng, 0.3)
        try:
            outputs = ask(liar)
            # Of another network, perhaps: a client cannot know how many classes there are.
            assert len(outputs) == len(honest) and np.isfinite(outputs).all()
            answered += 1
        except (ProtocolError, RangeError):
            refusals += 1
        lies += liar.lies
    print(f"\n{lies} malformed answers: {refusals} refusals, {answered} runs answered")
    assert refusals > 0 and answered > 0
    np.testing.assert_array_equal(ask(Liar(recording, rng, 0.0)), honest)  # as well as ever
