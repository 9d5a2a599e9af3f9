"""A node on the console: looked at, ordered, lost and found again."""

import threading
import time

import pytest

from shotveil.host.console.node_worker import NodeWorker, frame_of
from shotveil.host.console.probe_light import BenchSettings
from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.light import FibreSettings, LightDevice
from shotveil.host.devices.model import ModelDevice
from shotveil.host.devices.node import Node
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import NodeSpec
from tests.host.console.conftest import until

SPEC = NodeSpec("server")


class Fragile(ModelDevice):
    """A node whose plug can be pulled."""

    pulled = threading.Event()

    def _read(self, registers):
        if self.pulled.is_set():
            raise DeviceError("the plug is out")
        return super()._read(registers)


@pytest.fixture
def worker_of():
    made = []

    def make(reach, **settings):
        made.append(NodeWorker("test:node", reach, BenchSettings(rows=8, **settings)))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def lit(worker_of):
    device = LightDevice(SPEC, FibreSettings(drift=0.0))
    return device, worker_of(lambda: Node(device))


def state(topics, kind):
    return topics.get("state", {}).get("state") == kind


def test_its_registers_are_shown_in_words(lit):
    _, worker = lit
    topics = until({}, worker, lambda t: {"status", "settings", "about"} <= t.keys())
    assert topics["about"] == {
        "url": "test:node", "role": "server", "loopback": False, "shutters": True,
        "declared": [0.96, 0.003],
    }  # fmt: skip
    assert topics["status"]["state"] == "idle" and topics["status"]["problems"] == []
    assert {row["name"] for row in topics["settings"]} >= {"watchdog", "drive_scale"}


def test_a_capture_shows_light_and_the_channel_needs_a_calibration(lit):
    _, worker = lit
    topics = until({}, worker, lambda t: state(t, "here"))
    worker.act({"act": "capture", "light": True})
    until(topics, worker, lambda t: "series" in t)
    assert topics["channel"] is None and topics["record"]["unit"] == "ADC steps"
    worker.act({"act": "calibrate"})
    until(topics, worker, lambda t: t.get("calibration", {}).get("done"))
    assert topics["calibration"]["good"] and len(topics["calibration"]["pictures"]) == 2
    assert topics["shot"]["clearance"] == pytest.approx(15.4, abs=0.3)
    until(topics, worker, lambda t: state(t, "here"))
    worker.act({"act": "capture", "light": True})
    until(topics, worker, lambda t: t.get("channel"))
    assert topics["channel"]["accepted"] and topics["record"]["unit"] == "√SNU"


def test_live_goes_on_until_stop(lit):
    device, worker = lit
    topics = until({}, worker, lambda t: state(t, "here"))
    worker.act({"act": "live", "on": True})
    for _ in range(2):
        topics.pop("series", None)
        until(topics, worker, lambda t: "series" in t)
    worker.act({"act": "stop"})
    until(topics, worker, lambda t: "light is off" in t.get("note", {}).get("text", ""))
    assert device.read("drive_armed") == 0
    topics.pop("series", None)
    topics = {}
    time.sleep(0.5)
    assert "series" not in worker.changed()


def test_settings_are_changed_and_bad_ones_refused_in_words(lit):
    _device, worker = lit
    until({}, worker, lambda t: state(t, "here"))
    with pytest.raises(RangeError, match="watchdog = 1000"):
        worker.act({"act": "set", "name": "watchdog", "value": "1000"})
    with pytest.raises(RangeError, match="'grant' is no setting"):
        worker.act({"act": "set", "name": "grant", "value": 7})
    with pytest.raises(RangeError, match="act = 'start'; allowed: capture"):
        worker.act({"act": "start"})
    assert "0.25" in worker.act({"act": "set", "name": "drive_scale", "value": "0.25"})
    until({}, worker, lambda t: any(
        row["name"] == "drive_scale" and row["value"] == 0.25 for row in t.get("settings", [])
    ))  # fmt: skip


def test_the_selftest_passes_on_a_loopback_and_says_why_light_fails(lit, worker_of):
    looped = worker_of(lambda: Node(ModelDevice(SPEC)))
    topics = until({}, looped, lambda t: state(t, "here"))
    looped.act({"act": "selftest"})
    assert until(topics, looped, lambda t: "selftest" in t)["selftest"]["good"]
    _, worker = lit
    topics = until({}, worker, lambda t: state(t, "here"))
    worker.act({"act": "selftest"})
    until(topics, worker, lambda t: "selftest" in t or t.get("note", {}).get("kind") == "bad")
    assert "only a loopback" in topics["note"]["text"]


def test_a_lost_node_is_said_within_two_seconds_and_found_again(worker_of):
    Fragile.pulled.clear()

    def reach():
        if Fragile.pulled.is_set():
            raise DeviceError("nobody is there")
        return Node(Fragile(SPEC))

    worker = worker_of(reach)
    topics = until({}, worker, lambda t: state(t, "here"))
    Fragile.pulled.set()
    start = time.monotonic()
    until(topics, worker, lambda t: state(t, "lost"))
    assert time.monotonic() - start < 2
    with pytest.raises(RangeError, match="is lost"):
        worker.act({"act": "capture"})
    Fragile.pulled.clear()
    until(topics, worker, lambda t: state(t, "here"))


def test_a_node_that_hangs_is_said_to_be_lost_too(worker_of):
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(ModelDevice):
        def _read(self, registers):
            if hangs.is_set():
                goes_on.wait(30)
            return super()._read(registers)

    worker = worker_of(lambda: Node(Hanging(SPEC)))
    topics = until({}, worker, lambda t: state(t, "here"))
    hangs.set()
    until(topics, worker, lambda t: state(t, "lost"))
    assert "no answer" in topics["state"]["why"]
    hangs.clear()
    goes_on.set()
    until(topics, worker, lambda t: state(t, "here"))


def test_a_calibration_asks_a_person_where_there_are_no_shutters_and_can_be_stopped(worker_of):
    worker = worker_of(lambda: Node(ModelDevice(SPEC)))
    topics = until({}, worker, lambda t: state(t, "here"))
    worker.act({"act": "calibrate"})
    until(topics, worker, lambda t: t.get("calibration", {}).get("prompt"))
    assert topics["calibration"]["prompt"].startswith("Block the signal")
    with pytest.raises(RangeError, match="busy: calibration"):
        worker.act({"act": "selftest"})
    worker.act({"act": "stop"})
    until(topics, worker, lambda t: t["calibration"]["done"])
    assert "not calibrated: stopped" in topics["calibration"]["verdict"]
    until(topics, worker, lambda t: state(t, "here"))
    worker.act({"act": "calibrate"})
    until(topics, worker, lambda t: t["calibration"]["prompt"])
    worker.act({"act": "continue"})
    until(topics, worker, lambda t: t["calibration"]["done"])
    assert "is the local oscillator on" in topics["calibration"]["verdict"]  # the models are silent


def test_a_frame_is_cut_into_its_sections():
    raw = {"drive_preamble": 16, "drive_row": 50, "drive_pilots": 1, "drive_pilot_spacing": 20,
           "drive_vacuum": 8, "drive_guard": 9}  # fmt: skip
    frame = frame_of(raw)
    assert frame["symbols"] == 16 + 50 + 4 + 8 + 9
    assert frame["sections"] == [
        ("preamble", 16), ("pilots", 1), ("row", 20), ("pilots", 1), ("row", 20), ("pilots", 1),
        ("row", 10), ("pilots", 1), ("vacuum", 8), ("guard", 9),
    ]  # fmt: skip
