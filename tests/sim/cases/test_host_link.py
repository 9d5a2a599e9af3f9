"""Streams for the host link hold every kind of frame; the surroundings answer as they should."""

import numpy as np
import pytest

from shotveil.gateware.host_link.payloads import Fault
from shotveil.models.host_link import cobs, crc
from shotveil.models.host_link.packet import Op
from shotveil.sim.cases.host_link import (
    BLOCKS,
    DEPTH,
    READ_PORTS,
    REGISTERS,
    SOURCE,
    WRITE_PORTS,
    Surroundings,
    contents,
    judged,
    link_case,
    octets,
    requests,
    session,
    tokens,
)


def rng():
    return np.random.default_rng(4)


def test_registers_hold_what_is_written_and_wrap_around():
    around = Surroundings()
    assert around.read(5) == 0
    around.write(5, 77)
    around.write(6 + REGISTERS, 88)
    assert (around.read(5), around.read(5 + 2 * REGISTERS), around.read(6)) == (77, 77, 88)


def test_ports_give_back_what_they_got_and_the_last_counts():
    around = Surroundings()
    assert [around.room(port) for port in range(WRITE_PORTS)] == [DEPTH] * WRITE_PORTS
    around.send(0, [1, 2, 3])
    around.send(1, [9])
    assert (around.room(0), around.available(0), around.available(1)) == (DEPTH - 3, 3, 1)
    assert around.receive(0, 2) == [1, 2] and around.available(0) == 1
    assert around.receive(1, 1) == [9] and around.room(1) == DEPTH
    assert READ_PORTS == WRITE_PORTS + 1 and around.available(2) == SOURCE
    assert around.receive(2, 3) == [0, 1, 2] and around.receive(2, 2) == [3, 4]
    assert around.available(2) == SOURCE


def test_frames_have_the_lengths_around_those_of_blocks():
    found = contents(40, rng())
    assert found[:24] == contents(0, rng()) and len(found) == 64
    for length in (0, 1, 253, 254, 255, 507, 508, 509, 1040):
        assert bytes(length) in found and b"\xff" * length in found
    assert b"\1" * 254 + b"\0" in found
    assert len(set(found[24:])) > 20 and max(map(len, found[24:])) < 60


def test_requests_are_of_every_kind_and_numbered():
    found = requests(600, rng())
    assert (found[0].op, found[0].count, len(found[0].words)) == (Op.HELLO, 1, 1)
    assert [r.seq for r in found[:300]] == [k % 256 for k in range(300)]
    assert {Op.READ, Op.WRITE, Op.SEND, Op.RECEIVE} <= {r.op for r in found}
    assert any(r.op not in list(Op) for r in found)
    with_words = [r for r in found[1:] if r.words]
    assert with_words and all(r.op in (Op.WRITE, Op.SEND) for r in with_words)
    wrong = sum(len(r.words) != r.count for r in found[1:] if r.op in (Op.WRITE, Op.SEND))
    assert 0 < wrong < len(with_words) / 4
    assert max(r.count for r in found) > 257 and max(r.target for r in found) > 4096


def test_tokens_mark_the_end_of_each_frame():
    given = tokens([b"\1\2", b"", b"\3"])
    assert given["byte"].tolist() == [1, 2, 0, 0, 3, 0]
    assert given["end"].tolist() == [0, 0, 1, 1, 0, 1]
    found = judged([b"\1\2", b"", b"\3"], [Fault.NONE, Fault.CRC, Fault.FRAME])
    assert found["fault"].tolist() == [0, 0, 0, Fault.CRC.value, 0, Fault.FRAME.value]
    assert octets(b"\0\xff").tolist() == [0, 255]


def test_a_session_over_a_bad_wire_still_ends():
    data = session(24, rng())
    case = link_case(data)
    assert case.run.inputs["i"].tolist() == list(data)
    assert case.run.due["o"] == len(case.expected["o"]) > 100
    # Two sessions begin; frames and checksums are damaged on the way, and counted.
    assert case.status["link_bad_crc"] > 0 and case.status["link_bad_frame"] > 0
    assert case.status["alive"] > 10


def test_what_blocks_must_give_is_right_by_the_models():
    (encoder,) = BLOCKS["encoder"].cases(5, rng())
    frames = contents(5, rng())
    coded = bytes(encoder.expected["o"].tolist())
    assert coded.split(b"\0")[:-1] == [cobs.encode(frame) for frame in frames]
    (append,) = BLOCKS["append"].cases(5, rng())
    ends = np.nonzero(append.expected["o"]["end"])[0]
    start = 0
    for frame, end in zip(frames, ends, strict=True):
        got = bytes(append.expected["o"]["byte"][start:end].tolist())
        assert got == frame + crc.crc32(frame).to_bytes(4, "little")
        start = end + 1
    (check,) = BLOCKS["check"].cases(30, rng())
    faults = check.expected["o"]["fault"][check.expected["o"]["end"] == 1]
    assert set(faults.tolist()) == {fault.value for fault in (Fault.NONE, Fault.CRC, Fault.FRAME)}
    (store,) = BLOCKS["store"].cases(200, rng())
    assert min(store.status.values()) > 5
    assert store.expected["o"]["words"].sum() == len(store.expected["words"])
    (serialiser,) = BLOCKS["serialiser"].cases(5, rng())
    assert serialiser.expected["o"]["end"].sum() == 15
    assert {0, 1, 256} <= set(serialiser.run.inputs["i"]["count"].tolist())


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_cases_repeat_by_their_seed_and_leave_time_for_what_should_not_come(name):
    (one,), (other,) = (BLOCKS[name].cases(4, rng()) for _ in range(2))
    (larger,) = BLOCKS[name].cases(60, rng())
    ports = set(BLOCKS[name].component().signature.members)
    assert {*one.run.inputs, *one.run.due, *one.status} <= ports
    assert one.run.due == other.run.due and one.status == other.status
    assert sum(larger.run.due.values()) > sum(one.run.due.values())
    assert one.run.linger == 1500 and one.run.timeout > 20_000
    for stream, due in one.run.due.items():
        expected = one.expected[stream]
        for values in expected.values() if isinstance(expected, dict) else [expected]:
            assert len(values) == due
