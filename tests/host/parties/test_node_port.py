"""A client whose light comes through a node: what it sets, what it makes of what was received."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import BatchResult
from shotveil.host.parties.calibration import ClientCalibration
from shotveil.host.parties.node_port import NodePort, part_ends, values_of_parts
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, pack, unpack
from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.drive.spec import Arm
from shotveil.models.link.encoding import directions
from shotveil.models.node.light import LEAD_IN, Parts, layout_of
from shotveil.models.node.spec import NodeSpec
from shotveil.models.waveform.mesh import angle_table

ROWS, COLUMNS = 6, 48
UNIT = 2.0**11  # raw units per √SNU
PLAN = Parts(slots=2, weights=3, decoys=1)  # of 6 rows at a decoy rate of 1/3
FOUND = LEAD_IN + 1  # frames of a part: all but the first
CALIBRATION = ClientCalibration(
    receiver=Calibration(UNIT**2, 0.0, 10**6, 10**6, (1 << 14,), 1),
    arms=(Arm(0.8), Arm(0.7)),
    gain=1.3,
)
WELCOME = pb.Welcome(
    version=4, layers=[pb.LayerShape(rows=ROWS, columns=COLUMNS, scale=1.0)], decoy_rate=1 / 3
)
(XI,), _ = directions(np.random.default_rng(1).normal(size=(1, COLUMNS)))


def batch(values, lengths, bad=(), faults=frozenset()):
    """What a receiver gives: per part some frames that end with values, then frames in vain."""
    shown, marked = [], []
    for part, length in zip(values, lengths, strict=True):
        shown += [0] * (length - len(part)) + list(part) + [0] * PATIENCE
        marked += [False] * length + [True] * PATIENCE
    marked = np.array(marked)
    marked[list(bad)] = True
    empty = np.zeros((0, 4), np.int64)
    return BatchResult(
        0, 0, empty, empty, np.array(shown)[:, None], marked, frozenset(faults), frozenset(), {}
    )


class FakeNode:
    """A node that tells what it was asked, and receives what it is given."""

    def __init__(self, role="client"):
        self.spec, self.closed = NodeSpec(role), False
        self.device = SimpleNamespace(name="here", write=lambda **raw: self.written.append(raw))
        self.written, self.tables, self.configured = [], [], []
        self.light = threading.Event()
        self.frames, self.received, self.fails = None, None, None

    def configure(self, drive, digitiser, loop, **more):
        self.configured.append((drive, digitiser, more))

    def load_angles(self, table):
        if self.fails == "angles":
            raise DeviceError("no answer from the device")
        self.tables.append(table)

    def play_angles(self, frames, progress):
        self.frames = frames
        while not self.light.is_set():
            progress(0)
            if self.fails == "light":
                raise DeviceError("stands still: is it waiting for a trigger?")
        return self.received

    def close(self):
        self.closed = True


@pytest.fixture
def node():
    return FakeNode()


@pytest.fixture
def port(node):
    made = NodePort(lambda: node, CALIBRATION)
    made.prepare(WELCOME)
    return made


def settings(**other):
    parts = {"real": pack(XI.real), "imaginary": pack(XI.imag)}
    given = {"version": 4, "session": "s", "gain": 1.3, "images": 1, "modes": len(XI)}
    return pb.Settings(**(parts | given | other))


def test_the_node_is_armed_with_the_mesh_before_the_server_is_asked(node, port):
    readings = port.measure(settings())
    assert node.frames == PLAN.frames == 4 * (LEAD_IN + 2)
    np.testing.assert_array_equal(node.tables[0], angle_table(XI, node.spec.drive.symbol))
    ((drive, digitiser, more),) = node.configured
    assert drive.layout == digitiser.layout == layout_of(COLUMNS // 2)
    assert drive.angle and drive.arms == CALIBRATION.arms and digitiser.scale[0] == 1 << 14
    assert more == {"lead_in": 0, "triggered": True}
    values = [[100, -200], [300, 400], [-500, 600], [7, 8]]
    node.received = batch(values, [FOUND] * 4)
    node.light.set()
    got = list(readings)
    assert [(r.part, r.slots) for r in got] == [(0, 2), (1, 2), (2, 2), (3, 2)]
    for reading, part in zip(got, values, strict=True):
        read = unpack("values", reading.values, (1, 2))
        np.testing.assert_allclose(read, np.array([part]) / UNIT)
    readings.close()
    port.measure(settings()).close()  # free again, and not configured anew
    assert len(node.configured) == 1 and len(node.tables) == 2


def test_light_that_nobody_waits_for_any_more_switches_the_node_off(node, port):
    readings = port.measure(settings())
    readings.close()
    readings.close()
    assert node.written == [{"arm": 0}]
    # Whoever just drops the readings does not block the next layer either.
    port.measure(settings())
    port.measure(settings()).close()


def test_frames_are_counted_from_the_end_of_each_part():
    bad = np.array([0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1], bool)
    assert part_ends(bad) == [2, 8, 11] and part_ends(bad[:10]) == [2]
    values = [[1, 2], [3, 4], [5, 6], [7, 8]]
    found = values_of_parts(batch(values, [FOUND] * 4), PLAN)
    assert [part.tolist() for part in found] == values


@pytest.mark.parametrize(
    ("lengths", "bad", "error"),
    [
        ([FOUND] * 3, (), "saw light 3 times; allowed: 4"),
        ([FOUND] * 5, (), "saw light 5 times; allowed: 4"),
        ([FOUND, FOUND, FOUND - 1, FOUND], (), "read 32 frames of part 2; allowed: 33"),
        ([FOUND, FOUND + 1, FOUND, FOUND], (), "read 34 frames of part 1"),
        # The last one, which then looks like those that were waited for in vain.
        ([FOUND] * 4, (FOUND - 1,), "read 32 frames of part 0"),
        ([FOUND] * 4, (FOUND - 2,), "1 of 2 values of part 0 are lost, or beyond the range"),
    ],
)
def test_a_layer_that_was_not_received_whole_is_an_error(node, port, lengths, bad, error):
    node.received = batch([[1]] * len(lengths), lengths, bad)
    node.light.set()
    with pytest.raises(ProtocolError, match=error):
        next(port.measure(settings()))


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"images": 2}, "images = 2 and checks = 0 of a batch; allowed: 1 and 0"),
        ({"checks": 2}, "checks = 2"),
        ({"gain": 1.2}, "gain = 1.2; allowed: 1.3, which the amplifier is set to"),
        ({"layer": 1}, r"layer = 1 is outside \[0, 0\]"),
        ({"modes": 3}, r"modes = 3 is outside \[24, 24\]"),
        ({"real": b""}, "real parts has 0 bytes; allowed: 192"),
        ({"version": 9}, "protocol version 9"),
    ],
)
def test_settings_that_a_node_cannot_have_are_refused(node, port, other, error):
    with pytest.raises(ProtocolError, match=error):
        port.measure(settings(**other))
    assert not node.tables


def test_a_node_that_fails_is_named(node, port):
    node.fails = "angles"
    with pytest.raises(ProtocolError, match="the client's node: no answer"):
        port.measure(settings())
    node.fails = "light"
    with pytest.raises(ProtocolError, match="the client's node: stands still"):
        next(port.measure(settings()))  # at once, or while the light is awaited
    node.fails, node.received = None, batch([[1]] * 4, [9] * 4, faults={"watchdog"})
    node.light.set()
    with pytest.raises(ProtocolError, match="the client's node stopped early: watchdog"):
        next(port.measure(settings()))


def test_a_servers_node_and_layers_without_a_frame_are_refused(port):
    wrong = FakeNode("server")
    with pytest.raises(RangeError, match="the node at here is a server's; allowed: a client's"):
        NodePort(lambda: wrong, CALIBRATION)
    assert wrong.closed
    long = pb.LayerShape(rows=1, columns=10_000, scale=1.0)
    with pytest.raises(RangeError, match="modes of a row = 5000"):
        port.prepare(pb.Welcome(layers=[long], decoy_rate=0.1))
