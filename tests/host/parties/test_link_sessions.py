"""What a link knows of sessions: whose they are, and what has left."""

import pytest

from shotveil.host.parties import link_sessions
from shotveil.host.parties.link_sessions import KEPT_REASONS, LinkSession, LinkSessions
from shotveil.host.protocol.wire import ProtocolError, Refusal


def test_a_session_is_its_clients_alone():
    sessions = LinkSessions("e")
    sessions.announce("s", "alice")
    assert sessions.of("s", "alice") is sessions.find("s")
    for name, client in (("s", "bob"), ("t", "alice")):
        with pytest.raises(ProtocolError, match="no such session") as found:
            sessions.of(name, client)
        assert found.value.refusal is Refusal.NOT_FOUND
    with pytest.raises(ProtocolError, match="announced already"):
        sessions.announce("s", "bob")


def test_what_has_ended_is_freed_but_for_the_last_reasons():
    sessions = LinkSessions("e")
    for number in range(KEPT_REASONS + 5):
        sessions.announce(f"s{number}", "alice")
        sessions.end(f"s{number}", (Refusal.ABORTED, f"reason {number}"))
        sessions.end(f"s{number}", (Refusal.ABORTED, "a later one"))
    assert not sessions.names() and not sessions.ended("s0")
    with pytest.raises(ProtocolError, match="reason 260"):
        sessions.of("s260", "alice")
    with pytest.raises(ProtocolError, match="reason 260"):
        sessions.of("s260", None)


def test_it_is_known_which_parts_have_left_or_that_it_is_not_known(monkeypatch):
    monkeypatch.setattr(link_sessions, "KEPT_LAYERS", 2)
    session = LinkSession("alice")
    assert session.emitted((0, 0), 0) is False
    session.touch((0, 0), 2)
    session.close((0, 0))
    assert [session.emitted((0, 0), part) for part in range(3)] == [True, True, False]
    session.touch((0, 1), 1)
    session.touch((1, 0), 0)
    assert session.emitted((0, 0), 0) is None and (0, 0) not in session.closed
    assert session.emitted((7, 0), 0) is None, "something was forgotten"
    assert session.emitted((1, 0), 0) is False


def test_which_light_left_is_known_for_a_while_after_the_end(monkeypatch):
    monkeypatch.setattr(link_sessions, "KEPT_AT_END", 2)
    monkeypatch.setattr(link_sessions, "KEPT_REASONS", 3)
    sessions = LinkSessions("epoch")
    sessions.announce("a", "alice")
    for layer in range(3):
        sessions.of("a", "alice").touch((0, layer), 5)
    sessions.end("a", (Refusal.ABORTED, "over"))
    assert sessions.find("a") is None
    over = sessions.known("a")
    # The first layer is forgotten, so nothing is said of it or of what is not known.
    assert [over.emitted((0, n), 4) for n in (0, 1, 2, 3)] == [None, True, True, None]
    assert over.emitted((0, 2), 5) is False
    for name in "bcd":
        sessions.announce(name, "alice")
        sessions.end(name, (Refusal.ABORTED, "over"))
    assert sessions.known("a") is None and sessions.known("d") is not None
