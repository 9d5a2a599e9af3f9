"""Whatever a console shows says first what kind of page it is."""

import pytest

from shotveil.host.console.bench import Bench
from shotveil.host.console.client_books import ClientBooks
from shotveil.host.console.hub import Hub, Recorder
from shotveil.host.console.replay import RunReplay
from shotveil.host.console.server_books import ServerBooks
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError


def bench(folder):
    return Bench(["model:server"])


def server(folder):
    EventLog(folder / "ledger.db", create=True).close()
    return ServerBooks(folder / "ledger.db")


def client(folder):
    return ClientBooks(None, None, folder / "journal")


def replay(folder):
    recorder = Recorder(folder / "run")
    Hub(recorder).publish({"page": {"kind": "bench", "title": "run", "nodes": 1}}, 0.0)
    recorder.close()
    return RunReplay(folder / "run")


@pytest.mark.parametrize("make", [bench, server, client, replay])
def test_every_source_says_what_it_is_and_refuses_what_it_does_not_offer(make, tmp_path):
    source = make(tmp_path)
    try:
        page = source.changed()["page"]
        assert page["kind"] in ("bench", "server", "client") and page["title"]
        with pytest.raises(RangeError, match="allowed"):
            source.act({"act": "reveal"})
    finally:
        source.close()
