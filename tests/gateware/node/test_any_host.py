"""Whatever a host does: a batch on the node's Verilog plays the rows of its own host, with the
settings and tables that it asked for, or it does not begin."""

import itertools

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import Node, pack_pairs
from shotveil.host.devices.transport import Transport
from shotveil.models.digitiser.correlator import threshold
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings, DriveSpec
from shotveil.models.host_link.packet import Op
from shotveil.models.node import chain
from shotveil.models.node.light import layout_of
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.loop.node_device import NodePipe

SPEC = NodeSpec(role="server")
LAYOUT = FrameLayout()
DRIVE = DriveSettings(layout=LAYOUT, reference=0.5)
TAPS = SPEC.digitiser.coefficients().ravel() & 0xFFFFFFFF
SESSION_WORDS = 2 * 16 * SPEC.digitiser.words


def receiver_settings(layout=LAYOUT, spec=SPEC):
    return DigitiserSettings(
        layout=layout,
        mode=min(17, layout.row - 1),
        pilot=1 << 14,
        minimum=threshold(spec.digitiser, 160.0),
        samples_per_symbol=spec.digitiser.samples_per_symbol,
    )


def rows_of(count, seed, layout=LAYOUT):
    rng = np.random.default_rng(seed)
    symbols = np.rint(rng.normal(0, 8000, (count, 2, layout.row)))
    return np.clip(symbols, -(1 << 15), (1 << 15) - 1).astype(np.int64)


def words_of(rows):
    return pack_pairs(rows.swapaxes(0, 1).reshape(2, -1))


def opened(pipe, spec=SPEC):
    return Node(LinkDevice(Transport(pipe), "rtl:server", spec), patience=60)


def configured(pipe, drive=DRIVE, spec=SPEC):
    node = opened(pipe, spec)
    node.configure(drive, receiver_settings(drive.layout, spec), loop_delay=pipe.block)
    return node


def model_of(pipe, rows, drive=DRIVE, spec=SPEC):
    setup = chain.NodeSetup.of(
        spec, drive, digitiser=receiver_settings(drive.layout, spec), loop_delay=pipe.block
    )
    return chain.play(spec, setup, rows, chain.Loopback(spec, pipe.block))


def assert_plays(node, pipe, rows, drive=DRIVE, spec=SPEC):
    """The next batch sends what the model sends for these rows, and measures what it measures."""
    pipe.recorded.clear()
    batch = node.play(rows)
    due = model_of(pipe, rows, drive, spec)
    starts = np.nonzero(pipe.record("frame")[0])[0]
    clocks = (len(rows) + 2) * drive.layout.length * spec.drive.samples_per_symbol
    assert len(starts) == len(rows) + 2
    np.testing.assert_array_equal(
        pipe.record("codes")[:, starts[0] : starts[0] + clocks],
        due.codes[:, due.first : due.first + clocks],
    )
    np.testing.assert_array_equal(batch.session, due.heard.received.sums.session)
    np.testing.assert_array_equal(batch.modes, due.heard.received.sums.modes)
    np.testing.assert_array_equal(batch.inference.T, due.heard.inference)
    assert batch.refusals == ()


def test_rows_of_a_dead_host_are_never_sent():
    pipe = NodePipe(SPEC, record=True)
    node = configured(pipe)
    for number, symbols in enumerate((1, 100, 392, 1000)):
        node.device.send(WritePort.ROWS, words_of(rows_of(3, 77))[:symbols])
        node = opened(pipe)
        assert node.device.read("drive_buffered") == 0
        node.configure(DRIVE, receiver_settings(), loop_delay=pipe.block)
        assert_plays(node, pipe, rows_of(2, number))


def test_a_node_whose_symbols_last_two_samples_plays_what_its_model_plays():
    spec = NodeSpec(drive=DriveSpec(samples_per_symbol=2))
    pipe = NodePipe(spec, record=True)
    drive = DriveSettings(layout=layout_of(LAYOUT.row, spec.digitiser), reference=0.5)
    node = configured(pipe, drive, spec)
    assert node.device.read("samples_per_symbol") == 2
    # So few that the host link, a byte a clock, brings them before their turn.
    assert_plays(node, pipe, rows_of(12, 3), drive, spec)


def test_rows_that_wait_are_dropped_with_arm_and_by_a_restart():
    pipe = NodePipe(SPEC)
    device = configured(pipe).device
    words = words_of(rows_of(1, 5))
    device.send(WritePort.ROWS, words)
    assert device.read("drive_buffered") == len(words)
    device.strobe("restart")
    assert device.read("drive_buffered") == 0
    device.send(WritePort.ROWS, words)
    device.write(arm=1)
    assert device.read("drive_buffered") == len(words)
    device.write(arm=0)
    assert device.read("drive_buffered") == 0


@pytest.mark.parametrize(("rows", "grant"), [(30, 12), (30, 2), (12, 11)])
def test_rows_beyond_the_grant_are_not_left_for_the_next_batch(rows, grant):
    pipe = NodePipe(SPEC, record=True)
    node = configured(pipe)
    assert node.play(rows_of(rows, 3), grant=grant).rows_sent == grant
    assert_plays(node, pipe, rows_of(3, 4))


def begin(node, rows):
    device = node.device
    device.strobe("restart", "clear")
    device.send(WritePort.ROWS, words_of(rows))
    device.write(arm=1, grant=len(rows))
    device.strobe("start")


PERIOD = LAYOUT.length * SPEC.drive.samples_per_symbol


@pytest.mark.parametrize("part", [0.0, 0.1, 0.45, 0.8])
def test_rows_that_are_on_their_way_back_are_in_no_other_batch(part):
    """The host takes no notice of them, and gives no restart; where in a frame its orders fall
    depends on the delay. A start before the light is back begins nothing."""
    way = int((15 + part) * PERIOD)
    pipe = NodePipe(SPEC, chain.Loopback(SPEC, way))
    node = opened(pipe)
    node.configure(DRIVE, receiver_settings(), loop_delay=way + pipe.block)
    device = node.device
    counts = "frames_sent", "frames_matched", "frames_missed"
    begin(node, rows_of(4, 1))
    while device.read("frames_sent") < 6:
        pass
    for number in (2, 3):
        device.write(arm=0)
        device.send(WritePort.ROWS, words_of(rows_of(4, number)))
        device.write(arm=1)
        device.strobe("start")
        if number == 2:
            assert node.registers.state.get() == "returning" and device.read("drive_armed") == 0
        while node.registers.state.get() not in ("done", "stopped"):
            pass
        assert device.read_all(counts) == dict(zip(counts, (6, 4, 0), strict=True))
        device.strobe("clear", "snapshot")
        sums = node._sums(ReadPort.SESSION, (SPEC.digitiser.words, 16))[: SPEC.digitiser.segments]
        node._sums(ReadPort.MODES, (SPEC.digitiser.modes, 4))
        square = sums.reshape(-1, 4, 4)[:, 0, 3].sum()
        assert square == (rows_of(4, 1 if number == 2 else 3)[:, 0] ** 2).sum()


def test_light_that_never_comes_back_is_waited_for_no_longer_than_its_time():
    pipe = NodePipe(SPEC, lambda codes: np.full((2, codes.shape[1]), 1 << 13))
    node = opened(pipe)
    node.configure(DRIVE, receiver_settings(), loop_delay=15 * PERIOD)
    begin(node, rows_of(3, 1))
    while not node.device.read("frames_sent"):
        pass
    began = pipe.clocks
    while node.registers.state.get() != "done":
        pass
    assert node.device.read("frames_missed") == 3
    assert 19 * PERIOD < pipe.clocks - began < 25 * PERIOD


CHANGES = {
    "drive_scale": 1 << 14,
    "drive_half_wave_i": 30000,
    "drive_row": 100,
    "drive_angle": 1,
    "drive_guard": 40,
    "digitiser_scale_x": 3,
    "lead_in": 9,
}


@pytest.mark.parametrize(("name", "value"), CHANGES.items())
def test_a_setting_that_is_committed_during_a_batch_waits_for_its_end(name, value):
    pipe = NodePipe(SPEC, record=True)
    node = configured(pipe)
    rows = rows_of(8, 6)
    device = node.device
    begin(node, rows)
    while device.read("frames_sent") < 3:
        pass
    device.write(**{name: value})
    assert device.read("settings_held") == 1
    while node.registers.state.get() not in ("done", "stopped"):
        pass
    status = device.read_all(["fault", "rows_sent", "frames_missed"])
    assert status == {"fault": 0, "rows_sent": 8, "frames_missed": 0}
    due = model_of(pipe, rows)
    first = np.nonzero(pipe.record("frame")[0])[0][0]
    clocks = 10 * LAYOUT.length * SPEC.drive.samples_per_symbol
    np.testing.assert_array_equal(
        pipe.record("codes")[:, first : first + clocks],
        due.codes[:, due.first : due.first + clocks],
    )
    device.strobe("clear")
    assert device.read("settings_held") == 0


def test_a_table_that_was_loaded_in_part_starts_no_batch_and_the_next_load_lands_in_place():
    pipe = NodePipe(SPEC, record=True)
    node = configured(pipe)
    pulse = SPEC.drive.pulse()[:10] & 0xFFFFFFFF
    for port, some in ((WritePort.PULSE, pulse), (WritePort.FILTER, TAPS[:256])):
        for again in (False, True):  # another host, or the same one
            node.device.send(port, some)
            assert node.device.read("tables_partial") == 1
            with pytest.raises(DeviceError, match="only a part was loaded"):
                node.play(rows_of(1, 1))
            begin(node, rows_of(1, 1))
            assert node.registers.state.get() == "idle"
            node = node if again else opened(pipe)
            node.configure(DRIVE, receiver_settings(), loop_delay=pipe.block)
            if port is WritePort.FILTER:
                assert node.device.read("tables_partial") == 1
                node.device.send(WritePort.FILTER, TAPS)
            assert_plays(node, pipe, rows_of(2, 9))


def test_a_filter_is_taken_after_restarts():
    pipe = NodePipe(SPEC, record=True)
    node = configured(pipe)
    for _ in range(3):
        node.device.send(WritePort.FILTER, TAPS)
        node.device.strobe("restart")
    node.device.send(WritePort.FILTER, TAPS)
    assert_plays(node, pipe, rows_of(2, 12))


def test_snapshots_that_follow_each_other_are_one():
    pipe = NodePipe(SPEC)
    node = configured(pipe)
    for count in (1, 2, 3):
        begin(node, rows_of(6, count))
        while node.device.read("frames_sent") < 3:
            pass
        # Requests that are on their way together arrive within one frame.
        link, place = node.device._transport, node.device.map.address("snapshot")
        asked = [link._submit(Op.WRITE, place, 1, (1,)) for _ in range(count)]
        for one in asked:
            link.result(one)
        got = node._await(ReadPort.SESSION, SESSION_WORDS)
        node._await(ReadPort.MODES, 2 * 4 * SPEC.digitiser.modes)
        assert len(got) == SESSION_WORDS
        assert len(node.device.receive(ReadPort.SESSION, SESSION_WORDS)) == 0
        node.device.write(arm=0)
        node._await_state("idle")


@pytest.mark.parametrize(
    "layout",
    [
        FrameLayout(row=144, pilot_spacing=12, vacuum=1),
        FrameLayout(row=130, pilots=3, pilot_spacing=130, vacuum=255),
        FrameLayout(row=416, pilots=2, pilot_spacing=26),
        FrameLayout(row=512, pilots=4, pilot_spacing=58),
    ],
)
def test_layouts_at_the_limits_run(layout):
    pipe = NodePipe(SPEC, record=True)
    drive = DriveSettings(layout=layout, reference=0.5)
    assert_plays(configured(pipe, drive), pipe, rows_of(3, 8, layout), drive)


def test_a_record_begins_anew_with_each_capture():
    class Ramp:
        def __init__(self):
            self.time = itertools.count()

        def __call__(self, codes):
            words = [next(self.time) & 0x1FFF for _ in range(codes.shape[1])]
            return np.array([words, words])

    pipe = NodePipe(SPEC, Ramp())
    device = configured(pipe).device
    device.strobe("capture")
    while not len(device.receive(ReadPort.CAPTURE, 10)):
        pass
    device.strobe("capture")
    words = []
    for _ in range(40):
        words += (device.receive(ReadPort.CAPTURE, 4096).astype(np.int64) & 0x3FFF).tolist()
    assert len(words) == SPEC.capture
    assert (np.diff(words) % 0x2000 == 1).all()


# Rows that stay ---------------------------------------------------------------------------------

KEEPING = NodeSpec(store=LARGEST_STORE)  # as in the loop of both nodes


class SlowPipe(NodePipe):
    """A link of `pace` bytes in a block of clocks, or of as many as come."""

    pace = None

    def __init__(self, *arguments, **more):
        self._line = bytearray()
        super().__init__(*arguments, **more)

    def write(self, data):
        self._line += data

    def advance(self):
        super().write(self._line[: self.pace])
        del self._line[: self.pace]
        super().advance()


def test_light_of_rows_that_stay_waits_for_no_link():
    """Over one as slow as a serial port, which needs 200 times as long for a row as its frame."""
    pipe = SlowPipe(KEEPING, record=True)
    node = configured(pipe, spec=KEEPING)
    rows = rows_of(4, 5)
    stored = node.load_rows(rows)
    slots = stored.slots([3, 1, 0, 2, 2, 1, 0, 3, 3, 0])
    pipe.pace = 3
    assert pipe.pace / pipe.block * 125e6 < 4e5
    pipe.recorded.clear()
    batch = node.play_slots(slots, modes=False)
    (starts,) = np.nonzero(pipe.record("frame")[0])
    assert set(np.diff(starts)) == {4 * LAYOUT.length} and len(starts) == 2 + len(slots)
    due = model_of(pipe, rows[(slots - stored.first) // LAYOUT.row], spec=KEEPING)
    np.testing.assert_array_equal(batch.session, due.heard.received.sums.session)
    np.testing.assert_array_equal(batch.inference.T, due.heard.inference)
    assert batch.refusals == ()


def test_a_new_host_finds_nothing_of_the_rows_of_another():
    """Neither in the store nor among the slots that wait; nor rows that were on their way."""
    pipe = NodePipe(KEEPING, record=True)
    for waiting in (0, 1, 3, 12):
        node = configured(pipe, spec=KEEPING)
        stored = node.load_rows(rows_of(9, 77))
        node.device.write(store_play=1)
        node.device.send(WritePort.SLOTS, stored.slots(np.arange(waiting) % 9))
        node = opened(pipe, KEEPING)
        names = ("store_loaded", "store_waiting", "drive_buffered")
        assert set(node.device.read_all(names).values()) == {0}
        node.configure(DRIVE, receiver_settings(), loop_delay=pipe.block)
        assert_plays(node, pipe, rows_of(2, waiting), spec=KEEPING)


def test_a_batch_that_ends_drops_its_slots_and_keeps_the_rows():
    """Whether it ends by itself or is halted in the middle of a row: the next one is whole."""
    pipe = NodePipe(KEEPING, record=True)
    node = configured(pipe, spec=KEEPING)
    rows = rows_of(9, 6)
    stored = node.load_rows(rows)
    for grant in (1, 4):
        assert node.play_slots(stored.slots(), grant=grant).rows_sent == grant
        assert node.device.read("store_waiting") == 0
    device = node.device
    for rounds in range(4):
        device.write(store_play=1)
        device.strobe("restart", "clear")
        device.send(WritePort.SLOTS, np.resize(stored.slots(), 60))
        device.write(arm=1, grant=60)
        device.strobe("start")
        for _ in range(6 + rounds):
            pipe.advance()
        device.strobe(*(("stop",), ("restart",), ("stop", "restart"), ("stop",))[rounds])
        device.write(arm=0)
        while device.read("state"):
            pass
        assert device.read_all(["store_waiting", "drive_buffered"]) == {
            "store_waiting": 0, "drive_buffered": 0,
        }  # fmt: skip
        pipe.recorded.clear()
        batch = node.play_slots(stored.slots([8, 2]))
        due = model_of(pipe, rows[[8, 2]], spec=KEEPING)
        np.testing.assert_array_equal(batch.session, due.heard.received.sums.session)
        np.testing.assert_array_equal(batch.modes, due.heard.received.sums.modes)
        assert batch.refusals == () and batch.rows_sent == 2
