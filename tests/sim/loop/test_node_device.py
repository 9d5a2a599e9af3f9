"""Whole nodes as pipes of bytes: looped back inside, and with rows as long as they get."""

import numpy as np
import pytest

from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device
from shotveil.host.devices.selftest import selftest
from shotveil.host.devices.transport import Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.accumulators import NAMES
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.loop.node_device import NodePipe


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_a_loopback_node_needs_nothing_outside(rng):
    """What boards without converters are loaded with, in gateware: equal to its model."""
    spec = NodeSpec("server", loopback=True)
    with Node(open_device("rtl:server", spec=spec)) as node:
        checks = selftest(node, rng)
        assert all(check.passed for check in checks), checks
        # The codes are heard a clock later, not a block of the simulation later.
        assert node.device.read("loop_delay") < 4
        assert len(checks) > 8


def test_a_pause_is_one_of_the_node_if_there_is_grace_and_a_long_wait_one_of_ours():
    pipe = NodePipe(NodeSpec("server"), block=128)

    def dark(ports):
        return np.zeros((2, 128), np.int64), np.zeros(128, np.int64)

    pipe.enter(dark, 128, grace=20.0)
    assert pipe.read(1, 60e-6) == b""
    assert pipe.clocks == -(-round(60e-6 * pipe.spec.clock_hz) // 128) * 128
    pipe.enter(dark, 128)
    pipe.read(1, 0.05)
    assert 0 < pipe.clocks < 0.05 * pipe.spec.clock_hz


@pytest.mark.parametrize("role", ["server", "client"])
def test_rows_of_4096_symbols(role, rng):
    # The row buffer holds one such row: the guard is the time in which the next one comes.
    spacing = 512 if role == "server" else 456
    layout = FrameLayout(row=4096, pilot_spacing=spacing, guard=3000)
    shift = 3  # 8 neighbouring symbols share a mode's sums
    rows = rng.integers(-20_000, 20_001, (3, 2, layout.row))
    batches = []
    pipe = NodePipe(NodeSpec(role), block=256)  # short, so that answers do not take long
    gateware = LinkDevice(Transport(pipe, clock=pipe.time), "gateware")
    for device in (open_device(f"model:{role}"), gateware):
        with Node(device) as node:
            node.configure(
                DriveSettings(layout=layout, scale=0.3, reference=0.3),
                DigitiserSettings(layout=layout, mode_shift=shift, mode=2048),
            )
            node.find_loop_delay(rng)
            batches.append(node.play(rows))
    model, gateware = batches
    assert gateware.rows_sent == 3 and not gateware.faults
    np.testing.assert_array_equal(gateware.session, model.session)
    np.testing.assert_array_equal(gateware.modes, model.modes)
    np.testing.assert_array_equal(gateware.last(3)[0], model.last(3)[0])
    if role == "server":
        assert gateware.counters["frames_matched"] == 3
        # All symbols of all rows are in the sums.
        runs = gateware.session[: node.spec.digitiser.segments, NAMES.index("count")]
        assert runs.sum() == 3 * layout.row


def test_words_that_no_converter_gives_are_refused():
    pipe = NodePipe(NodeSpec("server"), lambda codes: codes + (1 << 14), block=64)
    with pytest.raises(RangeError, match="ADC word = "):
        pipe.read(1, 1.0)
    pipe = NodePipe(NodeSpec("server"), lambda codes: codes[:1], block=64)
    with pytest.raises(RangeError, match=r"shape \(1, 64\); allowed: \(2, 64\)"):
        pipe.read(1, 1.0)
