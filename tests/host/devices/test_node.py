"""Devices: what every backend answers alike, what is refused, and a session on file."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError, recognise
from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device
from shotveil.host.devices.record import RecordingDevice, ReplayDevice, ReplayError
from shotveil.host.devices.selftest import selftest
from shotveil.host.devices.transport import Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.drive import chain as drive
from shotveil.models.drive.spec import DriveSpec, registers
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Access
from shotveil.models.node.spec import ROLES, NodeSpec
from tests.host.devices.nodes import (
    BACKENDS,
    DELAY,
    DIGITISER,
    DRIVE,
    LAYOUT,
    Inside,
    ModelPipe,
    loop_delay,
    model,
)

ROWS = np.random.default_rng(11).integers(-20_000, 20_000, (9, 2, LAYOUT.row))


@pytest.fixture(params=BACKENDS)
def backend(request):
    return BACKENDS[request.param]


def configured(device, delay=None, **more):
    node = Node(device)
    way = loop_delay(device) if delay is None else delay
    node.configure(replace(DRIVE, **more), DIGITISER, loop_delay=way)
    return node


def test_identity(backend):
    for role in ROLES:
        with backend(role) as device:
            assert device.spec == NodeSpec(role)
            found = device.read_all(device.map.of(Access.CONSTANT))
            assert found == dict(device.map.constants)


@pytest.mark.parametrize("role", ROLES)
def test_a_batch_is_the_same_on_every_backend(backend, role):
    due = configured(model(role)).play(ROWS)
    with configured(backend(role)) as node:
        got = node.play(ROWS)
        again = node.play(ROWS)
    for batch in (got, again):
        assert np.array_equal(batch.session, due.session)
        assert np.array_equal(batch.modes, due.modes)
        for ours, theirs in zip(batch.last(len(ROWS)), due.last(len(ROWS)), strict=True):
            assert np.array_equal(ours, theirs)
        assert (batch.rows_sent, batch.faults) == (len(ROWS), frozenset())
    # It is not all zeros that are compared.
    assert len(np.unique(due.last(len(ROWS))[0])) > len(ROWS) // 2
    if role == "server":
        segments = due.session[: LAYOUT.groups - 1, 7]
        assert segments.tolist() == [len(ROWS) * LAYOUT.pilot_spacing] * len(segments)


@pytest.mark.parametrize("role", ROLES)
def test_every_batch_begins_with_the_offset_that_was_calibrated(backend, role):
    offset = (12 << 22, -(7 << 22))[: NodeSpec(role).digitiser.quadratures]
    with Node(backend(role)) as node:
        way = loop_delay(node.device)
        node.configure(DRIVE, DIGITISER, loop_delay=way, offset=offset)
        got = [node.play(ROWS) for _ in range(2)]
        with pytest.raises(RangeError, match=f"offset = .* allowed: {len(offset)} numbers"):
            node.configure(DRIVE, DIGITISER, offset=(0,) * (3 - len(offset)))
    known = Node(model(role))
    known.configure(DRIVE, DIGITISER, loop_delay=DELAY, offset=offset)
    due = known.play(ROWS)
    for batch in got:
        assert np.array_equal(batch.session, due.session)
    # It is not the one that is found where nothing is known.
    assert not np.array_equal(due.session, configured(model(role)).play(ROWS).session)


def test_the_sums_are_those_of_the_symbols_sent():
    """Σq² of each run is what was sent, and the loop's gain is one of a coherent signal."""
    batch = configured(model("server")).play(ROWS)
    for segment in range(LAYOUT.groups - 1):
        part = slice(segment * LAYOUT.pilot_spacing, (segment + 1) * LAYOUT.pilot_spacing)
        q = ROWS[:, :, part].astype(np.int64)
        sums = batch.session[segment]
        assert sums[12] == (q[:, 0] ** 2).sum() and sums[13] == (q[:, 1] ** 2).sum()
        correlation = sums[8] / np.sqrt(float(sums[4]) * float(sums[12]))
        assert correlation > 0.98  # 2 % are the arcsine of the modulator, which a loopback sees


def test_more_rows_than_the_buffer_holds():
    spec = NodeSpec(drive=DriveSpec(row_capacity=1024), replay=1024)
    with Node(model("server", spec)) as node:
        node.configure(DRIVE, DIGITISER, loop_delay=DELAY)
        many = np.resize(ROWS, (40, 2, LAYOUT.row))
        seen = []
        assert node.play(many, seen.append).rows_sent == 40
        assert seen[-1] == 40 and seen == sorted(seen)


def test_not_a_row_beyond_the_grant(backend):
    with configured(backend("server")) as node:
        batch = node.play(ROWS, grant=4)
        assert (batch.rows_sent, batch.frames_sent) == (4, 6)
        # What was left over is gone, not sent with the next batch.
        one = node.play(ROWS[5:6])
        assert one.rows_sent == 1
        alone = configured(model("server")).play(ROWS[5:6])
        assert np.array_equal(one.session, alone.session)


def test_a_fault_ends_the_batch(backend):
    """A row beyond the modulator's reach: the drive goes off, and says why."""
    with configured(backend("server"), scale=1.9) as node:
        batch = node.play(ROWS)
        assert "tripped" in batch.faults and batch.rows_sent < len(ROWS)
        assert batch.counters["drive_clipped"] > 0 and "drive_clipped_flag" in batch.flags


@pytest.mark.parametrize("role", ROLES)
def test_selftest(backend, role):
    with Node(backend(role)) as node:
        checks = selftest(node, np.random.default_rng(3))
    assert {"registers", "session", "modes", "inference", "grant"} <= {c.name for c in checks}
    assert not [check for check in checks if not check.passed]


def test_selftest_finds_a_wrong_bit():
    """A loop that loses the lowest bit of one quadrature now and then."""
    device = model("server")
    plain, count = device._plant, iter(range(1 << 30))
    device._plant = lambda codes: plain(codes) ^ np.array([[next(count) % 2], [0]])
    checks = selftest(Node(device), np.random.default_rng(3))
    assert {c.name for c in checks if not c.passed} >= {"session"}


@pytest.mark.parametrize("length", [LAYOUT.row, 50])
def test_a_table_of_angles(backend, length):
    """The client's drive plays its table in every frame: same light, same bits, wherever."""
    table = np.random.default_rng(2).integers(-9_000, 9_000, (2, length))
    batches = []
    for device in (backend("client"), model("client")):
        with configured(device, angle=True, scale=1.0) as node:
            node.load_angles(table)
            assert node.device.read("drive_angles_loaded") == length
            batches.append(node.play_angles(6, capture=True))
    got, due = batches
    assert got.frames_sent == 8 and np.array_equal(got.session, due.session)
    begins = [next(k for k in range(4096) if b.samples[0, k]) for b in batches]
    n = got.samples.shape[1] - max(begins)
    assert np.array_equal(*(b.samples[0, k : k + n] for b, k in zip(batches, begins, strict=True)))


def test_frames_wait_for_the_trigger():
    device = model("server")
    node = configured(device)
    device.write(triggered=1)
    seen = []

    def edge(rows):
        seen.append(rows)
        device.trigger()

    batch = node.play(ROWS, edge)
    assert batch.rows_sent == len(ROWS) and batch.frames_sent == len(ROWS) + 2
    assert seen[:5] == [0, 0, 0, 1, 2]
    impatient = Node(model("server"), patience=0.05)
    impatient.configure(DRIVE, DIGITISER, loop_delay=DELAY, triggered=True)
    with pytest.raises(DeviceError, match=r"stands still .* waiting for a trigger"):
        impatient.play(ROWS)


def test_the_loop_delay_is_measured(backend):
    with configured(backend("client")) as node:
        due = loop_delay(node.device)
        found = node.find_loop_delay(np.random.default_rng(6))
        # A register or two on the way through the gateware.
        assert due <= found <= due + 3 and node.device.read("loop_delay") == found
        assert node.device.read("lead_in") == 2


def test_no_light_is_an_error():
    device = model("server")
    noise = np.random.default_rng(9)
    device._plant = lambda codes: noise.integers(0, 1 << 14, codes.shape)
    with pytest.raises(DeviceError, match="no light of the node at model:server came back"):
        configured(device).find_loop_delay(np.random.default_rng(6))


def test_writing_is_checked_before_anything_is_written(backend):
    with backend("server") as device:
        device.write(grant=7)
        for bad, message in (
            ({"grant": 1 << 24}, "grant = 16777216 is outside the integers in"),
            ({"rows_sent": 1}, "rows_sent is a status, which cannot be set"),
            ({"start": 1}, "start is a strobe"),
        ):
            with pytest.raises(RangeError, match=message):
                device.write(lead_in=5, **bad)
        assert device.read_all(["grant", "lead_in"]) == {"grant": 7, "lead_in": 0}
        with pytest.raises(KeyError, match="no register 'scale'; there is drive_scale"):
            device.write(scale=1)
        with pytest.raises(RangeError, match="commit is a strobe, which has no value"):
            device.read("commit")
        with pytest.raises(RangeError, match="grant is a setting, not a strobe"):
            device.strobe("grant")


def test_words_that_are_none(backend):
    with backend("server") as device:
        for bad in ([1 << 32], [-(1 << 31) - 1], [0.5]):
            with pytest.raises(RangeError, match="word"):
                device.send(WritePort.ROWS, bad)


def test_rows_that_cannot_be_sent():
    node = Node(model("server"))
    with pytest.raises(DeviceError, match="not been configured"):
        node.play(ROWS)
    node = configured(model("server"))
    with pytest.raises(RangeError, match=r"rows have shape \(9, 2, 119\)"):
        node.play(ROWS[:, :, 1:])
    with pytest.raises(RangeError, match=r"rows have shape \(2, 120\)"):
        node.play(ROWS[0])
    with pytest.raises(RangeError, match="rows reach beyond"):
        node.play(ROWS * 2)
    with pytest.raises(RangeError, match="outside"):
        node.play(ROWS / 3)
    with pytest.raises(RangeError, match="layout"):
        node.configure(DRIVE, replace(DIGITISER, layout=replace(LAYOUT, vacuum=9)))
    with pytest.raises(RangeError, match="no phase lock"):
        node.configure(DRIVE, DIGITISER, vars(node) and object())


def test_a_capture_is_what_the_adc_saw(backend):
    with configured(backend("server")) as node:
        samples = node.play(ROWS, capture=True).samples
        assert samples.shape == (2, node.spec.capture)
        # What comes back is what was sent: lead-in, then rows.
        rows = np.concatenate([np.zeros((2, 2, LAYOUT.row), np.int64), ROWS])
        raw = registers(node.spec.drive, DRIVE)
        codes = drive.model(node.spec.drive, raw, rows).codes.swapaxes(0, 1).reshape(2, -1)
        begin = next(k for k in range(4096) if samples[:, k].any())
        sent = codes[:, next(k for k in range(99) if codes[:, k].any()) :]
        n = samples.shape[1] - begin
        assert n > 2000 and np.array_equal(samples[:, begin:], sent[:, :n])
        assert not node.capture().any()  # nothing is sent any more
        assert len(node.device.receive(ReadPort.CAPTURE, 10)) == 0


def test_the_page_runs():
    page = Path(__file__).parents[3] / "docs/devices.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    assert names["batch"].rows_sent == 50 and not names["batch"].faults


# Identity


def found(spec, **changes):
    return {**model(spec.role, spec).map.identity, **changes}


@pytest.mark.parametrize(
    "changes, advice",
    [
        ({"id": 0xFFFFFFFF}, "no node of Shotveil .* load the node's bitstream first"),
        ({"version": 2}, "registers of version 2, this host knows version 1; use a newer host"),
        ({"version": 0}, "use a newer bitstream"),
        ({"spec_hash": 0x1234}, "another spec .00001234; known: server .*build and load"),
        ({"map_hash": 0x1234}, "other registers .map 00001234. though its spec is known"),
    ],
)
def test_another_node_is_refused_with_advice(changes, advice):
    with pytest.raises(DeviceError, match=advice):
        recognise(found(NodeSpec(), **changes), "serial:/dev/ttyUSB7")
    with pytest.raises(DeviceError, match="serial:/dev/ttyUSB7"):
        recognise(found(NodeSpec(), **changes), "serial:/dev/ttyUSB7")


def test_a_node_is_recognised_over_the_link():
    other = NodeSpec(capture=1024)
    for spec in (NodeSpec("client"), NodeSpec(loopback=True)):
        link = Transport(ModelPipe(Inside(model(spec.role, spec))), timeout=0.01)
        assert LinkDevice(link, "there").spec == spec
    pipe = ModelPipe(Inside(model("server", other)))
    with pytest.raises(DeviceError, match="another spec"):
        LinkDevice(Transport(pipe, timeout=0.01), "there")
    assert pipe.dead  # the port is free again
    link = Transport(ModelPipe(Inside(model("server", other))), timeout=0.01)
    assert LinkDevice(link, "there", other).spec == other


def test_a_link_that_breaks_is_an_error():
    pipe = ModelPipe(Inside(model("server")))
    device = LinkDevice(Transport(pipe, timeout=0.01, attempts=2), "there")
    pipe.dead = True
    with pytest.raises(DeviceError, match="no answer"):
        device.read("state")
    Node(device).close()  # goes quietly


@pytest.mark.parametrize(
    "url, message",
    [
        ("server", "no URL of a node; allowed: model:…, replay:…, rtl:…, serial:…, tcp:…"),
        ("model", "no URL of a node"),
        ("model:", "names no role; allowed: server, client"),
        ("usb:1", "no URL of a node"),
        ("model:alice", "names no role; allowed: server, client"),
        ("tcp:localhost", "no address; allowed: tcp:HOST:PORT"),
        ("tcp:localhost:70000", "TCP port = 70000"),
        ("serial:/dev/null@fast", "baud rate = 'fast'"),
        ("replay:/nowhere", "/nowhere cannot be read"),
    ],
)
def test_urls_that_are_none(url, message):
    with pytest.raises(RangeError, match=message):
        open_device(url)


def test_opening_a_model(tmp_path):
    assert open_device("model:client").spec.role == "client"
    with pytest.raises(RangeError, match="spec of a server"):
        open_device("model:client", NodeSpec())
    with pytest.raises(RangeError, match="plant"):
        open_device("tcp:localhost:1", plant=lambda codes: codes)
    (tmp_path / "there").touch()
    with pytest.raises(RangeError, match="there exists"):
        open_device("model:client", record=tmp_path / "there")


# Sessions on file


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
        ReplayError, match=r"2: recorded was write .\"drive_scale\", 19661., asked was write .*131"
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
    stale["identity"]["spec_hash"] ^= 1
    (tmp_path / "stale").write_text("\n".join([json.dumps(stale), *rest]))
    with pytest.raises(DeviceError, match="another spec"):
        ReplayDevice(tmp_path / "stale")
