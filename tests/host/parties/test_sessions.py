"""Which session gives way to another."""

from types import SimpleNamespace

import pytest

from shotveil.host.parties.sessions import require_room, to_end
from shotveil.host.protocol.wire import ProtocolError


def session(client, used, running=()):
    return SimpleNamespace(client=client, used=used, running=set(running), begun=True, ending=False)


def test_a_client_gives_way_only_to_itself_and_idle_sessions_first():
    held = {
        "a": session("alice", 1.0, [0]),
        "b": session("alice", 3.0),
        "c": session("alice", 2.0),
        "d": session("bob", 0.0),
    }
    assert to_end(held, "alice", 4) == "" and to_end(held, "carol", 1) == ""
    assert to_end(held, "alice", 3) == "c"
    held["b"].running, held["c"].running = {1}, {2}
    assert to_end(held, "alice", 3) == "a"


def test_a_session_gives_way_only_once_it_has_begun_and_once():
    held = {"a": session("alice", 1.0), "b": session("alice", 2.0), "c": session("alice", 3.0)}
    held["a"].begun = False
    assert to_end(held, "alice", 3) == "b"
    held["b"].ending = True
    assert to_end(held, "alice", 3) == "" and to_end(held, "alice", 2) == "c"
    held["c"].begun = False
    with pytest.raises(ProtocolError, match="2 sessions of the client are just beginning"):
        to_end(held, "alice", 2)


def test_the_server_takes_so_many_and_no_more():
    require_room([session("a", 0)] * 2, 3)
    for most, text in ((1, "a session is open already"), (2, "2 sessions are open already")):
        with pytest.raises(ProtocolError, match=text):
            require_room([session("a", 0)] * most, most)
