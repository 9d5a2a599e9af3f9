"""One hostile client among honest ones, at small size by default; `make soak-kills` has fifty.

It calls what it may as often as it can: sessions that it leaves, layers whose optics it never sets,
optics for sessions that do not exist, and bytes that mean nothing.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.parties import rpc
from shotveil.host.parties.keys import CLIENT, LINK, SERVER, read_keys, role_name
from shotveil.host.protocol import messages_pb2 as pb
from tests.host.parties.parties import NETWORK, SEED
from tests.host.parties.three import Three

SOAK = bool(os.environ.get("SHOTVEIL_SOAK"))
HONEST = 49 if SOAK else 2
CALLS = 10_000 if SOAK else 400
PAUSE = 10.0 if SOAK else 0.5  # seconds between two questions of an honest client
BUDGET, SHARE = 100.0, 0.25
LOG = 1 << 20 if SOAK else 1 << 16  # bytes


class Hostile:
    """Raw calls under a valid certificate, over several connections."""

    def __init__(self, folder, at_server, at_link, connections=4):
        authority, certificate, key = read_keys(folder, f"{CLIENT}-mallory")
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)

        def channels(address, role):
            # Each of its own, or gRPC would share one connection.
            options = [("grpc.ssl_target_name_override", role_name(role))]
            return [
                grpc.secure_channel(address, credentials, [*options, ("shotveil.n", i)])
                for i in range(connections)
            ]

        self._server = channels(at_server, SERVER)
        self._link = channels(at_link, LINK)
        self.said, self._guard = {}, threading.Lock()

    def call(self, number):
        """Make one call; the answer, or the refusal, is only counted."""
        server, link = (each[number % len(each)] for each in (self._server, self._link))
        hello, long = pb.Hello(version=4), "x" * 100_000
        try:
            match number % 5:
                case 0:
                    self._unary(server, f"{rpc.MODEL}/Open", hello)
                case 1:
                    self._unary(server, f"{rpc.MODEL}/Open", pb.Hello(version=4, network=long))
                case 2:  # a layer whose optics it never sets
                    welcome = pb.Welcome.FromString(self._unary(server, f"{rpc.MODEL}/Open", hello))
                    self._stream(
                        server,
                        f"{rpc.MODEL}/RunLayer",
                        pb.LayerRequest(version=4, session=welcome.session, images=1),
                    )
                case 3:
                    self._stream(
                        link, f"{rpc.CLIENT_PORT}/Measure", pb.Settings(version=4, session=long)
                    )
                case _:
                    self._unary(server, f"{rpc.MODEL}/Close", os.urandom(1000))
            said = "OK"
        except grpc.RpcError as error:
            said = error.code().name
        with self._guard:
            self.said[said] = self.said.get(said, 0) + 1

    def hang_up(self):
        for channel in (*self._server, *self._link):
            channel.close()

    def _unary(self, channel, method, message):
        return channel.unary_unary(f"/{method}", None, None)(_bytes(message), timeout=20)

    def _stream(self, channel, method, message):
        return list(channel.unary_stream(f"/{method}", None, None)(_bytes(message), timeout=20))


def act(folder, at_server, at_link, told):
    """Make all calls, in a process of its own; tell how far they are, and last what was said."""
    hostile = Hostile(folder, at_server, at_link)
    with ThreadPoolExecutor(32) as pool:
        for done, _ in enumerate(pool.map(hostile.call, range(CALLS)), 1):
            if done % 100 == 0:
                told.send(done)
    hostile.hang_up()
    told.send(hostile.said)


def _bytes(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


def test_a_hostile_client_takes_its_share_at_most_and_fills_no_log(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # for the processes that fork
    names = [f"honest-{i}" for i in range(HONEST)]
    options = "--budget", BUDGET, "--client-share", SHARE
    three = Three(tmp_path, 60.0, [*names, "mallory"], options)
    over, attacked = threading.Event(), threading.Event()
    before, during = [], []
    rng = np.random.default_rng(SEED)

    def honest(name, wait):
        over.wait(wait)
        while not over.is_set():
            (during if attacked.is_set() else before).append(three.ask(name))
            over.wait(PAUSE)

    try:
        three.ask(names[0])
        lines = {party: three.log(party).stat().st_size for party in ("link", "serve")}
        waits = rng.uniform(0, PAUSE, HONEST)
        threads = [
            threading.Thread(target=honest, args=each) for each in zip(names, waits, strict=True)
        ]
        for thread in threads:
            thread.start()
        time.sleep(3 * PAUSE)
        attacked.set()
        quiet = sum(three.log(party).stat().st_size for party in lines)
        reader, writer = three.context.Pipe(duplex=False)
        where = three.folder, three.to_server.address, three.to_link.address
        three.children["hostile"] = three.context.Process(target=act, args=(*where, writer))
        three.children["hostile"].start()
        writer.close()
        begun = time.monotonic()
        while not isinstance(said := reader.recv(), dict):
            if SOAK:
                print(f"\r{said:,} of {CALLS:,} hostile calls ", end="", flush=True)
        lasted = time.monotonic() - begun
        time.sleep(PAUSE)
        over.set()
        for thread in threads:
            thread.join()
        grown = sum(three.log(party).stat().st_size for party in lines) - quiet
    finally:
        over.set()
        three.stop()
    with EventLog(tmp_path / "ledger.db", writable=False) as log:
        log.verify()
        opened = [e.body["client"] for e in log.events() if e.kind == "session"]
    account = read_accounts(tmp_path / "ledger.db").networks[NETWORK.digest]
    own = account.clients["mallory"]
    # Against what the same clients waited before, on the same machine under the same load.
    later = float(np.quantile(during, 0.99)) - float(np.quantile(before, 0.99))
    print(
        f"\n{CALLS} hostile calls in {lasted:.1f} s: {said}; {grown / 1024:.0f} KiB of "
        f"log; {opened.count('mallory')} sessions; {HONEST} honest clients waited "
        f"{np.median(before):.2f} s before, {np.median(during):.2f} s then; 99 of 100 at most "
        f"{np.quantile(before, 0.99):.2f} s and {np.quantile(during, 0.99):.2f} s"
    )
    assert opened.count("mallory") <= rpc.OPENS + lasted / rpc.OPEN_SECONDS + 1
    assert own.copies() == 0 and own.bits("declared") <= SHARE * BUDGET  # no light flowed for it
    assert {name for name in opened if name != "mallory"} == set(names) and during
    assert said.get("INTERNAL", 0) == said.get("UNKNOWN", 0) == 0
    assert grown <= LOG
    if SOAK:
        assert later < 1.0
