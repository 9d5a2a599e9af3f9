"""The models of a node as a device."""

import numpy as np
import pytest

from shotveil.host.commands import cli
from shotveil.host.devices import device as device_module
from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.model import NEVER, ModelDevice, open_url
from shotveil.host.devices.node import Node
from shotveil.host.devices.registers import Registers
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Access, Register, RegisterMap, RegisterRole
from shotveil.models.node.register_map import LINK, register_map
from shotveil.models.node.spec import ROLES, NodeSpec
from tests.host.devices.nodes import DELAY, DIGITISER, DRIVE, ROWS, configured, model


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


# Registers that the models know, and one that they do not


def widened(monkeypatch, *more):
    """Nodes whose map has more registers."""
    monkeypatch.setattr(
        device_module, "register_map", lambda spec: RegisterMap((*register_map(spec), *more))
    )


LASER = Register(
    "laser_power", 12, Access.STATUS, "of the laser", "laser", unit="mW", quantum=0.5,
    role=RegisterRole.MEASUREMENT,
)  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_a_register_without_an_answer_is_refused_by_name_when_the_model_is_opened(
    role, monkeypatch
):
    widened(monkeypatch, LASER, Register("kick", 1, Access.STROBE, "the laser"))
    with pytest.raises(DeviceError, match="does not know the registers laser_power, kick of its"):
        ModelDevice(NodeSpec(role))
    monkeypatch.setattr(device_module, "register_map", register_map)
    ModelDevice(NodeSpec(role))


@pytest.mark.parametrize(
    "role", [r for r in RegisterRole if r in (RegisterRole.COUNTER, RegisterRole.FLAG)]
)
def test_nothing_is_zero_for_want_of_an_answer(role, monkeypatch):
    widened(monkeypatch, Register("drive_new", 1, Access.STATUS, "", "drive", role=role))
    with pytest.raises(DeviceError, match="drive_new"):
        ModelDevice(NodeSpec())


def test_a_new_register_is_everywhere_once_the_model_answers(monkeypatch, capsys):
    """Map, host's registers and `shotveil device info` show it without a line of their own."""
    widened(
        monkeypatch,
        LASER,
        Register("laser_level", 8, Access.SETTING, "of the laser", "laser", reset=3),
        Register("link_lost", 32, Access.STATUS, "", LINK, role=RegisterRole.COUNTER),
    )
    answers = ModelDevice._answers
    monkeypatch.setattr(
        ModelDevice, "_answers", lambda self: answers(self) | {"laser_power": lambda: 21}
    )
    device = ModelDevice(NodeSpec())
    registers = Registers(device)
    assert registers.laser_power.get() == 10.5 and "mW; of the laser" in repr(registers.laser_power)
    # A setting reads back as it was staged; no link leads here, so that it counts nothing.
    assert registers.laser_level.get() == 3 and registers.laser_level.set(7) == 7
    assert registers.laser_level.get() == 7 and registers.link_lost.get() == 0
    assert "link_lost" in configured(ModelDevice(NodeSpec())).play(ROWS[:1]).counters
    with pytest.raises(SystemExit):
        cli.main(["device", "info", "model:server"])
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "laser_power 10.5 mW" in shown and "laser_level 3" in shown


def test_zeros_are_named_and_in_the_map():
    known = {name for role in ROLES for name in register_map(NodeSpec(role)).of(Access.STATUS)}
    assert set(NEVER) <= known
    for role in ROLES:
        device = model(role)
        values = device.read_all(device.map.of(Access.STATUS))
        assert {v for n, v in values.items() if n in NEVER or n.startswith("link_")} == {0}


def test_a_node_that_keeps_rows_has_no_table_of_angles():
    device = model("server", NodeSpec(store=4096))
    assert device.room(WritePort.ANGLES) == 0 and model("server").room(WritePort.ANGLES) == 4096
    with pytest.raises(RangeError, match="keeps rows and has no table of angles"):
        Node(device).load_angles(np.zeros((2, 4), np.int64))
    drive = DriveSettings(layout=DRIVE.layout, angle=True)
    with pytest.raises(RangeError, match="angle = True; allowed in a node that keeps rows: False"):
        Node(device).configure(drive, DIGITISER)
    # Whoever sets the register all the same gets rows.
    node = configured(device)
    stored = node.load_rows(ROWS)
    node.device.write(drive_angle=1)
    np.testing.assert_array_equal(
        node.play_slots(stored.slots()).session, configured(model("server")).play(ROWS).session
    )


def test_what_waits_and_what_was_sent_shows():
    device = model("server")
    node = configured(device)
    device.send(WritePort.ROWS, np.zeros(50, np.uint32))
    device.send(WritePort.ANGLES, np.zeros(30, np.uint32))
    shown = device.read_all(["drive_buffered", "drive_angles_loaded", "state", "drive_armed"])
    assert shown == {"drive_buffered": 50, "drive_angles_loaded": 30, "state": 0, "drive_armed": 0}
    assert (device.room(WritePort.ROWS), device.room(WritePort.ANGLES)) == (4046, 4066)
    device.strobe("clear_angles")
    assert device.read("drive_angles_loaded") == 0
    batch = node.play(ROWS)
    assert device.read("digitiser_loss") == 1 and device.read("drive_buffered") == 0
    assert batch.counters["frames_matched"] == len(ROWS) and not batch.counters["frames_missed"]
    assert (device.read("rows_sent"), device.read("frames_sent")) == (len(ROWS), len(ROWS) + 2)
    device.strobe("clear")
    assert (device.read("rows_sent"), device.read("frames_sent")) == (0, 0)


# Its life


def test_a_stop_ends_the_batch_until_arm_goes_low():
    device = model("server")
    configured(device)
    device.write(arm=1, grant=9, triggered=1)
    device.strobe("start")
    assert device.map["state"].to_physical(device.read("state")) == "waiting"
    assert device.read("drive_armed") == 1
    device.strobe("stop")
    assert device.map["state"].to_physical(device.read("state")) == "stopped"
    assert device.read("drive_armed") == 0 and device.read("rows_granted_left") == 9
    assert device.map["fault"].to_physical(device.read("fault")) == {"stop"}
    device.strobe("start")  # does nothing
    assert device.map["state"].to_physical(device.read("state")) == "stopped"
    device.write(arm=0)
    assert device.map["state"].to_physical(device.read("state")) == "idle"
    device.strobe("clear")
    assert device.read("fault") == 0


def test_taking_arm_away_stops_as_well():
    device = model("server")
    configured(device)
    device.write(arm=1, grant=9, triggered=1)
    device.strobe("start")
    device.write(arm=0)
    assert device.map["fault"].to_physical(device.read("fault")) == {"stop"}
    assert device.map["state"].to_physical(device.read("state")) == "idle"
    device.strobe("start")  # not armed
    assert device.map["state"].to_physical(device.read("state")) == "idle"


def test_settings_are_staged_until_they_are_committed():
    device = model("server")
    register = device.map["grant"]
    device._write([(register, 5)])
    assert device.read("grant") == 5 and device._set["grant"] == 0
    device.write(lead_in=1)
    assert device._set["grant"] == 5 and device._set["lead_in"] == 1


def test_ports_have_an_end():
    device = model("server")
    device.send(WritePort.ROWS, np.zeros(4096, np.uint32))
    with pytest.raises(DeviceError, match="ROWS has no room for 1 words: it holds 4096 of 4096"):
        device.send(WritePort.ROWS, [0])
    device.send(WritePort.ANGLES, np.zeros(4096, np.uint32))
    with pytest.raises(DeviceError, match="ANGLES has no room"):
        device.send(WritePort.ANGLES, [0])
    assert device.room(WritePort.PULSE) == 4096
    with pytest.raises(DeviceError, match="do not pack single symbols"):
        configured(device).play(ROWS[:1])
        device.receive(ReadPort.SYMBOLS, 1)


def test_a_plant_that_gives_other_words_is_refused():
    device = ModelDevice(NodeSpec(), lambda codes: codes[:1])
    with pytest.raises(RangeError, match=r"shape \(1, \d+\); allowed: \(2, "):
        configured(device).play(ROWS[:1])


def test_tables_of_taps_are_taken_whole():
    device = model("server")
    pulse = device.spec.drive.pulse()
    device.send(WritePort.PULSE, pulse[:10] * 0)
    assert np.array_equal(device._pulse, pulse)
    device.send(WritePort.PULSE, np.concatenate([pulse[10:] * 0 - 3, pulse[:2]]))
    assert device._pulse.tolist() == [0] * 10 + [-3] * (len(pulse) - 10)
    shape = device.spec.digitiser.coefficients().shape
    device.send(WritePort.FILTER, np.arange(np.prod(shape)) - 100)
    assert device._filter.shape == shape and device._filter[0, 0] == -100


def test_edges_without_a_batch_are_forgotten():
    device = model("server")
    node = configured(device)
    device.trigger(3)
    device.write(triggered=1, arm=1, grant=1)
    device.strobe("start")
    assert device.read("frames_sent") == 0
    device.trigger()
    assert device.read("frames_sent") == 1  # of the lead-in
    with pytest.raises(RangeError, match="edges = 0"):
        device.trigger(0)
    node.close()


def test_sums_are_read_once():
    device = model("server")
    first = configured(device).play(ROWS).session
    device.strobe("snapshot")
    again = device.receive(ReadPort.SESSION, 2 * first.size)
    assert len(again) == 2 * first.size and not again.any() and first.any()
    phases = device.receive(ReadPort.PHASES, 1 << 16)
    assert len(phases) and not len(device.receive(ReadPort.PHASES, 1 << 16))
    frames = device.receive(ReadPort.FRAMES, 1 << 20)
    assert len(frames) % (2 * first.size) == 0 and len(frames)


def test_opening_by_role():
    assert open_url("client", None, None).name == "model:client"
    with pytest.raises(RangeError, match="'model:bob' names no role"):
        open_url("bob", None, None)
    assert ModelDevice(NodeSpec("client")).name == "model:client"
