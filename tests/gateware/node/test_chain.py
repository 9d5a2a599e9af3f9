"""The whole node as Verilog, driven by the host over its byte link: batches give what the model
says, to the bit; frames follow each other while rows come over the link."""

import socket
import threading

import numpy as np

from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.tcp import TcpPipe
from shotveil.host.devices.transport import Transport
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.correlator import threshold
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import Arm, DriveSettings
from shotveil.models.host_link.packet import Op
from shotveil.models.node import chain
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import light
from shotveil.sim.loop.node_device import NodePipe
from shotveil.sim.loop.node_server import serve

SPECS = {role: NodeSpec(role=role) for role in ("server", "client")}
LAYOUT = FrameLayout()
ARMS = (Arm(half_wave=0.9, bias=0.01), Arm(half_wave=0.85, bias=-0.02, gain=0.97))
PERIOD = LAYOUT.length * 4


class Noisy:
    """Codes as ADC words, smaller, turned, `delay` samples later, with noise of its own."""

    def __init__(self, spec, delay, seed):
        self._way = np.zeros((2, delay), dtype=np.int64)
        self._rng = np.random.default_rng(seed)
        self._axes = spec.digitiser.quadratures

    def __call__(self, codes):
        n = codes.shape[1]
        on = np.concatenate([self._way, codes], axis=1)
        self._way = on[:, n:]
        field = 0.5 * np.exp(0.4j) * (on[0, :n] + 1j * on[1, :n])
        voltage = np.stack([field.real, field.imag]) + self._rng.normal(0, 150, (n, 2)).T + 9.0
        return np.rint(np.clip(voltage, -8192, 8191)).astype(np.int64)[: self._axes] & 0x3FFF


def rows_of(count, layout=LAYOUT, seed=1):
    rng = np.random.default_rng(seed)
    symbols = np.rint(rng.normal(0, 8000, (count, 2, layout.row)))
    return np.clip(symbols, -(1 << 15), (1 << 15) - 1).astype(np.int64)


def opened(pipe, spec):
    return Node(LinkDevice(Transport(pipe), f"rtl:{spec.role}", spec), patience=120)


def receiver_settings(spec, layout=LAYOUT, **more):
    return DigitiserSettings(
        layout=layout, mode=17, pilot=1 << 14, minimum=threshold(spec.digitiser, 160.0), **more
    )


def frames_of(pipe):
    (starts,) = np.nonzero(pipe.record("frame")[0])
    return starts


def assert_equal(batch, heard):
    """What the host got, and what the model says."""
    np.testing.assert_array_equal(batch.session, heard.received.sums.session)
    np.testing.assert_array_equal(batch.modes, heard.received.sums.modes)
    np.testing.assert_array_equal(batch.inference.T, heard.inference)
    np.testing.assert_array_equal(batch.bad, heard.bad)


def test_a_servers_batches():
    """A loopback, then a noisy plant with other settings, on the same node."""
    spec = SPECS["server"]
    pipe = NodePipe(spec, record=True)
    node = opened(pipe, spec)
    drive = DriveSettings(layout=LAYOUT, reference=0.5, arms=ARMS)
    settings = receiver_settings(spec)
    node.configure(drive, settings, loop_delay=pipe.block)
    rows = rows_of(10)  # as many as the row buffer holds
    batch = node.play(rows)
    setup = chain.NodeSetup.of(spec, drive, digitiser=settings, loop_delay=pipe.block)
    model = chain.play(spec, setup, rows, chain.Loopback(spec, pipe.block))
    assert_equal(batch, model.heard)
    assert (batch.rows_sent, batch.frames_sent, batch.faults) == (10, 12, frozenset())
    assert batch.counters["frames_matched"] == 10 and not batch.counters["frames_missed"]

    # Codes, to the bit; and the arms' null until the output is off.
    starts = frames_of(pipe)
    codes = pipe.record("codes")
    n = 12 * PERIOD
    expected = model.codes[:, model.first : model.first + n]
    np.testing.assert_array_equal(codes[:, starts[0] : starts[0] + n], expected)
    after = codes[:, starts[0] + n :]
    off = int(np.nonzero((after == 0).all(axis=0))[0][0])
    assert 0 < off < 200 and not after[:, off:].any()
    assert not codes[:, : starts[0]].any()

    assert set(np.diff(starts)) == {PERIOD}

    # Noise, fewer symbols, longer lead-in; what was heard is given to the model.
    layout = FrameLayout(row=150, pilot_spacing=25)
    drive = DriveSettings(layout=layout, scale=0.8, reference=0.6)
    settings = receiver_settings(spec, layout, mode_shift=2)
    pipe._plant = Noisy(spec, 333, 5)
    node.configure(drive, settings, loop_delay=pipe.block + 333, lead_in=4)
    pipe.recorded.clear()
    rows = rows_of(25, layout, 2)
    batch = node.play(rows)
    starts = frames_of(pipe)
    origin = starts[0] - 1000
    setup = chain.NodeSetup.of(
        spec, drive, digitiser=settings, loop_delay=pipe.block + 333, lead_in=4
    )
    heard = chain.hear(spec, setup, pipe.record("adc")[:, origin:], rows, starts - origin)
    assert_equal(batch, heard)
    assert heard.received.sums.session[0, 7] == 25 * 25  # all of the first run's symbols
    node.close()


def test_words_asked_for_behind_a_restart_are_not_waited_for():
    """The restart comes at the end of the frame that is on, and drops them under the request."""
    spec = SPECS["server"]
    pipe = NodePipe(spec)
    transport = Transport(pipe)
    device = LinkDevice(transport, f"rtl:{spec.role}", spec)
    node = Node(device, patience=120)
    node.configure(
        DriveSettings(layout=LAYOUT, reference=0.5), receiver_settings(spec), loop_delay=pipe.block
    )
    device.write(arm=1, grant=20)
    device.strobe("start")
    device.send(WritePort.ROWS, (rows_of(20)[:, 0] & 0xFFFF).ravel())
    port = int(ReadPort.FRAMES)
    while transport.available(port) < 200:
        pass
    assert device.read("rows_granted_left") > 1
    restart = transport._submit(Op.WRITE, device.map.address("restart"), 1, [1])
    words = transport.ask_receive(port, 200)
    transport._wait(restart)
    assert not len(transport.result(words))
    assert device.read("rows_sent") < 20
    node.close()


def test_a_batch_behind_one_that_was_cut_off():
    """A restart while rows are compared and others are on their way: it waits for all of them, and
    the next batch gets its own rows."""
    spec = SPECS["server"]
    delay = 2 * PERIOD + PERIOD // 2
    pipe = NodePipe(spec, chain.Loopback(spec, delay))
    node = opened(pipe, spec)
    drive = DriveSettings(layout=LAYOUT, reference=0.5)
    settings, way = receiver_settings(spec), delay + pipe.block
    node.configure(drive, settings, loop_delay=way)
    device = node.device
    device.send(WritePort.ROWS, (rows_of(8)[:, 0] & 0xFFFF).ravel())
    device.write(arm=1, grant=20)
    device.strobe("start")
    while device.read("frames_matched") < 2:
        pass
    device.strobe("restart")
    while node.registers.state.get() != "stopped":
        pass
    status = device.read_all(["rows_sent", "frames_matched", "frames_missed"])
    assert 2 < status["rows_sent"] == status["frames_matched"] < 20 and not status["frames_missed"]
    rows = rows_of(6, seed=2)
    batch = node.play(rows)
    assert batch.counters["frames_matched"] == 6 and not batch.counters["frames_missed"]
    setup = chain.NodeSetup.of(spec, drive, digitiser=settings, loop_delay=way)
    assert_equal(batch, chain.play(spec, setup, rows, chain.Loopback(spec, way)).heard)
    node.close()


def test_frames_follow_each_other_while_rows_come_over_the_link():
    """The floor: nine tenths of the line's time carry weights, fed a byte a clock at most."""
    spec, count = SPECS["server"], 60
    pipe = NodePipe(spec, record=True, block=256)
    node = opened(pipe, spec)
    drive = DriveSettings(layout=LAYOUT, reference=0.5)
    node.configure(drive, receiver_settings(spec), loop_delay=pipe.block)
    rows = rows_of(count)
    words = (rows[:, 0] & 0xFFFF | (rows[:, 1] & 0xFFFF) << 16).ravel()
    device = node.device
    ahead = device.room(WritePort.ROWS)
    device.send(WritePort.ROWS, words[:ahead])
    device.write(arm=1, grant=count)
    device.strobe("start")
    device.send(WritePort.ROWS, words[ahead:])
    while device.read("rows_granted_left"):
        pass
    starts = frames_of(pipe)
    assert len(starts) == count + 2
    share = count * LAYOUT.row * 4 / (starts[-1] + PERIOD - starts[2])
    print(f"{share:.2%} of line time carries weight symbols")
    assert share >= 0.9
    # What was sent is what was given.
    setup = chain.NodeSetup.of(spec, drive, digitiser=receiver_settings(spec))
    codes = chain.emit(spec, setup, rows).codes.swapaxes(0, 1).reshape(2, -1)
    while len(pipe.record("frame")[0]) < starts[-1] + PERIOD:
        pipe.advance()
    sent = pipe.record("codes")[:, starts[0] : starts[0] + codes.shape[1]]
    np.testing.assert_array_equal(sent, codes)
    node.close()


def test_a_clients_batch():
    """Light of a server that nobody told the client about; angles go out meanwhile."""
    spec = SPECS["client"]
    rng = np.random.default_rng(4)
    given = light(
        spec.digitiser, SimulatedChannel(transmittance=0.7, delay=100.3, phase=0.1), 14, rng, LAYOUT
    )
    silent = np.zeros((1, 400), dtype=np.int64)

    class Light:
        """Dark until the first frame of angles leaves, then the server's frames."""

        at = -1

        def __call__(self, codes):
            n = codes.shape[1]
            if self.at < 0 and codes.any():
                self.at = 0
            if self.at < 0:
                return np.zeros((1, n), dtype=np.int64)
            words = np.concatenate([silent, given.codes, np.zeros((1, n), np.int64)], axis=1)
            part = words[:, self.at : self.at + n]
            self.at += n
            return np.concatenate([part, np.zeros((1, n - part.shape[1]), np.int64)], axis=1)

    pipe = NodePipe(spec, Light(), record=True)
    node = opened(pipe, spec)
    drive = DriveSettings(layout=LAYOUT, angle=True, reference=0.0)
    node.configure(drive, given.settings, lead_in=0)
    table = rng.integers(-(1 << 15), 1 << 15, (2, LAYOUT.row))
    node.load_angles(table)
    batch = node.play_angles(20)
    assert (batch.rows_sent, batch.faults) == (20, frozenset())
    starts = frames_of(pipe)
    assert len(starts) == 20 and set(np.diff(starts)) == {PERIOD}
    setup = chain.NodeSetup.of(spec, drive, digitiser=given.settings, lead_in=0)
    sent = chain.emit(spec, setup, np.repeat(table[None], 20, axis=0))
    codes = pipe.record("codes")[:, starts[0] : starts[0] + 20 * PERIOD]
    np.testing.assert_array_equal(codes, sent.codes.swapaxes(0, 1).reshape(2, -1))

    heard = chain.hear(spec, setup, pipe.record("adc")[:, starts[0] :], np.zeros((0, 2, 392)), [])
    assert_equal(batch, heard)
    assert len(heard.inference[0]) >= 12 and heard.inference.any()
    # The phase shifter holds the last code of the loop.
    assert pipe.record("shifter")[0, -1] == heard.shifter[-1]
    node.close()


def test_records_triggers_and_faults():
    spec = SPECS["server"]
    edges = []

    def trigger(frame):
        """An edge every 3000 clocks."""
        clock = len(edges) * 1024 + np.arange(len(frame))
        edges.append(0)
        return (clock % 3000 < 5).astype(np.int64)

    pipe = NodePipe(spec, record=True, trigger=trigger)
    node = opened(pipe, spec)
    drive = DriveSettings(layout=LAYOUT, reference=0.5)
    node.configure(
        drive, receiver_settings(spec), loop_delay=pipe.block, triggered=True, trigger_delay=1e-6
    )
    device = node.device
    device.write(capture_on_frame=1)
    device.strobe("capture")
    batch = node.play(rows_of(3))
    assert batch.rows_sent == 3
    starts = frames_of(pipe)
    # One frame an edge, as late as was asked for.
    assert len(starts) == 5 and (np.abs(np.diff(starts) - 3000) <= 3).all()
    words = device.receive(ReadPort.CAPTURE, spec.capture)
    adc = pipe.record("adc")[:, starts[0] - 1 : starts[0] - 1 + spec.capture]
    np.testing.assert_array_equal(words.astype(np.int64), adc[0] | adc[1] << 16)

    # Stopped in the middle: the frame is completed, the rest of the rows is gone.
    node.configure(drive, receiver_settings(spec), loop_delay=pipe.block)
    pipe.recorded.clear()
    device.write(arm=1, grant=100)
    device.send(0, np.full(5 * LAYOUT.row, 0x20002000))
    device.strobe("start")
    while device.read("rows_sent") < 2:
        pass
    device.strobe("stop")
    while device.read("state") != device.map["state"].choices.index("stopped"):
        pass
    sent = len(frames_of(pipe))
    assert device.read("fault") == 1 << device.map["fault"].flags.index("stop")
    assert device.read("drive_buffered") == 0 and device.read("rows_granted_left") > 0
    for _ in range(10):
        pipe.advance()
    assert len(frames_of(pipe)) == sent and not pipe.record("codes")[:, -1000:].any()
    # Armed still, so it does not start again; and the watchdog barks while nobody speaks.
    device.strobe("start")
    assert device.read("drive_armed") == 0
    device.strobe("clear")
    device.write(arm=0)
    device.write(arm=1, watchdog=1)
    device.strobe("start")
    for _ in range(70):
        pipe.advance()
    assert device.read("fault") == 1 << device.map["fault"].flags.index("watchdog")
    node.close()


def test_over_tcp():
    """The simulated node behind a TCP port, as a board behind its cable."""
    spec = SPECS["server"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe = NodePipe(spec)
        thread = threading.Thread(target=serve, args=(pipe, listener, 1))
        thread.start()
        transport = Transport(TcpPipe("127.0.0.1", listener.getsockname()[1]), timeout=30.0)
        with LinkDevice(transport, "tcp", spec) as device:
            assert device.read("spec_hash") == spec.spec_hash()
        thread.join(60)
        assert not thread.is_alive()
