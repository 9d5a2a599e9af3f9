"""What surrounds the host link, as component and as model, and streams of requests for both."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link.cobs import Decoder, Encoder
from shotveil.gateware.host_link.crc import CrcAppend, CrcCheck
from shotveil.gateware.host_link.link import HostLink
from shotveil.gateware.host_link.packet import Serialiser, Store
from shotveil.gateware.host_link.payloads import COUNTERS, Fault
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.host_link import cobs, crc
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import Op, Request, Response, to_frame
from shotveil.models.host_link.wire import Wire, WireFaults
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

WRITE_PORTS, READ_PORTS, WINDOW = 2, 3, 4
DEPTH = 600  # words between a write port and the read port of the same number
REGISTERS = 64  # words; the address wraps around
SOURCE = 20  # words that the last read port always reports, however many were taken


class Surroundings:
    """Registers that keep what is written, ports that return what they got, and a counter.

    Read port n returns the words of write port n; the last read port counts up.
    """

    def __init__(self) -> None:
        self._registers = [0] * REGISTERS
        self._queues: list[deque[int]] = [deque() for _ in range(WRITE_PORTS)]
        self._count = 0

    def read(self, address: int) -> int:
        """The word of a register."""
        return self._registers[address % REGISTERS]

    def write(self, address: int, word: int) -> None:
        """Write a register."""
        self._registers[address % REGISTERS] = word

    def room(self, port: int) -> int:
        """How many words the queue behind a write port can still take."""
        return DEPTH - len(self._queues[port])

    def send(self, port: int, words: Sequence[int]) -> None:
        """Put words into a queue."""
        self._queues[port].extend(words)

    def available(self, port: int) -> int:
        """How many words wait in a queue."""
        return len(self._queues[port]) if port < WRITE_PORTS else SOURCE

    def receive(self, port: int, count: int) -> list[int]:
        """Take words from a queue."""
        if port < WRITE_PORTS:
            return [self._queues[port].popleft() for _ in range(count)]
        self._count += count
        return list(range(self._count - count, self._count))


class LinkInSurroundings(wiring.Component):
    """A `HostLink` in `Surroundings`, whose only ports are streams of bytes and status.

    `alive` and `fault` count the clocks in which the link's outputs of these names are high.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "alive": Out(32),
                "fault": Out(32),
                **{name: Out(width) for name, width in COUNTERS.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = HostLink(WRITE_PORTS, READ_PORTS, WINDOW)
        wiring.connect(m, wiring.flipped(self.i), link.i)
        wiring.connect(m, link.o, wiring.flipped(self.o))
        m.d.comb += [getattr(self, name).eq(getattr(link, name)) for name in COUNTERS]
        m.d.sync += [self.alive.eq(self.alive + link.alive), self.fault.eq(self.fault + link.fault)]

        bus = link.bus
        m.submodules.registers = registers = Memory(shape=32, depth=REGISTERS, init=[])
        write, read = registers.write_port(), registers.read_port()
        m.d.comb += [
            write.addr.eq(bus.address),
            write.data.eq(bus.w_data),
            write.en.eq(bus.w_strobe),
            read.addr.eq(bus.address),
            read.en.eq(bus.r_strobe),
            bus.r_valid.eq(delay(m, bus.r_strobe, 3, 1)),
            bus.r_data.eq(delay(m, read.data, 2, 1)),
        ]
        for n in range(WRITE_PORTS):
            m.submodules[f"queue_{n}"] = queue = fifo.SyncFIFOBuffered(width=32, depth=DEPTH)
            wiring.connect(m, getattr(link, f"write_{n}"), queue.w_stream)
            wiring.connect(m, queue.r_stream, getattr(link, f"read_{n}"))
            m.d.comb += [
                getattr(link, f"room_{n}").eq(DEPTH - queue.level),
                getattr(link, f"available_{n}").eq(queue.level),
            ]
        source = getattr(link, f"read_{READ_PORTS - 1}")
        count = Signal(32)
        m.d.comb += [source.valid.eq(1), source.p.eq(count)]
        m.d.comb += getattr(link, f"available_{READ_PORTS - 1}").eq(SOURCE)
        with m.If(source.ready):
            m.d.sync += count.eq(count + 1)
        return m


@dataclass(frozen=True)
class HostLinkBlock:
    """A block of the host link for the benches: `cases(size, rng)` gives runs without stalls.

    A case has some frames of every kind, and `size` random ones more.
    """

    component: Callable[[], wiring.Component]
    cases: Callable[[int, np.random.Generator], list[Case]]


def contents(size: int, rng: np.random.Generator) -> list[bytes]:
    """Bytes of frames: lengths around those of blocks, all zeros, no zeros, and random ones."""
    lengths = [0, 1, 4, 253, 254, 255, 507, 508, 509, 1040]
    corners = [bytes(n) for n in lengths] + [bytes([255]) * n for n in lengths]
    corners += [b"\1" * 254 + b"\0", b"\0" + b"\1" * 254, b"\1" * 253 + b"\0\1", b"\0\0\1"]
    return corners + [
        rng.integers(0, int(rng.integers(1, 257)), int(rng.integers(0, 60))).astype("u1").tobytes()
        for _ in range(size)
    ]


def requests(size: int, rng: np.random.Generator) -> list[Request]:
    """Requests of a session, among them some that a correct host would never make."""

    def one(*values: Any) -> int:
        return int(values[rng.integers(len(values))])

    made = [Request(0, Op.HELLO, 0, 1, (int(rng.integers(2**32)),))]
    for k in range(1, size):
        op = one(Op.READ, Op.WRITE, Op.SEND, Op.RECEIVE, rng.integers(256))
        count = one(0, 1, 2, rng.integers(20), rng.integers(257))
        target = one(0, 1, 2, 3, rng.integers(4097), rng.integers(2**16))
        words = rng.integers(0, 2**32, count if op in (Op.WRITE, Op.SEND) else 0)
        if rng.random() < 0.05:
            count = one(257, 2**16 - 1, count ^ 1)
        made.append(Request(k % 256, op, target, count, tuple(int(w) for w in words)))
    return made


def session(size: int, rng: np.random.Generator) -> bytes:
    """Bytes that reach a device: requests over a bad wire, each several times, and garbage.

    Every request is repeated until it was accepted. Because of windows and time-outs, later
    requests sometimes come before it. Then another session begins.
    """
    wire = Wire(WireFaults(corrupt=0.1, drop=0.05, duplicate=0.05, reorder=0.1), rng)
    data = rng.bytes(300) + b"\0\0"
    for _ in range(2):
        frames = [to_frame(request.body()) for request in requests(size // 2, rng)]
        for start in range(0, len(frames), WINDOW):
            for _ in range(3):
                data += wire.carry(b"".join(frames[start : start + WINDOW]))
            # This repeats what the wire damaged; otherwise a gap would be in front of the rest.
            data += b"".join(frames[start : start + WINDOW])
        data += b"\0" + bytes([*range(1, 256)] * 6) + b"\0" + b"\1\0" + rng.bytes(50) + b"\0"
    return data


def octets(data: bytes) -> IntArray:
    """Bytes as samples of a stream."""
    return np.frombuffer(data, dtype=np.uint8).astype(np.int64)


def tokens(frames: Sequence[bytes]) -> dict[str, IntArray]:
    """Frames as samples of a stream of tokens; their ends have the byte 0."""
    byte = octets(b"".join(frame + b"\0" for frame in frames))
    end = np.zeros(len(byte), dtype=np.int64)
    end[np.cumsum([len(frame) + 1 for frame in frames], dtype=np.int64) - 1] = 1
    return {"byte": byte, "end": end}


def judged(frames: Sequence[bytes], faults: Sequence[Any]) -> dict[str, IntArray]:
    """Frames as samples of a stream of judged tokens."""
    given = tokens(frames)
    fault = np.zeros(len(given["end"]), dtype=np.int64)
    fault[given["end"] == 1] = [fault.value for fault in faults]
    return given | {"fault": fault}


def _decoder_cases(size: int, rng: np.random.Generator) -> list[Case]:
    whole = b"".join(cobs.encode(data) + b"\0" for data in contents(size, rng))
    data = whole + b"\0\0" + bytes([5, 1, 0, 255, 1, 0, 2, 0, 1, 0]) + rng.bytes(size) + b"\0"
    parts = cobs.frames(data)
    faults = [Fault.NONE if whole else Fault.FRAME for _, whole in parts]
    due = judged([frame for frame, _ in parts], faults)
    return [_case({"i": octets(data)}, {"o": due})]


def _encoder_cases(size: int, rng: np.random.Generator) -> list[Case]:
    frames = contents(size, rng)
    due = b"".join(cobs.encode(frame) + b"\0" for frame in frames)
    return [_case({"i": tokens(frames)}, {"o": octets(due)})]


def _check_cases(size: int, rng: np.random.Generator) -> list[Case]:
    given, due = [], []
    frames = contents(size, rng)
    for k, frame in enumerate(frames):
        frames[k] = frame = frame + crc.crc32(frame).to_bytes(4, "little") if k % 3 else frame
        given.append(Fault.FRAME if k % 5 == 0 else Fault.NONE)
        right = crc.update(crc.START, frame) == crc.RESIDUE
        due.append(Fault.CRC if given[-1] is Fault.NONE and not right else given[-1])
    return [_case({"i": judged(frames, given)}, {"o": judged(frames, due)})]


def _append_cases(size: int, rng: np.random.Generator) -> list[Case]:
    frames = contents(size, rng)
    due = [frame + crc.crc32(frame).to_bytes(4, "little") for frame in frames]
    return [_case({"i": tokens(frames)}, {"o": tokens(due)})]


def _store_cases(size: int, rng: np.random.Generator) -> list[Case]:
    frames, faults, good = [], [], []
    counts = {"link_bad_crc": 0, "link_bad_frame": 0}
    for request in requests(size + 20, rng):
        frame = request.body() + rng.bytes(4)  # this block does not check the CRC
        fault = Fault(int(rng.choice(3, p=[0.8, 0.1, 0.1])))
        cut = int(rng.integers(len(frame)))
        frame = frame[:cut] if rng.random() < 0.1 else frame
        frame += rng.bytes(2000) if rng.random() < 0.02 else b""
        frames.append(frame)
        faults.append(fault)
        size_of_words = len(frame) - 10
        if fault is Fault.FRAME or size_of_words % 4 or not 0 <= size_of_words <= 1024:
            counts["link_bad_frame"] += 1
        elif fault is Fault.CRC:
            counts["link_bad_crc"] += 1
        else:
            good.append(Request.of(frame[:-4]))
    names = ("seq", "op", "target", "count")
    headers = {name: np.array([getattr(r, name) for r in good], np.int64) for name in names}
    headers["words"] = np.array([len(r.words) for r in good], np.int64)
    words = np.array([word for r in good for word in r.words], np.int64)
    return [_case({"i": judged(frames, faults)}, {"o": headers, "words": words}, counts)]


def _serialiser_cases(size: int, rng: np.random.Generator) -> list[Case]:
    responses = []
    for k in range(size + 10):
        seq, op, status, credit = (int(rng.integers(high)) for high in (256, 128, 8, 2**16))
        count = (0, 1, 256)[k] if k < 3 else int(rng.integers(20))
        words = tuple(int(word) for word in rng.integers(0, 2**32, count))
        responses.append(Response(seq, op, status, credit, words))
    names = ("seq", "op", "status", "credit")
    headers = {name: np.array([getattr(r, name) for r in responses], np.int64) for name in names}
    headers["count"] = np.array([len(r.words) for r in responses], np.int64)
    given = np.array([word for r in responses for word in r.words], np.int64)
    due = tokens([r.body() for r in responses])
    return [_case({"i": headers, "words": given}, {"o": due})]


def link_case(data: bytes) -> Case:
    """A case that sends bytes to a link in `Surroundings`, with what has to come back."""
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, WINDOW)
    answer = device.feed(data)
    status = dataclasses.asdict(device.counters)
    status |= {"alive": device.alive, "fault": device.sessions_lost}
    return _case({"i": octets(data)}, {"o": octets(answer)}, status)


def _link_cases(size: int, rng: np.random.Generator) -> list[Case]:
    return [link_case(session(20 + size, rng))]


def _case(
    inputs: Mapping[str, Any], due: Mapping[str, Any], status: Mapping[str, int] | None = None
) -> Case:
    """A case whose run lasts long enough to notice output that should not come."""
    lengths = {name: _length(samples) for name, samples in due.items()}
    slow = 40 * (sum(map(_length, inputs.values())) + sum(lengths.values()))
    run = Run(inputs=inputs, due=lengths, linger=1500, timeout=20_000 + slow)
    return Case(run, due, status or {})


def _length(samples: Any) -> int:
    return len(next(iter(samples.values())) if isinstance(samples, Mapping) else samples)


BLOCKS = {
    "decoder": HostLinkBlock(Decoder, _decoder_cases),
    "encoder": HostLinkBlock(Encoder, _encoder_cases),
    "check": HostLinkBlock(CrcCheck, _check_cases),
    "append": HostLinkBlock(CrcAppend, _append_cases),
    "store": HostLinkBlock(Store, _store_cases),
    "serialiser": HostLinkBlock(Serialiser, _serialiser_cases),
    "link": HostLinkBlock(LinkInSurroundings, _link_cases),
}
