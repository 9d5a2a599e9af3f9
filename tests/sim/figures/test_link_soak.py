"""The bad wire in the host's time, and that a word out of order would be seen."""

import numpy as np
import pytest

from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.wire import Wire, WireFaults
from shotveil.sim.cases.host_link import READ_PORTS, WRITE_PORTS, Surroundings
from shotveil.sim.figures import link_soak
from shotveil.sim.figures.link_soak import BAD, DELAY, RATE, Report, WirePipe, soak


class Echo:
    """A device that answers with what it was sent."""

    def feed(self, data):
        return data


def pipe(device=None, record=False):
    good = WireFaults()
    rng = np.random.default_rng(1)
    return WirePipe(device or Echo(), Wire(good, rng), Wire(good, rng), record)


def test_bytes_take_as_long_as_the_wire_does():
    line = pipe(record=True)
    assert line.clock() == 0 and line.read(99, 0.5e-3) == b""
    assert line.clock() == 0.5e-3  # a time-out takes its time
    frame = bytes([1] * 299 + [0])
    line.write(frame)
    # 1 ms of data are taken ahead, so writing takes no time.
    assert line.clock() == 0.5e-3
    # There and back, with the device's delay between.
    due = 0.5e-3 + 300 / RATE + DELAY + 300 / RATE
    assert line.read(99, 1e-3) == b"" and line.clock() == pytest.approx(1.5e-3)
    assert line.read(99, 5e-3) == frame and line.clock() == pytest.approx(due)
    assert line.to_device == frame
    assert line.read(99, 1e-3) == b""


def test_no_more_than_ten_milliseconds_are_taken_ahead():
    line = pipe()
    frame = bytes([1] * 6000) + b"\0"
    line.write(frame)
    assert line.clock() == pytest.approx(6001 / RATE - 10e-3)
    # The answer comes when the wire from the device is free.
    line.write(b"\1\0")
    assert line.read(1, 1.0) == frame and line.clock() == pytest.approx(2 * 6001 / RATE + DELAY)
    assert line.read(1, 1.0) == b"\1\0"
    assert line.clock() == pytest.approx(2 * 6001 / RATE + DELAY + 2 / RATE)
    assert not line.to_device, "not asked to record"
    line.close()


def test_a_frame_without_its_end_is_not_answered():
    line = pipe()
    line.write(b"\1\2")
    assert line.read(9, 1.0) == b""
    line.write(b"\0")
    assert line.read(9, 1.0) == b"\1\2\0"


def test_words_arrive_once_and_in_order_over_a_bad_wire():
    report = soak(1500, np.random.default_rng(2), record=True)
    assert 1500 <= report.packets < 1700
    assert report.packets == sum(report.there.values()) + sum(report.back.values())
    for fate in ("corrupt", "drop", "duplicate"):
        assert 3 < report.there[fate] + report.back[fate] < 40  # of 15 in the mean
    assert report.sent > 1000 and report.received > report.sent
    assert report.seconds > 0 and report.elapsed > 0 and len(report.to_device) > 1000
    text = str(report)
    for fate in ("corrupt", "drop", "duplicate", "reorder"):
        assert str(report.there[fate] + report.back[fate]) in text
    assert f"{report.sent} words sent, {report.received} received, each once and in order" in text
    speed = 4 * (report.sent + report.received) / report.seconds / 1e3
    assert f"{speed:.1f} kB/s of words on a wire of 300 kB/s" in text
    busy = report.traffic.bytes_out / RATE / report.seconds
    assert f"busy {busy:.0%} of the time" in text
    assert f"{report.packets / report.elapsed:.0f} a second" in text
    assert isinstance(report, Report)


def test_the_wire_is_as_bad_as_the_floor_says():
    assert WireFaults(corrupt=0.01, drop=0.01, duplicate=0.01, reorder=0.002) == BAD
    assert (RATE, DELAY, link_soak.TIMEOUT) == (300_000.0, 1e-3, 0.05)


@pytest.mark.parametrize("fault", ["lost", "twice", "counter", "register"])
def test_a_word_out_of_order_is_found(monkeypatch, fault):
    class Faulty(Surroundings):
        def receive(self, port, count):
            words = super().receive(port, count)
            if port < WRITE_PORTS and len(words) > 1:
                if fault == "lost":
                    words[-1] += 1
                if fault == "twice":
                    words[-1] = words[-2]
            if port == READ_PORTS - 1 and words and fault == "counter":
                words[0] ^= 1
            return words

        def read(self, address):
            return super().read(address) ^ (fault == "register")

    monkeypatch.setattr(link_soak, "Surroundings", Faulty)
    with pytest.raises(AssertionError):
        soak(400, np.random.default_rng(3), WireFaults())


def test_a_good_wire_damages_nothing():
    report = soak(300, np.random.default_rng(4), WireFaults(), window=2)
    assert report.there["good"] + report.back["good"] == report.packets
    assert report.to_device == b""
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, 2)
    assert type(report.device) is type(device.counters)
