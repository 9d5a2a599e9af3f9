"""Registers in physical units, on every backend."""

import math

import pytest

from shotveil.host.devices.node import Node
from shotveil.host.devices.registers import Registers
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.register import Access, Register
from shotveil.models.node.spec import CLOCK_HZ, NodeSpec
from tests.host.devices.nodes import BACKENDS, DIGITISER, DRIVE, model


@pytest.fixture(params=BACKENDS)
def device(request):
    with BACKENDS[request.param]("server") as opened:
        yield opened


def test_a_setter_returns_what_was_achieved(device):
    registers = Registers(device)
    scale = registers.drive_scale
    achieved = scale.set(0.35)
    assert achieved != 0.35 and abs(achieved - 0.35) <= DriveSpec().scale.lsb / 2
    assert scale.get() == achieved == device.read("drive_scale") * DriveSpec().scale.lsb
    assert registers.drive_half_wave_i.set(0.875) == 0.875
    watchdog = registers["watchdog"]
    assert watchdog.set(2.5) == watchdog.get() == pytest.approx(2.5, abs=(1 << 16) / CLOCK_HZ)


def test_times_in_other_units(device):
    delay = Registers(device).loop_delay
    assert delay.set(250) == 250 == delay.get()
    assert delay.get("s") == pytest.approx(2e-6) and delay.get("symbols") == 62.5
    assert delay.set(1e-6, "s") == pytest.approx(1e-6) and delay.get() == 125
    assert delay.set(1.003e-6, "s") == pytest.approx(1e-6)  # whole samples
    assert Registers(device).drive_guard.set(16 / CLOCK_HZ * 4, "s") == pytest.approx(5.12e-7)
    with pytest.raises(RangeError, match="unit of loop_delay = 'm'; allowed: s, samples, symbols"):
        delay.set(1, "m")
    with pytest.raises(RangeError, match="unit of drive_scale = 's'; allowed: none"):
        Registers(device).drive_scale.get("s")


def test_every_setting_takes_its_whole_range(device):
    registers = Registers(device)
    for register in device.map.of(Access.SETTING).values():
        handle = registers[register.name]
        for raw in (register.lowest, register.highest):
            value = register.to_physical(raw)
            assert handle.set(value) == value == handle.get()
            assert device.read(register.name) == raw
        if isinstance(value, float):
            step = register.quantum
            for beyond in (value + step, register.to_physical(register.lowest) - step):
                with pytest.raises(RangeError, match=rf"{register.name} = .* is outside \["):
                    handle.set(beyond)
            assert device.read(register.name) == register.highest  # untouched


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("drive_scale", 2.0, r"drive_scale = 2 is outside \[0, 1.99998474\]"),
        ("drive_scale", math.nan, "drive_scale = nan is outside"),
        ("drive_scale", "much", "drive_scale = 'much' is outside"),
        ("drive_half_wave_q", 0.0, r"is outside \[1.52587891e-05, 1.99998474\] full scale"),
        ("watchdog", 60.0, r"watchdog = 60 is outside \[0.000524288, 34.3592141\] s"),
        ("grant", 1.5, r"grant = 1.5 is outside the integers in \[0, 16777215\] rows"),
        ("grant", math.inf, "grant = inf is outside"),
        ("arm", 2, "arm = 2; allowed: True, False"),
        ("digitiser_record", "light", "'light'; allowed: signal, vacuum, dark"),
        ("drive_row", 0, r"drive_row = 0 is outside the integers in \[1, 4096\] symbols"),
    ],
)
def test_what_is_out_of_reach(device, name, value, message):
    with pytest.raises(RangeError, match=message):
        Registers(device)[name].set(value)


def test_several_at_once(device):
    registers = Registers(device)
    achieved = registers.set(drive_gain_i=0.98, digitiser_record="dark", triggered=True)
    assert achieved["drive_gain_i"] == pytest.approx(0.98, abs=1e-5)
    everything = registers.read()
    assert {name: everything[name] for name in achieved} == achieved
    with pytest.raises(RangeError, match="drive_bias_i"):
        registers.set(drive_gain_i=0.5, drive_bias_i=1.0)
    assert registers.drive_gain_i.get() == achieved["drive_gain_i"]


def test_values_have_meanings(device):
    registers = Registers(device)
    assert registers.state.get() == "idle"
    assert registers.fault.get() == frozenset()
    assert device.map["fault"].to_physical(0b101) == {"tripped", "link"}
    assert device.map["state"].to_physical(7) == "unknown (7)"
    assert registers.drive_tripped.get() is False
    assert registers.digitiser_record.get() == "signal"
    with pytest.raises(RangeError, match="rows_sent is a status"):
        registers.rows_sent.set(1)


def test_names(device):
    registers = Registers(device)
    assert "drive_scale" in registers and "commit" not in registers
    assert {"drive_scale", "grant"} <= set(dir(registers))
    assert repr(registers.drive_bias_i).startswith("<setting drive_bias_i: -0.99987")
    with pytest.raises(AttributeError, match="there is drive_scale"):
        registers.scale  # noqa: B018
    with pytest.raises(KeyError, match="there is drive_scale"):
        registers["scale"]


def test_rounding_is_to_the_nearest():
    step = Register("step", 8, Access.SETTING, "", signed=True, quantum=0.25)
    for value, raw in ((0.3, 1), (-0.3, -1), (0.374, 1), (0.376, 2), (31.75, 127), (-32, -128)):
        assert step.to_raw(value) == raw
    wide = Register("wide", 2 * WORD, Access.SETTING, "")
    assert wide.to_raw(2**63 + 1) == 2**63 + 1  # no float in between


def test_seconds_are_counted_in_the_clock_of_the_node():
    slow = NodeSpec(clock_hz=62_500_000)
    with Node(model("server", slow)) as node:
        assert node.registers.loop_delay.set(2e-6, "s") == pytest.approx(2e-6)
        assert node.registers.loop_delay.get() == 125
        assert node.registers.drive_guard.set(16 / 62.5e6 * 4, "s") == pytest.approx(1.024e-6)
        got = node.configure(DRIVE, DIGITISER, watchdog=0.5, trigger_delay=4e-6)
        assert got["watchdog"] == pytest.approx(0.5, abs=(1 << 16) / 62.5e6)
        assert node.device.read("watchdog") == round(0.5 * 62.5e6 / (1 << 16))
        assert node.device.read("trigger_delay") == 250
