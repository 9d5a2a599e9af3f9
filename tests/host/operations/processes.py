"""A link and a server as processes, with a client of them in the test's own."""

import json
import subprocess
import sys
import threading
import urllib.request

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.keys import make_keys, read_keys, role_name
from shotveil.host.parties.rpc import RemoteClientPort, RemoteModel

COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()"]


class OneServer:
    """A link and a server, and everything that they print."""

    def __init__(self, folder, network, *options, ledger=None):
        self.ledger = ledger or folder / "ledger.db"
        self.folder, self.network, self.options = folder, network, options
        self.children, self.said = [], []

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        folder, network = self.folder, self.network
        make_keys(folder, ["alice"])
        if self.ledger == folder / "ledger.db":
            EventLog(self.ledger, create=True).close()
        network.save(folder / "network.npz")
        self.link, self.link_at = self.start("link")
        what = ["--network", folder / "network.npz", "--gain", 1.3, "--photons", 6]
        where = ["--link", self.link_at["link"], "--ledger", self.ledger]
        self.server, self.at = self.start(
            "serve", *what, *where, "--metrics", "127.0.0.1:0", "--budget", 1000, *self.options
        )
        self.keys = read_keys(folder, "client-alice")

    def start(self, *arguments):
        more = ["--keys", self.folder, "--address", "127.0.0.1:0", "--log", "json", "--json"]
        child = subprocess.Popen(
            [*COMMAND, *map(str, [*arguments, *more])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.children.append(child)
        child.lines = []

        def read():
            for line in child.stderr:
                child.lines.append(line)

        child.reader = threading.Thread(target=read, daemon=True)
        child.reader.start()
        first = child.stdout.readline()
        assert first, (child.wait(60), child.reader.join(60), child.lines)
        self.said.append(first)
        return child, json.loads(first)

    def client(self, **options):
        ports = (
            RemoteModel(self.at["server"], self.keys),
            RemoteClientPort(self.link_at["link"], self.keys),
        )
        client = DataClient(*ports, np.random.default_rng(3), **options)
        client.ports = ports
        return client

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.at['metrics']}/metrics", timeout=30) as answer:
            self.said.append(answer.read())
        return self.said[-1].decode()

    def health(self):
        """A call that goes on telling the state of the server."""
        authority, certificate, key = self.keys
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        name = [("grpc.ssl_target_name_override", role_name("server"))]
        self.channel = grpc.secure_channel(self.at["server"], credentials, name)
        stub = health_pb2_grpc.HealthStub(self.channel)
        return stub.Watch(health_pb2.HealthCheckRequest(), timeout=120)

    def ended(self, child):
        """The exit code of a process; all that it printed is kept."""
        code = child.wait(60)
        child.reader.join(60)
        self.said += [child.stdout.read(), *child.lines]
        return code

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
            child.reader.join(60)
            child.stdout.close()
            child.stderr.close()
