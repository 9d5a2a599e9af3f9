"""A node that is configured and plays batches, on every backend; what it refuses."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import Node
from shotveil.models.common.checks import RangeError
from shotveil.models.drive import chain as drive
from shotveil.models.drive.spec import DriveSpec, registers
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.spec import ROLES, NodeSpec
from tests.host.devices.nodes import (
    DELAY,
    DIGITISER,
    DRIVE,
    LAYOUT,
    ROWS,
    configured,
    loop_delay,
    model,
)


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


# Rows that stay ---------------------------------------------------------------------------------

KEEPING = NodeSpec(store=4096)


def assert_same(got, due):
    for name in ("session", "modes", "inference", "bad"):
        assert np.array_equal(getattr(got, name), getattr(due, name)), name
    assert got.refusals == due.refusals == () and got.rows_sent == due.rows_sent
    own = ("link_accepted", "link_gap", "link_repeated")
    counters = [{n: v for n, v in b.counters.items() if n not in own} for b in (got, due)]
    assert counters[0] == counters[1]


def test_rows_that_stay_are_played_as_rows_that_come(backend):
    """Any order, more than once; a network and decoys that change; other batches in between."""
    with configured(backend("server", KEEPING)) as node:
        order = [4, 0, 4, 8, 7]
        due = node.play(ROWS[order])
        stored = node.load_rows(ROWS)
        assert node.device.read("store_loaded") == ROWS[:, 0].size == stored.end
        assert_same(node.play_slots(stored.slots(order)), due)
        assert_same(node.play(ROWS[order]), due)
        for decoys in (-ROWS[:3], ROWS[3:5] // 2):
            behind = node.load_rows(decoys, behind=stored)
            slots = [*stored.slots([1, 2]), *behind.slots()]
            assert_same(node.play_slots(slots), node.play(np.concatenate([ROWS[1:3], decoys])))
        assert_same(node.play_slots(stored.slots(order)), due)
        batch = node.play_slots(stored.slots(), grant=4, modes=False)
        assert (batch.rows_sent, batch.modes.shape) == (4, (0, 4))
        assert np.array_equal(batch.session, node.play(ROWS[:4]).session)
        assert np.array_equal(node.play_slots(stored.slots(order)).modes, due.modes)


def test_more_slots_than_wait_at_the_node():
    with configured(model("server", KEEPING)) as node:
        stored = node.load_rows(ROWS[:1])
        assert node.play_slots(np.resize(stored.slots(), 1500)).rows_sent == 1500


def test_what_is_not_at_the_node_is_refused_before_light(backend):
    with configured(backend("server", KEEPING)) as node:
        assert node.room_behind() == 4096
        with pytest.raises(RangeError, match="holds 0; allowed: as many at least"):
            node.play_slots([0])
        stored = node.load_rows(ROWS)
        assert node.room_behind(stored) == 4096 - 1080
        with pytest.raises(RangeError, match="number of a row = 9"):
            stored.slots([0, 9])
        for slots in ([0, 1080], [-1], [1080 - 119]):
            with pytest.raises(RangeError, match=r"slot = .*960"):
                node.play_slots(slots)
        with pytest.raises(RangeError, match="slots have shape"):
            node.play_slots([[0]])
        with pytest.raises(RangeError, match="rows = 26"):
            node.load_rows(np.zeros((26, 2, 120), int), behind=stored)
        with pytest.raises(RangeError, match="rows = 0"):
            node.load_rows(ROWS[:0])
        assert node.device.read("frames_sent") == 0 and node.device.read("store_loaded") == 1080
        # What a host that has no such checks is told.
        device = node.device
        device.write(store_play=1)
        device.strobe("restart", "clear")
        device.send(WritePort.SLOTS, [0, 961, 0])
        device.write(arm=1, grant=2)
        device.strobe("start")
        assert device.read_all(["store_refused", "store_refused_slot", "frames_sent"]) == {
            "store_refused": 1, "store_refused_slot": 961, "frames_sent": 0,
        }  # fmt: skip
        assert node.registers.state.get() == "idle"
        assert_same(node.play_slots(stored.slots()), node.play(ROWS))


def test_a_slot_that_is_refused_halts_a_batch(backend):
    with configured(backend("server", KEEPING)) as node:
        stored = node.load_rows(ROWS)
        device = node.device
        device.write(store_play=1, lead_in=20)
        device.strobe("restart", "clear")
        device.send(WritePort.SLOTS, stored.slots([0, 1]))
        device.write(arm=1, grant=9)
        device.strobe("start")
        device.send(WritePort.SLOTS, [4000])
        while node.registers.state.get() != "stopped":
            pass
        status = device.read_all()
        assert status["store_refused"] and status["rows_sent"] < 3
        assert node._faults(status) == {"stop"} and "store_refused" in node._spoilt(status)
        device.write(lead_in=2)
        assert_same(node.play_slots(stored.slots()), node.play(ROWS))


def test_a_node_without_a_store_keeps_nothing():
    with configured(model("server")) as node:
        assert node.room_behind() == 0
        with pytest.raises(RangeError, match="rows = 9"):
            node.load_rows(ROWS)
        with pytest.raises(RangeError, match="holds 0"):
            node.play_slots([0])
        with pytest.raises(RangeError, match="write port = 4"):
            node.device.send(WritePort.STORE, [0])


def test_rows_of_another_host_are_not_taken_for_own_ones():
    """A node that was loaded by another host since has none behind which others could be."""
    device = model("server", KEEPING)
    with configured(device) as node:
        stored = node.load_rows(ROWS)
        device._store.forget()
        with pytest.raises(DeviceError, match="holds 120 symbols of rows instead of 1200"):
            node.load_rows(ROWS[:1], behind=stored)


def test_a_fault_ends_the_batch(backend):
    """A row beyond the modulator's reach: the drive goes off, and says why."""
    with configured(backend("server"), scale=1.9) as node:
        batch = node.play(ROWS)
        assert "tripped" in batch.faults and batch.rows_sent < len(ROWS)
        assert batch.counters["drive_clipped"] > 0 and "drive_clipped_flag" in batch.flags


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
