"""`shotveil device`, and the SigMF files it writes."""

import datetime
import json

import numpy as np
import pytest
import sigmf

from shotveil.host.commands import cli
from shotveil.host.devices import sigmf_files
from shotveil.host.devices.node import Node
from shotveil.models.common.checks import RangeError
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from tests.host.devices.nodes import DIGITISER, DRIVE, model


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        cli.main(["device", *map(str, arguments)])
    return exit.value.code, capsys.readouterr()


def test_info(capsys):
    code, said = run(capsys, "info", "model:server")
    assert code == 0
    lines = said.out.splitlines()
    assert lines[0] == "model:server: a server's node"
    identity = register_map(NodeSpec()).identity
    for line in (f"spec_hash {identity['spec_hash']:08x}", "watchdog 0.999817 s", "state idle",
                 "fault none", "clock 125000000", "digitiser_record signal"):  # fmt: skip
        assert line in [" ".join(found.split()) for found in lines], line


def test_info_as_json(capsys):
    code, said = run(capsys, "info", "model:client", "--json")
    values = json.loads(said.out)
    assert code == 0 and values["role"] == "client" and values["quadratures"] == 1
    names = {r.name for r in register_map(NodeSpec("client")) if r.access.value != "strobe"}
    assert names <= set(values)


@pytest.mark.parametrize("role", ["server", "client"])
def test_selftest(capsys, role, tmp_path):
    code, said = run(capsys, "selftest", f"model:{role}", "--record", tmp_path / "session")
    assert code == 0 and "FAILED" not in said.out
    assert said.out.splitlines()[-1] == "18 of 18 checks passed"
    again, played = run(capsys, "selftest", f"replay:{tmp_path / 'session'}")
    assert again == 0 and played.out == said.out


def test_a_selftest_that_fails(capsys, tmp_path):
    """A session in which one sum came back with one bit flipped."""
    run(capsys, "selftest", "model:server", "--record", tmp_path / "session")
    lines = [json.loads(line) for line in (tmp_path / "session").read_text().splitlines()]
    sums = [entry for entry in lines if entry.get("receive") == "SESSION"]
    sums[1]["answer"][100] ^= 4
    (tmp_path / "session").write_text("\n".join(map(json.dumps, lines)))
    code, said = run(capsys, "selftest", f"replay:{tmp_path / 'session'}")
    assert code == 1 and "FAILED  session: 1 of 320 sums differ" in said.out
    assert said.out.splitlines()[-1] == "17 of 18 checks passed"
    code, said = run(capsys, "selftest", f"replay:{tmp_path / 'session'}", "--json")
    found = json.loads(said.out)
    assert code == 1 and not found["passed"] and not found["checks"]["session"]["passed"]


def test_capture(capsys, tmp_path):
    out = tmp_path / "light"
    code, said = run(capsys, "capture", "model:server", "--rows", "3", "--out", out)
    assert code == 0 and f"{out}.sigmf-meta: 4096 samples, rms " in said.out
    code, said = run(capsys, "capture", "model:server", "--out", out)
    assert code == 2 and "light.sigmf-data exists; allowed: a new name" in said.err
    record = sigmf.sigmffile.fromfile(str(out) + ".sigmf-meta")  # checks the digest
    assert len(record.read_samples()) == 4096 and record.read_samples().any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["info", "usb:1"],
            "device = 'usb:1' is no URL of a node; allowed: light:…, model:…, replay:…",
        ),
        (["info", "model:bob"], "names no role"),
        (["info", "tcp:127.0.0.1:9"], "tcp:127.0.0.1:9: no node answers at 127.0.0.1:9: "),
        (["info", "serial:/dev/unplugged"], "serial port /dev/unplugged cannot be opened: "),
        (["info", "replay:/nowhere"], "/nowhere cannot be read: No such file"),
        (["capture", "model:server", "--out", "/nowhere/x"], "/nowhere is no folder"),
        (["capture", "model:server", "--out", "x", "--rows", "-1"], "rows = -1 is outside"),
    ],
)
def test_errors_are_one_line(capsys, arguments, message):
    code, said = run(capsys, *arguments)
    assert code == 2 and not said.out
    assert said.err.startswith("shotveil: ") and message in said.err
    assert len(said.err.splitlines()) == 1


def test_a_node_of_another_spec_is_refused(capsys, tmp_path):
    run(capsys, "info", "model:server", "--record", tmp_path / "session")
    text = (tmp_path / "session").read_text()
    ours = register_map(NodeSpec()).identity["spec_hash"]
    (tmp_path / "session").write_text(text.replace(f'"spec_hash":{ours}', '"spec_hash":4660', 1))
    code, said = run(capsys, "info", f"replay:{tmp_path / 'session'}")
    assert code == 2
    assert "was built from another spec (00001234; expected: server" in said.err
    assert "build and load its bitstream anew with this version" in said.err


@pytest.mark.parametrize("role", ["server", "client"])
def test_sigmf(role, tmp_path):
    """What is on file, read by the library that others use: samples, rate, identity, settings."""
    with Node(model(role)) as node:
        node.configure(DRIVE, DIGITISER, loop_delay=37)
        rng = np.random.default_rng(4)
        rows = rng.integers(-9_000, 9_000, (5, 2, DRIVE.layout.row))
        samples = node.play(rows, capture=True).samples
        when = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
        files = sigmf_files.write(tmp_path / "light", node, samples, when)
    record = sigmf.sigmffile.fromfile(str(files[1]), autoscale=False)
    record.validate()
    read = np.asarray(record.read_samples()).ravel()
    if role == "server":
        assert record.get_global_info()["core:datatype"] == "ci16_le"
        assert np.array_equal(read, samples[0] + 1j * samples[1])
    else:
        assert record.get_global_info()["core:datatype"] == "ri16_le"
        assert np.array_equal(read, samples[0])
    info = record.get_global_info()
    assert info["core:sample_rate"] == 125e6
    assert record.get_captures()[0]["core:datetime"] == "2026-05-04T03:02:01.000000Z"
    assert info["shotveil:role"] == role and info["shotveil:device"] == f"model:{role}"
    assert info["shotveil:spec_hash"] == f"{NodeSpec(role).spec_hash():08x}"
    assert info["shotveil:spec"]["drive.dac_bits"] == "14"
    settings = info["shotveil:settings"]
    assert settings["drive_scale"] == pytest.approx(DRIVE.scale, abs=1e-5)
    assert settings["loop_delay"] == 37 and settings["digitiser_record"] == "signal"
    with pytest.raises(RangeError, match="exists"):
        sigmf_files.write(tmp_path / "light", node, samples)
