"""Sessions on file: what is recorded plays back, and nothing else does."""

import json

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.record import RecordingDevice, ReplayDevice, ReplayError, open_url
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.spec import NodeSpec
from tests.host.devices.nodes import ROWS, configured, loop_delay, model


def record(path, backend):
    with configured(RecordingDevice(backend("server"), path)) as node:
        return node.play(ROWS)


def test_a_session_plays_back(backend, tmp_path):
    due = record(tmp_path / "session", backend)
    device = ReplayDevice(tmp_path / "session")
    with configured(device, delay=loop_delay(backend("server"))) as node:
        got = node.play(ROWS)
    assert device.left == 0
    assert np.array_equal(got.session, due.session)
    assert np.array_equal(got.inference, due.inference)
    assert got.counters == due.counters


def test_a_deviation_from_the_session_is_an_error(tmp_path):
    record(tmp_path / "session", model)
    node = configured(ReplayDevice(tmp_path / "session"))
    other = ROWS.copy()
    other[3, 1, 7] ^= 1
    with pytest.raises(
        ReplayError, match=r"line \d+: recorded was send with words\[\d+\] = \d+, a"
    ):
        node.play(other)
    with pytest.raises(
        ReplayError, match=r"4: recorded was write .\"drive_scale\", 19661., asked was write .*131"
    ):
        configured(ReplayDevice(tmp_path / "session"), scale=0.2)
    lines = (tmp_path / "session").read_text().splitlines()
    (tmp_path / "short").write_text("\n".join(lines[:2]))
    with pytest.raises(ReplayError, match="ended; asked was"):
        configured(ReplayDevice(tmp_path / "short"))


def test_errors_are_part_of_a_session(tmp_path):
    device = RecordingDevice(model("server"), tmp_path / "session")
    with device, pytest.raises(DeviceError, match="no room"):
        device.send(WritePort.ROWS, np.zeros(5000, np.uint32))
    with pytest.raises(DeviceError, match="no room"):
        ReplayDevice(tmp_path / "session").send(WritePort.ROWS, np.zeros(5000, np.uint32))


def test_files_that_are_no_session(tmp_path):
    record(tmp_path / "session", model)
    head, *rest = (tmp_path / "session").read_text().splitlines()
    for text in ("", "{}", "[]", "no", json.dumps({**json.loads(head), "version": 9})):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(RangeError, match="no record of a session"):
            ReplayDevice(tmp_path / "bad")
    stale = json.loads(head)
    stale["constants"]["spec_hash"] ^= 1
    (tmp_path / "stale").write_text("\n".join([json.dumps(stale), *rest]))
    with pytest.raises(DeviceError, match="another spec"):
        ReplayDevice(tmp_path / "stale")


def session(tmp_path, *entries):
    """A file of so many transactions with a server's node."""
    RecordingDevice(model("server"), tmp_path / "short").close()
    with (tmp_path / "short").open("a") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return ReplayDevice(tmp_path / "short")


def test_each_transaction_is_a_line(tmp_path):
    with RecordingDevice(model("server"), tmp_path / "session") as device:
        device.read_all(["arm", "grant"])
        device.write(grant=5)
        device.send(WritePort.ROWS, [7, 8])
        device.room(WritePort.ROWS)
        device.receive(ReadPort.SESSION, 9)
        device.wait(0.0)
    head, *rest = map(json.loads, (tmp_path / "session").read_text().splitlines())
    assert head["format"] == "shotveil session" and head["version"] == 2
    assert head["device"] == "model:server" and head["constants"] == dict(device.map.constants)
    assert rest == [
        {"read": ["arm", "grant"], "answer": [0, 0]},
        {"write": [["grant", 5], ["commit", 1]], "answer": None},
        {"send": "ROWS", "words": [7, 8], "answer": None},
        {"room": "ROWS", "answer": 4094},
        {"receive": "SESSION", "count": 9, "answer": []},
    ]
    played = open_url(str(tmp_path / "session"), None, None)
    assert played.name == f"replay:{tmp_path / 'session'}" and played.left == 5
    assert played.read_all(["arm", "grant"]) == {"arm": 0, "grant": 0} and played.left == 4
    played.write(grant=5)
    played.send(WritePort.ROWS, [7, 8])
    assert played.room(WritePort.ROWS) == 4094
    assert len(played.receive(ReadPort.SESSION, 9)) == 0 and played.left == 0


def test_where_a_program_deviates_is_said(tmp_path):
    device = session(tmp_path, {"send": "ROWS", "words": [1, 2, 3], "answer": None})
    with pytest.raises(
        ReplayError, match=r"2: recorded was send with words\[1\] = 2, asked .* = 9"
    ):
        device.send(WritePort.ROWS, [1, 9, 3])
    with pytest.raises(ReplayError, match=r"words\[2\] = 3, asked was send with words\[2\] = null"):
        device.send(WritePort.ROWS, [1, 2])
    with pytest.raises(
        ReplayError, match=r'recorded was .*"send": "ROWS".*asked was .*"room": "ROWS"'
    ):
        device.room(WritePort.ROWS)
    assert device.left == 1
    device.send(WritePort.ROWS, [1, 2, 3])
    with pytest.raises(ReplayError, match="short ended; asked was"):
        device.room(WritePort.ROWS)


def test_long_transactions_are_cut_short_in_messages(tmp_path):
    device = session(tmp_path, {"room": "ROWS", "answer": 1})
    with pytest.raises(ReplayError) as said:
        device.send(WritePort.ROWS, range(1000))
    shown = str(said.value).partition("asked was ")[2]
    assert len(shown) == 120 and shown.endswith("...")


def test_a_replay_needs_the_spec_of_a_node_of_another_make(tmp_path):
    slow = NodeSpec(clock_hz=62_500_000)
    RecordingDevice(model("server", slow), tmp_path / "slow").close()
    assert ReplayDevice(tmp_path / "slow").spec == slow
    spec = NodeSpec(drive=DriveSpec(row_capacity=512))
    RecordingDevice(model("server", spec), tmp_path / "own").close()
    with pytest.raises(DeviceError, match="another spec"):
        ReplayDevice(tmp_path / "own")
    assert ReplayDevice(tmp_path / "own", spec).spec == spec
    with pytest.raises(RangeError, match="a plant was given for replay:"):
        open_url(str(tmp_path / "own"), spec, lambda codes: codes)


def test_a_session_writes_over_no_session(tmp_path):
    (tmp_path / "there").write_text("before")
    with pytest.raises(RangeError, match="there exists; allowed: a new file to record to"):
        RecordingDevice(model("server"), tmp_path / "there")
    assert (tmp_path / "there").read_text() == "before"
