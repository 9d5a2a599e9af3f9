"""`shotveil console` as a process, and what it refuses."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()", "console"]


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *arguments, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )


def test_it_says_where_it_is_and_stops_when_it_is_told_to():
    child = start("model:server")
    try:
        ready = json.loads(child.stdout.readline())
        assert ready["event"] == "ready"
        address = ready["console"]
        assert address.startswith("http://127.0.0.1:") and len(address.split("token=")[1]) >= 32
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.partition("?")[0], timeout=10)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=30)
        assert json.loads(out) == {"event": "stopped"} and child.returncode == 0
    finally:
        child.kill()
        child.wait()


def test_a_run_is_recorded_and_replayed(tmp_path):
    child = start("model:server", "--record", str(tmp_path / "run"))
    try:
        child.stdout.readline()
        while b'"0/status"' not in (tmp_path / "run").read_bytes():
            assert child.poll() is None
    finally:
        child.terminate()
        child.communicate(timeout=30)
    again = start("--replay", str(tmp_path / "run"))
    try:
        assert json.loads(again.stdout.readline())["event"] == "ready"
    finally:
        again.terminate()
        again.communicate(timeout=30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "nothing to show given; allowed: one of nodes, --ledger"),
        ("model:server --ledger x.db", "nodes and --ledger given"),
        ("--ledger x.db --data-ledger y.db", "--ledger and files of a client given"),
        ("--ledger x.db", "ledger x.db is not found"),
        ("--replay x", "record x"),
        ("nowhere", "device = 'nowhere' is no URL"),
        ("model:server model:server model:server", "nodes = 3"),
        ("light:server --transmittance 0", "transmittance = 0"),
        ("light:server --excess-noise -1", "excess noise = -1"),
        ("light:server --efficiency 2", "efficiency = 2"),
        ("light:server --full-scale 0", "full scale = 0"),
        ("model:server --port 70000", "port = 70000"),
        ("model:server --host 0.0.0.0", "is every address at once"),
        ("model:server --host 192.0.2.1", "cannot be listened on"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, arguments, message):
    refused(f"console {arguments}", message)
