"""`shotveil lab node`: a node behind a TCP port, what it prints, and how it ends."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device
from shotveil.models.node.spec import NodeSpec


def test_a_node_says_when_it_is_ready_and_when_it_has_stopped():
    # Where tests run in a shell's background, SIGINT is ignored unless somebody asks for it.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from shotveil.host.commands.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "lab", "node", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready" and ready["role"] == "server"
    with Node(open_device(ready["device"])) as node:
        assert node.registers.read()["state"] == "idle"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
    assert json.loads(out) == {"event": "stopped", "device": ready["device"]}


@pytest.fixture
def served(monkeypatch):
    """Stands for the simulation: what was made, where it listened, and Ctrl-C at once."""
    seen = []

    def serve(pipe, listener):
        seen.append((*pipe, listener, listener.getsockname()))
        raise KeyboardInterrupt

    monkeypatch.setattr("shotveil.models.node.chain.Loopback", lambda *given: given)
    monkeypatch.setattr("shotveil.sim.loop.node_device.NodePipe", lambda *given: given)
    monkeypatch.setattr("shotveil.sim.loop.node_server.serve", serve)
    return seen


def test_a_server_without_delay_by_default(lab, served):
    code, out, err = lab("node", "--port", 0)
    ((spec, plant, listener, (host, port)),) = served
    assert (code, out, err) == (0, f"a server at tcp:127.0.0.1:{port}\n\n", "")
    assert spec == NodeSpec(role="server") and plant == (spec, 0)
    assert host == "127.0.0.1" and listener.fileno() == -1, "closed"


def test_options_say_which_node_and_where(lab, served):
    code, out, err = lab("node", "--port", 0, "--role", "client", "--delay", 9, "--host",
                         "127.0.0.2", "--samples-per-symbol", 2, "--json")  # fmt: skip
    ((spec, plant, _, (host, port)),) = served
    at = f"tcp:127.0.0.2:{port}"
    assert (code, err, host) == (0, "", "127.0.0.2")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "ready", "role": "client", "device": at}, {"event": "stopped", "device": at},
    ]  # fmt: skip
    assert spec == NodeSpec.chosen("client", samples_per_symbol=2) and plant == (spec, 9)


def test_the_usual_port_is_that_of_instruments(defaults):
    said = defaults("node")
    assert "(from 0 to 65535). [default: 5025]" in said
    assert "the server's or the client's. [default: server]" in said


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_has_a_range(lab, served, port):
    code, out, err = lab("node", "--port", port)
    assert (code, out, served) == (2, "", [])
    assert f"port = {port} is outside [0, 65535]" in err


def test_the_last_port_is_one(lab, served):
    code, _, err = lab("node", "--port", 65535)
    assert code == 0 or "65535 cannot be listened on" in err


def test_a_port_that_is_taken_is_one_line(lab, served):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = lab("node", "--port", port)
    assert (code, out, served) == (2, "", [])
    assert err.startswith(f"shotveil: 127.0.0.1:{port} cannot be listened on: ")


def test_a_bare_installation_asks_for_the_extra(asks_for_extra):
    asks_for_extra("lab", "node")
