"""What every backend answers alike, what is refused, and how a node is recognised."""

import numpy as np
import pytest

from shotveil.host.devices.device import (
    Answer,
    DeviceError,
    as_words,
    recognise,
    require_no_plant,
    spec_of_role,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Access
from shotveil.models.node.spec import ROLES, NodeSpec
from tests.host.devices.nodes import model


def test_identity(backend):
    for role in ROLES:
        with backend(role) as device:
            assert device.spec == NodeSpec(role)
            found = device.read_all(device.map.of(Access.CONSTANT))
            assert found == dict(device.map.constants)


def test_writing_is_checked_before_anything_is_written(backend):
    with backend("server") as device:
        device.write(grant=7)
        for bad, message in (
            ({"grant": 1 << 24}, "grant = 16777216 is outside the integers in"),
            ({"rows_sent": 1}, "rows_sent is a status, which cannot be set"),
            ({"start": 1}, "start is a strobe"),
        ):
            with pytest.raises(RangeError, match=message):
                device.write(lead_in=5, **bad)
        assert device.read_all(["grant", "lead_in"]) == {"grant": 7, "lead_in": 0}
        with pytest.raises(KeyError, match="no register 'scale'; there is drive_scale"):
            device.write(scale=1)
        with pytest.raises(RangeError, match="commit is a strobe, which has no value"):
            device.read("commit")
        with pytest.raises(RangeError, match="grant is a setting, not a strobe"):
            device.strobe("grant")


def test_words_that_are_none(backend):
    with backend("server") as device:
        for bad in ([1 << 32], [-(1 << 31) - 1], [0.5]):
            with pytest.raises(RangeError, match="word"):
                device.send(WritePort.ROWS, bad)


def found(spec, **changes):
    return {**model(spec.role, spec).map.constants, **changes}


@pytest.mark.parametrize(
    "changes, advice",
    [
        ({"id": 0xFFFFFFFF}, "no node of Shotveil .* load the node's bitstream first"),
        ({"version": 2}, "registers of version 2, this host knows version 1; use a newer host"),
        ({"version": 0}, "use a newer bitstream"),
        ({"spec_hash": 0x1234}, "another spec .00001234; expected: server .*build and load"),
        ({"map_hash": 0x1234}, "other registers .map 00001234. though its spec is known"),
        ({"clock": 124_999_999}, "another spec"),
        ({"samples_per_symbol": 3}, "constants that no node of this version has .samples_per_symb"),
    ],
)
def test_another_node_is_refused_with_advice(changes, advice):
    with pytest.raises(DeviceError, match=advice):
        recognise(found(NodeSpec(), **changes), "serial:/dev/ttyUSB7")
    with pytest.raises(DeviceError, match="serial:/dev/ttyUSB7"):
        recognise(found(NodeSpec(), **changes), "serial:/dev/ttyUSB7")


CHOICES = [
    {},
    {"loopback": True},
    {"capture": 1024, "replay": 4096},
    {"clock_hz": 62_500_000, "dac_bits": 12, "adc_bits": 12},
    {"samples_per_symbol": 2, "window": 16},
]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_host_knows_every_node_that_boards_and_builds_can_choose(choice):
    for role in ROLES:
        spec = NodeSpec.chosen(role, **choice)
        assert recognise(found(spec), "here") == spec
        assert recognise(found(spec), "here", spec) == spec


def test_a_node_of_another_make_needs_its_spec():
    own = NodeSpec(drive=DriveSpec(row_capacity=512))
    with pytest.raises(DeviceError, match="another spec"):
        recognise(found(own), "here")
    assert recognise(found(own), "here", own) == own
    with pytest.raises(DeviceError, match="another spec"):
        recognise(found(NodeSpec()), "here", NodeSpec("client"))


def test_the_role_of_a_url():
    assert spec_of_role("x:client", "client", None) == NodeSpec("client")
    own = NodeSpec(capture=1024)
    assert spec_of_role("x:server", "server", own) is own
    with pytest.raises(RangeError, match="'x:bob' names no role; allowed: server, client"):
        spec_of_role("x:bob", "bob", None)
    with pytest.raises(RangeError, match="'x:client' is given the spec of a server"):
        spec_of_role("x:client", "client", own)
    require_no_plant("x:y", None)
    with pytest.raises(RangeError, match="a plant was given for x:y"):
        require_no_plant("x:y", lambda codes: codes)


def test_integers_as_words():
    assert as_words([-1, 0, 1, -(1 << 31), (1 << 32) - 1]).tolist() == [
        0xFFFFFFFF, 0, 1, 1 << 31, 0xFFFFFFFF,
    ]  # fmt: skip
    words = np.array([[1, 2], [3, 4]], np.uint32)
    assert as_words(words).tolist() == [1, 2, 3, 4]
    assert as_words([]).tolist() == []
    for bad, message in (([1 << 32], "4294967296 is outside"), ([-(1 << 31) - 1], "is outside")):
        with pytest.raises(RangeError, match=message):
            as_words(bad)


def test_what_is_asked_ahead_is_there_where_no_link_is():
    device = model("server")
    asked = device.ask(["lead_in", "grant"])
    assert isinstance(asked, Answer) and asked.here() and asked.get() == {"lead_in": 0, "grant": 0}
    device.strobe("snapshot")
    words = device.ask_words(ReadPort.SESSION)
    assert words.here() and len(words.get()) == MAX_WORDS


def test_a_port_is_offered_no_more_than_it_has_room_for():
    device = model("server")
    full = device.room(WritePort.ROWS)
    words = np.zeros(full + 10, np.uint32)
    assert device.offer(WritePort.ROWS, words) == full
    assert device.offer(WritePort.ROWS, words[:5]) == 0 == device.room(WritePort.ROWS)
    assert device.offer(WritePort.ANGLES, words[:0]) == 0


def test_all_that_can_be_read_is_read_unless_names_are_given():
    device = model("client")
    readable = {r.name for r in device.map if r.access is not Access.STROBE}
    assert set(device.read_all()) == readable and list(device.read_all(["arm"])) == ["arm"]


def test_settings_act_together_and_strobes_in_their_order(monkeypatch):
    device, done = model("server"), []
    monkeypatch.setattr(device, "_write", lambda v: done.append([(r.name, x) for r, x in v]))
    device.write(grant=3, lead_in=4.0)
    device.strobe("clear", "start")
    assert done == [[("grant", 3), ("lead_in", 4), ("commit", 1)], [("clear", 1), ("start", 1)]]


def test_the_end_of_a_with_lets_go(monkeypatch):
    device, closed = model("server"), []
    monkeypatch.setattr(device, "close", lambda: closed.append(True))
    with device as same:
        assert same is device and not closed
    assert closed == [True]
