"""`shotveil link`, `serve` and `ask` with `--json`: one line when ready, one at the end."""

import json
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from shotveil.host.compile.compiled import Budget, compile
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.parties.keys import make_keys
from tests.host.compile.models import convolutional, f32

COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()"]


@pytest.fixture
def start():
    """Start a command as a process; it is ended with the test."""
    children = []

    def start(*arguments):
        child = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        children.append(child)
        return child, json.loads(child.stdout.readline())

    yield start
    for child in children:
        child.kill()
        child.communicate()


def stopped(child):
    """What a process prints when it is told to stop, on standard output alone."""
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return json.loads(out)


def test_events_of_link_and_server(start, tmp_path, small_network):
    make_keys(tmp_path, ["alice"])
    BudgetFilter(tmp_path / "ledger.db", create=True).close()
    small_network.save(tmp_path / "small.npz")
    keys = ["--keys", tmp_path, "--json"]
    attack = ["--attack", "tap", "--strength", "0.0001"]
    link, at_link = start("link", *keys, "--address", "127.0.0.1:0", *attack)
    assert at_link["event"] == "ready" and at_link["attack"] == "tap"
    where = ["--address", "127.0.0.1:0", "--link", at_link["link"]]
    what = ["--network", tmp_path / "small.npz", "--ledger", tmp_path / "ledger.db"]
    light = ["--gain", 1.3, "--photons", 6]
    server, at_server = start("serve", *keys, *where, *what, *light)
    assert at_server == {
        "event": "ready",
        "network": "small",
        "digest": small_network.digest,
        "server": at_server["server"],
        "ledger": str(tmp_path / "ledger.db"),
        "device": None,
        "attack": None,
        "budget": None,
        "extraction": None,
        "metrics": None,
    }
    there = ["--server", at_server["server"], "--link", at_link["link"], "--name", "alice"]
    asked = subprocess.run(
        [*COMMAND, *map(str, ["ask", *keys, *there, "--images", 5, "--check-rate", 0])],
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["images"] == 5
    assert stopped(server) == {"event": "stopped", "ledger": str(tmp_path / "ledger.db")}
    learned = stopped(link)
    assert learned["event"] == "stopped"
    assert 0 < learned["learned_bits"] < 2 * learned["bound_bits"]


def test_the_demonstration_starts_a_link_of_its_own(start, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Another process could take the port in between, but none of these tests asks for a number.
    probe = socket.create_server(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    link = f"127.0.0.1:{port}"
    server, ready = start("serve", "--demo", "--json", "--address", "127.0.0.1:0", "--link", link)
    assert ready["network"] == "mnist"
    there = ["--server", ready["server"], "--link", link]
    asked = subprocess.run(
        [*COMMAND, "ask", "--demo", "--json", "--images", "5", *there],
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["images"] == 5
    assert stopped(server)["event"] == "stopped"


def test_a_compiled_network_between_three_processes(start, tmp_path):
    """The server holds no plan, the client no weights; patches of a convolution are charged."""
    data = f32(40, 2, 6, 6, seed=20)
    wide = Budget(weight_bits=12.0)
    private = compile(convolutional(), sample=data, cut="conv3", budget=wide)
    served, part = private.save(tmp_path / "server", tmp_path / "client")
    assert [layer.patches for layer in private.network.layers] == [4, 1, 1]
    np.savez(tmp_path / "mine.npz", x=data, y=private.network.forward(data).argmax(axis=1))
    make_keys(tmp_path, ["alice"])
    BudgetFilter(tmp_path / "ledger.db", create=True).close()
    keys = ["--keys", tmp_path, "--json"]
    link, at_link = start("link", *keys, "--address", "127.0.0.1:0")
    where = ["--address", "127.0.0.1:0", "--link", at_link["link"]]
    what = ["--network", served, "--ledger", tmp_path / "ledger.db"]
    light = ["--gain", 2, "--photons", 1e6]
    server, at_server = start("serve", *keys, *where, *what, *light)
    there = ["--server", at_server["server"], "--link", at_link["link"], "--name", "alice"]

    def ask(*options):
        arguments = ["ask", *keys, *there, "--check-rate", 0, "--inputs", tmp_path / "mine.npz"]
        return subprocess.run(
            [*COMMAND, *map(str, [*arguments, *options])], capture_output=True, text=True
        )

    without = ask()
    assert without.returncode == 2 and "name the client's part of it" in without.stderr
    asked = ask("--part", part)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["accuracy"] > 0.9
    assert stopped(server)["event"] == "stopped"
    with BudgetFilter(tmp_path / "ledger.db") as ledger:
        (account,) = ledger.accounts.networks.values()
        sent = account.total.copies()
    assert sent == 40 * sum(layer.rows * layer.patches for layer in private.network.layers)
    stopped(link)
