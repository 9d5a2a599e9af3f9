"""Names of several servers: the order, who is left out, and what is charged meanwhile."""

import socket

import numpy as np
import pytest

pytest.importorskip("grpc")

from shotveil.host.parties import routing
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.parties.routing import RoutedParties, routes
from shotveil.host.parties.rpc import serve_link, serve_model
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import VERSION, ProtocolError, Refusal
from tests.host.parties.parties import IMAGES, parties


def resolver(*hosts):
    def resolve(host, port, type):
        assert (host, port, type) == ("fleet.example", 1, socket.SOCK_STREAM)
        return [(0, type, 6, "", (each, port)) for each in hosts]

    return resolve


def test_servers_are_gone_round_from_one_at_random(monkeypatch):
    resolve = resolver("10.0.0.1", "10.0.0.2", "10.0.0.2", "::5")
    found = []
    for first in range(3):
        monkeypatch.setattr(routing.secrets, "randbelow", lambda n, first=first: first % n)
        found.append(routes("fleet.example:1", "fleet.example:2", resolve))
    assert found[0] == [
        ("10.0.0.1:1", "10.0.0.1:2"),
        ("10.0.0.2:1", "10.0.0.2:2"),
        ("[::5]:1", "[::5]:2"),
    ]
    assert found[1] == found[0][1:] + found[0][:1] and found[2] == found[0][2:] + found[0][:2]
    shared = routes("fleet.example:1", "link.example:2", resolve)
    assert {link for _, link in shared} == {"link.example:2"} and len(shared) == 3


def test_one_address_and_unknown_names_stay_as_they_are():
    one = routes("fleet.example:1", "fleet.example:2", resolver("10.0.0.1"))
    assert one == [("fleet.example:1", "fleet.example:2")]
    assert routes("localhost:1", "localhost:2") == [("localhost:1", "localhost:2")]

    def unknown(*_, **__):
        raise socket.gaierror(-2, "unknown")

    assert routes("a:1", "b:2", unknown) == [("a:1", "b:2")]


@pytest.fixture
def fleet(tmp_path):
    """A server and its link at ports of their own."""
    make_keys(tmp_path, ["alice"])
    links = []
    with parties(tmp_path, tap=lambda link: links.append(link) or link) as (ledger, server, _):
        at_link, link_port = serve_link(links[0], "127.0.0.1:0", read_keys(tmp_path, "link"))
        at, port = serve_model(server, "127.0.0.1:0", read_keys(tmp_path, "server"))
        yield ledger, server, port, f"127.0.0.1:{link_port}", read_keys(tmp_path, "client-alice")
        at.stop(0).wait()
        at_link.stop(0).wait()


class Draining:
    """A server that takes no new sessions, and nothing else."""

    def __init__(self):
        self.asked = 0

    def open(self, hello, client):
        self.asked += 1
        raise ProtocolError(Refusal.UNAVAILABLE, "the server is about to stop")


def test_a_session_begins_where_it_is_taken_and_is_charged_once(fleet, tmp_path):
    ledger, _, port, link, keys = fleet
    draining = Draining()
    at, drains = serve_model(draining, "127.0.0.1:0", read_keys(tmp_path, "server"))
    nobody = socket.create_server(("127.0.0.1", 0))
    closed = nobody.getsockname()[1]
    nobody.close()
    found = [(f"127.0.0.1:{each}", link) for each in (closed, drains, port)]
    routed = RoutedParties(found, keys)
    client = DataClient(routed, routed, np.random.default_rng(1))
    assert draining.asked == 1
    assert client.classify(IMAGES[:10]).shape == (10, 10)
    assert client.close().images == 10
    account = next(iter(ledger.accounts.networks.values()))
    assert account.sessions == 1 and account.total.copies() == 10 * 74
    routed.hang_up()
    routed.hang_up()
    everywhere = RoutedParties(found[:2], keys)
    with pytest.raises(ProtocolError, match="about to stop") as refused:
        everywhere.open(pb.Hello(version=VERSION))
    assert refused.value.refusal is Refusal.UNAVAILABLE
    everywhere.hang_up()
    at.stop(0).wait()


def test_a_refusal_is_not_asked_for_twice(fleet, tmp_path):
    _, _, port, link, keys = fleet
    other = Draining()
    at, second = serve_model(other, "127.0.0.1:0", read_keys(tmp_path, "server"))
    routed = RoutedParties([(f"127.0.0.1:{each}", link) for each in (port, second)], keys)
    with pytest.raises(ProtocolError, match="is not served"):
        routed.open(pb.Hello(version=VERSION, network="nothing"))
    assert other.asked == 0
    routed.hang_up()
    at.stop(0).wait()
