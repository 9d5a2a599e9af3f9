"""A node behind the host link: who it is, and what happens when the link fails."""

import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.link import LinkDevice, open_link
from shotveil.host.devices.node import Node
from shotveil.host.devices.transport import LinkLost, Transport
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.spec import NodeSpec
from tests.host.devices.nodes import Inside, ModelPipe, linked, model


def test_a_node_is_recognised_over_the_link():
    other = NodeSpec(drive=DriveSpec(row_capacity=512))
    slow = NodeSpec.chosen("server", clock_hz=62_500_000, adc_bits=12, samples_per_symbol=2)
    for spec in (NodeSpec("client"), NodeSpec(loopback=True), NodeSpec(capture=1024), slow):
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


def test_a_pipe_that_cannot_be_opened_names_the_url():
    def pipe():
        raise LinkLost("nobody there")

    with pytest.raises(DeviceError, match=r"^tcp:there: nobody there$"):
        open_link("tcp:there", pipe, None)
    device = open_link("here", lambda: ModelPipe(Inside(model("client"))), None)
    assert device.name == "here" and device.spec == NodeSpec("client")


def asked(device, act):
    """How many requests something takes."""
    before = device.transport.traffic.requests
    act()
    return device.transport.traffic.requests - before


def test_neighbours_go_in_one_request():
    device = linked("server")
    order = [register.name for register in device.map]
    three = order[order.index("grant") :][:3]
    assert asked(device, lambda: device.read_all(three)) == 1
    assert asked(device, lambda: device.read_all(three[::-1])) == 3
    assert asked(device, lambda: device.read_all([three[0], three[2]])) == 2
    # A write is followed by the strobe that commits it, which stands elsewhere.
    assert asked(device, lambda: device.write(**dict.fromkeys(three, 1))) == 2
    assert device.read_all(three) == dict.fromkeys(three, 1)


def test_a_request_holds_no_more_words_than_a_packet(monkeypatch):
    device = linked("server")
    due = device.read_all()
    monkeypatch.setattr("shotveil.host.devices.link.MAX_WORDS", 5)
    runs = device._runs([r for r in device.map if r.name in due])
    assert all(sum(r.words for r in run) <= 5 for run in runs)
    assert max(sum(r.words for r in run) for run in runs) == 5 <= MAX_WORDS
    assert device.read_all() == due


def test_answers_come_later():
    device = linked("server")
    device.write(grant=9)
    answer = device.ask(["grant", "lead_in"])
    words = device.ask_words(ReadPort.SESSION)
    assert not answer.here() and not words.here()
    assert answer.get() == {"grant": 9, "lead_in": 0} and answer.here()
    device.wait(0.01)
    assert words.here() and len(words.get()) == 0


def test_words_through_the_link():
    device = linked("server")
    assert device.room(WritePort.ROWS) == 4096
    device.send(WritePort.ROWS, [1, 2, 3])
    assert device.room(WritePort.ROWS) == 4093
    assert device.offer(WritePort.ROWS, [4, 5]) in (0, 2)
    device.strobe("snapshot")
    assert len(device.receive(ReadPort.SESSION, 7)) == 7
    with pytest.raises(DeviceError, match="no room"):
        device.send(WritePort.ROWS, range(9000))
