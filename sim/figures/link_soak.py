"""A host and a device on a bad wire: does every word arrive once and in order, and how fast?

    shotveil lab link-soak --packets 1000000

Time is that of the wire, not of the computer: bytes take as long as the wire's rate says, and
time-outs are measured in the same time.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from shotveil.host.devices.transport import Traffic, Transport
from shotveil.models.host_link.endpoint import Counters, EndpointModel
from shotveil.models.host_link.wire import Wire, WireFaults
from shotveil.sim.cases.host_link import READ_PORTS, WRITE_PORTS, Surroundings

# Of a hundred packets one is damaged, one is lost, one is repeated, and some come late.
BAD = WireFaults(corrupt=0.01, drop=0.01, duplicate=0.01, reorder=0.002)
RATE = 300_000.0  # bytes a second in each direction: a UART at 3 Mbaud
DELAY = 1e-3  # seconds from the host to the device and back
TIMEOUT = 0.05  # seconds


class WirePipe:
    """The host's side of two wires that lead to the model of a device.

    With `record`, `to_device` keeps the bytes that reached the device.
    """

    def __init__(self, device: EndpointModel, there: Wire, back: Wire, record: bool = False):
        self._device = device
        self._there = there
        self._back = back
        self._arrivals: deque[tuple[float, bytes]] = deque()
        self._device_free = 0.0  # when the wire to the device, and that from it, are free again
        self._host_free = 0.0
        self._record = record
        self.now = 0.0
        self.to_device = bytearray()

    def clock(self) -> float:
        """The seconds since the start."""
        return self.now

    def write(self, data: bytes) -> None:
        """Send bytes to the device, and let it answer."""
        arriving = self._there.carry(data)
        self._device_free = max(self._device_free, self.now) + len(data) / RATE
        # As an operating system does, accept some ten milliseconds of data ahead and no more.
        self.now = max(self.now, self._device_free - 10e-3)
        if self._record:
            self.to_device += arriving
        answer = self._back.carry(self._device.feed(arriving))
        if answer:
            start = max(self._host_free, self._device_free + DELAY)
            self._host_free = start + len(answer) / RATE
            self._arrivals.append((self._host_free, answer))

    def read(self, most: int, timeout: float) -> bytes:
        """Up to `most` bytes that have come from the device."""
        if self._arrivals and self._arrivals[0][0] <= self.now + timeout:
            self.now = max(self.now, self._arrivals[0][0])
            return self._arrivals.popleft()[1]
        self.now += timeout
        return b""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass
class Report:
    """The result of a soak; `sent` and `received` are numbers of words, all of them checked.

    `seconds` is the time of the wire, `elapsed` that of the computer.
    """

    packets: int
    sent: int
    received: int
    seconds: float
    elapsed: float
    traffic: Traffic
    device: Counters
    there: dict[str, int]
    back: dict[str, int]
    to_device: bytes

    def __str__(self) -> str:
        busy = self.traffic.bytes_out / RATE / self.seconds
        speed = 4 * (self.sent + self.received) / self.seconds

        def number(fate: str) -> int:
            return self.there[fate] + self.back[fate]

        return (
            f"{self.packets} packets, of them {number('corrupt')} damaged, {number('drop')} lost, "
            f"{number('duplicate')} repeated, {number('reorder')} late\n"
            f"{self.sent} words sent, {self.received} received, each once and in order\n"
            f"{speed / 1e3:.1f} kB/s of words on a wire of {RATE / 1e3:.0f} kB/s in each "
            f"direction, where that to the device was busy {busy:.0%} of the time\n"
            f"simulated: {self.elapsed:.0f} s, {self.packets / self.elapsed:.0f} a second\n"
            f"host: {self.traffic}\ndevice: {self.device}"
        )


def soak(
    packets: int,
    rng: np.random.Generator,
    impairments: WireFaults = BAD,
    window: int = 8,
    record: bool = False,
) -> Report:
    """Send, receive, write and read until `packets` packets have been on the wires.

    Words sent are numbers in order, through two ports that give them back; a third port counts by
    itself. Raises `AssertionError` at the first word that is not the next one.
    """
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, window)
    there, back = Wire(impairments, rng), Wire(impairments, rng)
    pipe = WirePipe(device, there, back, record)
    started = time.perf_counter()
    link = Transport(
        pipe, timeout=TIMEOUT, nonce=int(rng.integers(2**32)), clock=pipe.clock, attempts=50
    )
    sent = [0] * WRITE_PORTS
    received = [0] * READ_PORTS

    def receive(port: int, count: int) -> int:
        got = link.receive(port, count)
        expected = np.arange(received[port], received[port] + len(got))
        assert np.array_equal(got, expected), f"read port {port} gave {got}, due {expected}"
        received[port] += len(got)
        return len(got)

    while there.frames + back.frames < packets:
        kind, port, size = rng.random(), int(rng.integers(WRITE_PORTS)), int(rng.integers(1, 80))
        if kind < 0.6:
            sent[port] += link.offer(port, np.arange(sent[port], sent[port] + size))
        elif kind < 0.85:
            receive(port, 4 * size)
        elif kind < 0.95:
            receive(WRITE_PORTS, size % 20)
        else:
            value = int(rng.integers(2**32))
            link.write(size % 64, value)
            assert link.read(size % 64)[0] == value
    for port in range(WRITE_PORTS):
        while receive(port, 256):
            pass
        assert received[port] == sent[port], f"{sent[port]} words went, {received[port]} came back"
    return Report(
        there.frames + back.frames,
        sum(sent),
        sum(received),
        pipe.now,
        time.perf_counter() - started,
        link.traffic,
        device.counters,
        there.counts,
        back.counts,
        bytes(pipe.to_device),
    )
