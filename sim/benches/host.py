"""A host at a node in the simulator: the host's own code, in a thread that the simulator waits for.

The thread runs only while simulated time stands still, and time passes only while the thread waits
for bytes, so a run repeats to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cocotb.task import resume

from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.transport import Transport
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.correlator import threshold
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.spec import CLOCK_HZ, NodeSpec, Role
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.run import fields_of, unpack

LAYOUT = FrameLayout(preamble=PREAMBLE, row=112, pilot_spacing=16)


def small(role: Role) -> NodeSpec:
    """A node with small memories, which simulators fill word by word."""
    return NodeSpec(
        role=role,
        drive=DriveSpec(row_capacity=512),
        digitiser=DigitiserSpec(
            quadratures=2 if role == "server" else 1, modes=128, row_capacity=512
        ),
        capture=64,
        replay=512,
    )


def receiver(spec: NodeSpec, **more: Any) -> DigitiserSettings:
    """Settings of a receiver for `LAYOUT`."""
    return DigitiserSettings(
        layout=LAYOUT, mode=17, pilot=1 << 14, minimum=threshold(spec.digitiser, 160.0), **more
    )


class SimulatedPipe:
    """A `BytePipe` to the streams `link__i` and `link__o` of a bench, for a thread of cocotb's."""

    def __init__(self, bench: CocotbBench):
        self._bench = bench
        self._at = 0

    def time(self) -> float:
        """The node's time in seconds."""
        return self._bench.clock / CLOCK_HZ

    def read(self, most: int, timeout: float) -> bytes:
        """Up to `most` bytes; none if none came in `timeout` seconds of the node's time."""
        words = self._bench.sinks["link__o"].words
        if self._at == len(words):
            self._wait(timeout)
        taken = words[self._at : self._at + most]
        self._at += len(taken)
        return bytes(taken)

    @resume
    async def _wait(self, timeout: float) -> None:
        """Let time pass until bytes have come and no more follow."""
        bench, until = self._bench, self.time() + timeout
        words = bench.sinks["link__o"].words
        while len(words) == self._at and self.time() < until:
            await bench.tick(16)
        seen = -1
        while len(words) != seen:
            seen = len(words)
            await bench.tick(4)

    def write(self, data: bytes) -> None:
        """Give all bytes to the node."""
        self._bench.sources["link__i"].send(np.frombuffer(data, np.uint8).astype(np.int64))

    def close(self) -> None:
        """Nothing is to be released."""


def host_of(bench: CocotbBench, spec: NodeSpec) -> Node:
    """The host's view of the node; only in a function that `cocotb.task.bridge` has wrapped."""
    pipe = SimulatedPipe(bench)
    transport = Transport(pipe, clock=pipe.time, nonce=int(bench.rng.integers(2**32)))
    return Node(LinkDevice(transport, f"bench:{spec.role}", spec), patience=60)


class Converters:
    """The converters of a node: all codes are recorded, and words of the ADC come from `light`.

    Without `light` the codes come back in the clock in which they leave.
    """

    def __init__(self, bench: CocotbBench, spec: NodeSpec, light: IntArray | None = None):
        self._dut, self._light = bench.dut, light
        self._bits = spec.digitiser.adc_bits
        self._fields = fields_of(bench.ports.outputs["codes"].p)
        self.codes: list[int] = []
        self.frames: list[int] = []
        self.heard: list[int] = []
        bench.surroundings.append(self._act)

    def _act(self) -> None:
        word = int(self._dut.codes__payload.value)
        if int(self._dut.frame.value):
            self.frames.append(len(self.codes))
        self.codes.append(word)
        if self._light is None:
            adc = 0
            for place, name in enumerate("iq"):
                offset, shape = self._fields[name]
                value = word >> offset & ((1 << shape.width) - 1)
                adc |= value << (place * self._bits)
        else:  # dark until the first frame leaves
            at = len(self.codes) - 1 - self.frames[0] if self.frames else -1
            adc = int(self._light[at]) if 0 <= at < len(self._light) else 0
        self.heard.append(adc)
        self._dut.adc__payload.value = adc

    def sent(self) -> IntArray:
        """All codes, shape (2, clocks)."""
        codes = unpack(self._fields, np.array(self.codes, np.uint64))
        return np.stack([codes["i"], codes["q"]])
