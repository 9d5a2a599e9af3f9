"""`shotveil lab light`: what stands between the nodes, what it prints, and how it ends."""

import json
import re
import socket
from pathlib import Path

import pytest

from shotveil.models.node.spec import NodeSpec
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop import light as work


@pytest.fixture
def lit(monkeypatch):
    """Stands for calibration and simulation: their arguments, in order; then Ctrl-C."""
    seen = []

    class Made:
        table = "the table"

        def save(self, folder):
            seen.append(("saved", folder))

    def calibrate(*given):
        seen.append(("calibrated", *given))
        return Made()

    def serve(nodes, listeners):
        assert isinstance(listeners, tuple)
        seen.append((nodes, listeners, [listener.getsockname() for listener in listeners]))
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "calibrate", calibrate)
    monkeypatch.setattr(work, "LiveNodes", lambda *given: given)
    monkeypatch.setattr(work, "serve", serve)
    return seen


DOCS = Path(__file__).parents[3] / "docs"


def test_what_the_documents_ask_for_fits_the_receiver(lab):
    text = (DOCS / "parties.md").read_text(encoding="utf-8")
    asked = [float(found) for found in re.findall(r"lab light .*--full-scale ([0-9.]+)", text)]
    most = work.brightest(Impairments())
    assert asked and all(scale <= most for scale in asked)
    assert f"takes: {most:.1f} where all light returns" in " ".join(
        lab("light", "--help")[1].split()
    )


FREE = ["--server-port", 0, "--client-port", 0]


def test_an_ideal_loop_by_default(lab, lit):
    code, out, err = lab("light", *FREE)
    calibrated, (nodes, listeners, names) = lit
    assert calibrated == ("calibrated", 1.3, 24.0, Impairments(), 1, 2000, 4)
    (_, server), (_, client) = names
    assert nodes == ("the table", NodeSpec("server", store=1 << 20)) and (code, err) == (0, "")
    assert out == (
        "loop of 0 dB, gain 1.3, full scale 24 √SNU\n"
        f"a server at tcp:127.0.0.1:{server}\na client at tcp:127.0.0.1:{client}\n\n"
    )
    assert all(listener.fileno() == -1 for listener in listeners), "closed"


def test_options_say_what_stands_on_the_table(lab, lit, tmp_path):
    table = ["--gain", 1.5, "--full-scale", 12, "--seed", 7, "--record-frames", 300]
    table += ["--samples-per-symbol", 2, "--store", 0]
    loss = ["--impairments", "realistic", "--transmittance", 0.25, "--excess-noise", 0.125]
    code, out, _ = lab("light", *FREE, *table, *loss, "--calibration", tmp_path)
    made = work.impaired("realistic", 0.25, 0.125)
    assert made.transmittance == pytest.approx(0.25) and made.excess_noise == 0.125
    assert lit[:2] == [("calibrated", 1.5, 12.0, made, 7, 300, 2), ("saved", tmp_path)]
    assert lit[2][0] == ("the table", NodeSpec.chosen("server", samples_per_symbol=2))
    assert code == 0 and out.startswith("loop of 6.02 dB, gain 1.5, full scale 12 √SNU\n")


def test_a_store_that_no_node_has_is_refused_before_the_calibration(lab, lit):
    code, _, err = lab("light", *FREE, "--store", 4097)
    assert code == 2 and "store = 4097; allowed: multiples of row_capacity = 4096" in err
    assert not lit


def test_one_object_when_ready_and_one_when_stopped(lab, lit):
    code, out, err = lab("light", *FREE, "--host", "127.0.0.2", "--json")
    (host, server), (_, client) = lit[-1][2]
    urls = {"server": f"tcp:127.0.0.2:{server}", "client": f"tcp:127.0.0.2:{client}"}
    assert (code, err, host) == (0, "", "127.0.0.2")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "ready", **urls}, {"event": "stopped"},
    ]  # fmt: skip


def test_either_port_can_be_chosen(lab, lit):
    ports = []
    for name in ("server", "client"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
        assert lab("light", *FREE, f"--{name}-port", ports[-1])[0] == 0
    assert lit[1][2][0][1] == ports[0] and lit[3][2][1][1] == ports[1]


def test_usual_ports_are_told(defaults):
    said = defaults("light")
    assert "server's node; 0 takes one that is free (from 0 to 65535). [default: 7001]" in said
    assert "client's node; 0 takes one that is free (from 0 to 65535). [default: 7002]" in said
    assert "the shot noise is known better (100 or more). [default: 2000]" in said
    assert "`ideal` or `realistic`. [default: ideal]" in said


@pytest.mark.parametrize("party", ["server", "client"])
def test_ports_have_a_range_and_are_looked_at_first(lab, lit, party):
    for port in (-1, 65536):
        code, out, err = lab("light", *FREE, f"--{party}-port", port)
        assert (code, out, lit) == (2, "", [])
        assert f"port = {port} is outside [0, 65535]" in err


def test_the_last_port_is_one(lab, lit):
    code, _, err = lab("light", *FREE, "--client-port", 65535)
    assert code == 0 or "65535 cannot be listened on" in err


def test_a_port_that_is_taken_is_one_line(lab, lit, monkeypatch):
    made, create = [], socket.create_server
    with create(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(socket, "create_server", lambda at: made.append(create(at)) or made[-1])
        code, out, err = lab("light", "--server-port", 0, "--client-port", port)
    assert (code, out) == (2, "") and len(lit) == 1
    assert err.startswith(f"shotveil: 127.0.0.1:{port} cannot be listened on: ")
    assert [listener.fileno() for listener in made] == [-1], "what was opened is closed"


def test_what_is_none_is_refused(lab, lit):
    code, out, err = lab("light", "--impairments", "rough")
    assert (code, out) == (2, "")
    assert "impairments = 'rough' is none of ideal, realistic" in err
    code, out, err = lab("light", "--transmittance", 1.5)
    assert (code, out, lit) == (2, "", []) and "transmittance = 1.5 is outside (0, 1]" in err


def test_a_simulation_that_fails_closes_both_ports(lab, lit, monkeypatch):
    def fails(nodes, listeners):
        lit.append(listeners)
        raise ModuleNotFoundError("no simulator")

    monkeypatch.setattr(work, "serve", fails)
    code, _, err = lab("light", *FREE, "--calibration", Path("somewhere"))
    assert code == 2 and err == "shotveil: no simulator\n"
    assert all(listener.fileno() == -1 for listener in lit[-1])


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.loop.light", "lab", "light")
