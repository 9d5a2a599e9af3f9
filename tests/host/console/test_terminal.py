"""What `serve` and `link` show on a terminal, and that they show nothing elsewhere."""

import io
import logging
import os
import pty
import subprocess
import sys
import time
from types import SimpleNamespace

from rich.console import Console

from shotveil.host.console import terminal
from shotveil.host.console.terminal import LightCounter, server_display, server_view, shown
from shotveil.host.ledger.event_log import EventLog
from tests.host.console.conftest import WAIT

NETWORK = {
    "network": "small [x]", "bits": {"declared": 0.25, "certified": 0.5},
    "budget": {"bits": 2.0, "sense": "certified"}, "left": {"certified": 1234}, "open": 3,
    "clients": [
        {"client": "alice", "bits": {"declared": 0.1, "certified": 0.2}, "budget": None,
         "refused": ""},
        {"client": "mallory", "bits": {"declared": 0.1, "certified": 0.3},
         "budget": {"bits": 1.0, "sense": "certified"}, "refused": "too much noise"},
    ],
}  # fmt: skip


def text(renderable):
    console = Console(width=120, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_a_server_shows_budget_clients_and_verification():
    light = {"declared": [0.9, 0.1], "transmittance": 0.91234, "excess_noise": 0.12345}
    said = text(server_view({
        "rate": {"images_per_second": 12.34, "images": 5000},
        "networks": [NETWORK],
        "evidence": [{"client": "alice", "light": [light]}],
        "trouble": "torn",
    }))  # fmt: skip
    assert "12.3 images a second, 5,000 since the start" in said
    assert "small [x]: 0.5 of 2 bits per weight (certified), 1,234 inferences left" in said
    (alice,) = (line for line in said.splitlines() if line.lstrip().startswith("alice"))
    assert alice.split() == ["alice", "0.1", "0.91234", "0.12345", "admitted"]
    (mallory,) = (line for line in said.splitlines() if line.lstrip().startswith("mallory"))
    assert "0.3 of 1" in mallory and "refused: too much noise" in mallory
    assert "torn" in said


def test_before_the_first_read_there_is_a_line_all_the_same():
    assert "0.0 images a second" in text(server_view({}))


def test_a_link_counts_its_light():
    now = [0.0]
    counter = LightCounter(lambda: now[0])
    for k in range(20):
        counter.count(SimpleNamespace(session=f"s{k % 2}"))
    assert "20 times in 2 sessions, 2.0 times a second" in text(counter.view())
    now[0] = 11.0
    assert "0.0 times a second" in text(counter.view())


def test_without_a_terminal_there_is_no_display(tmp_path, capsys):
    EventLog(tmp_path / "ledger.db", create=True).close()
    with server_display(tmp_path / "ledger.db") as view:
        assert view is None
        with shown(view):
            pass
    assert capsys.readouterr().out == ""


def test_on_a_terminal_a_server_shows_its_ledger(tmp_path, monkeypatch):
    EventLog(tmp_path / "ledger.db", create=True).close()
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    with server_display(tmp_path / "ledger.db") as view:
        assert "0.0 images a second" in text(view())


def test_log_lines_keep_their_stream(capsys):
    logger = logging.getLogger()
    handler = logging.StreamHandler(before := sys.stderr)
    logger.addHandler(handler)
    try:
        with shown(lambda: "something"):
            assert handler.stream is not before or sys.stderr is before
        assert handler.stream is before
    finally:
        logger.removeHandler(handler)


def test_a_link_on_a_real_terminal(tmp_path):
    """A pseudo-terminal gets the display; it goes when the process is told to stop."""
    code = (
        "from shotveil.host.commands.parties import run_until_told\n"
        "run_until_told('link ready', lambda: None, {}, False, view=lambda: 'light was sent often')"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    seen, end = b"", time.monotonic() + WAIT
    try:
        while b"light was sent often" not in seen:
            assert time.monotonic() < end
            seen += os.read(ours, 4096)
        assert seen.index(b"link ready") < seen.index(b"light was sent")
        child.terminate()
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # the other end of the terminal is closed
                break
        assert child.wait(WAIT) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)
