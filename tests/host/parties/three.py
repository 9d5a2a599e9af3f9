"""Link and server as processes at wires that a test can cut, and what their books say."""

import json
import multiprocessing
import os
import socket
import sys
import time

import numpy as np

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.keys import CLIENT, make_keys, read_keys
from shotveil.host.parties.rpc import RemoteClientPort, RemoteModel
from shotveil.host.protocol.wire import ProtocolError
from tests.host.parties.parties import IMAGES, NETWORK, SEED
from tests.host.parties.parties import LINK as SETTINGS
from tests.host.parties.wires import Wire


def run(arguments, ready, log):
    """`shotveil …` in a process that was forked with all modules loaded."""
    os.dup2(ready.fileno(), 1)
    sys.stdout = os.fdopen(1, "w")  # the inherited one believes that 1 is a file
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.argv = ["shotveil", *arguments]
    from shotveil.host.commands.cli import main

    main()


def ask(folder, name, at_server, at_link, images):
    keys = read_keys(folder, f"{CLIENT}-{name}")
    ends = []
    try:
        ends.append(RemoteModel(at_server, keys, 2.0))
        ends.append(RemoteClientPort(at_link, keys, 2.0))
        client = DataClient(*ends, np.random.default_rng(SEED), check_rate=0.02)
        outputs = client.classify(images, 20)
        client.close()
        return outputs
    finally:
        for end in ends:
            end.hang_up()


def load(folder, at_server, at_link):
    """A client that asks again and again, until it is killed."""
    while True:
        try:
            ask(folder, "alice", at_server, at_link, IMAGES)
        except ProtocolError:
            time.sleep(0.05)


class Three:
    """Link and server as processes at ports of their own, with wires between all parties.

    seconds: How long an honest client may wait for an answer.
    options: Those of `shotveil serve` besides the places of things.
    """

    def __init__(self, folder, seconds, names=("alice", "bob"), options=("--budget", 1e6)):
        self.folder, self.seconds, self._options = folder, seconds, options
        make_keys(folder, list(names))
        NETWORK.save(folder / "small.npz")
        EventLog(folder / "ledger.db", create=True).close()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["shotveil.host.commands.cli", "shotveil.host.parties.rpc", __name__]
        )
        self.ports = {"link": free_port(), "serve": free_port()}
        self.to_link, self.own_link = Wire(self.ports["link"]), Wire(self.ports["link"])
        self.to_server = Wire(self.ports["serve"])
        self.wires = self.to_link, self.own_link, self.to_server
        self.children = {}
        self.start("link")
        self.start("serve")

    def start(self, party):
        where = ["--keys", self.folder, "--address", f"127.0.0.1:{self.ports[party]}"]
        of_party = ["--shots", self.folder / "shots"]
        if party == "serve":
            of_party = ["--link", self.own_link.address, "--ledger", self.folder / "ledger.db"]
            of_party += ["--network", self.folder / "small.npz", *self._options]
            of_party += ["--gain", SETTINGS.gain, "--photons", SETTINGS.photons]
        reader, writer = self.context.Pipe(duplex=False)
        arguments = [str(a) for a in [party, *of_party, *where]]
        child = self.context.Process(target=run, args=(arguments, writer, self.log(party)))
        child.start()
        writer.close()
        with os.fdopen(os.dup(reader.fileno())) as lines:
            assert any(" ready at " in line for line in lines), f"{party} never got ready"
        reader.close()
        self.children[party] = child

    def log(self, party):
        return self.folder / f"{party}.log"

    def start_client(self):
        ends = self.folder, self.to_server.address, self.to_link.address
        self.children["client"] = self.context.Process(target=load, args=ends)
        self.children["client"].start()

    def kill(self, party):
        child = self.children.pop(party)
        child.kill()
        child.join()

    def ask(self, name="bob"):
        """Ask as an honest client, again until there is an answer; return the seconds it took."""
        begun = time.monotonic()
        while True:
            try:
                ends = self.to_server.address, self.to_link.address
                assert np.isfinite(ask(self.folder, name, *ends, IMAGES[:5])).all()
                return time.monotonic() - begun
            except ProtocolError:
                assert time.monotonic() - begun < self.seconds, "no answer"
                time.sleep(0.02)

    def books(self):
        """Compare the ledger with what left.

        Return the light without a charge, the epoch of each reserve that is charged although its
        light never left, all epochs, and the number of reserves that were taken back.
        """
        with EventLog(self.folder / "ledger.db", writable=False) as log:
            events = list(log.events())
        reserves = {e.sequence: e.body for e in events if e.kind == "reserve"}
        back = {e.body["reserve"] for e in events if e.kind == "settle"}
        done = {e.body["reserve"] for e in events if e.kind == "commit"}
        assert not back & done
        lines = (self.folder / "shots").read_text().splitlines()
        names = "session", "batch", "layer", "part"
        sent = {tuple(json.loads(line)[name] for name in names) for line in lines}
        place = {
            number: (b["session"], b["emission"][1], b["layer"], b["emission"][2])
            for number, b in reserves.items()
        }
        charged = {p for number, p in place.items() if number not in back}
        never = {
            number: reserves[number]["emission"][0]
            for number, p in place.items()
            if number not in back | done and p not in sent
        }
        return sent - charged, never, {b["emission"][0] for b in reserves.values()}, len(back)

    def stop(self):
        for party in list(self.children):
            self.kill(party)
        for wire in self.wires:
            wire.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
