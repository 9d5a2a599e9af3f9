"""The compiled node as a pipe of bytes, with a plant between its DAC and its ADC.

`host.devices` uses it: a program that drives a board over a serial port can drive the gateware
itself in this way. Time passes only while somebody reads; a second of the node takes some minutes.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from amaranth.hdl import UnusedElaboratable

from shotveil.gateware.node.chain import NodeCore
from shotveil.host.devices.device import spec_of_role
from shotveil.host.devices.link import LinkDevice, open_link
from shotveil.host.devices.transport import LinkLost
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.node.chain import Loopback, Plant
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.engines.run import unpack
from shotveil.sim.engines.shared_library import Instance, Library, Words
from shotveil.sim.loop.row_memory import SimulatedMemory

_known: dict[NodeSpec, Path] = {}


@functools.cache
def library(spec: NodeSpec) -> Library:
    """The compiled node: it takes some tens of seconds once, then it comes from the cache."""
    return Library(with_rows(spec), f"node_{spec.role}", path=_known.get(spec))


def adopt(spec: NodeSpec, path: Path) -> None:
    """Use what another process compiled for a node, without a check that it is up to date."""
    for_ports_alone()
    _known[spec] = path


def for_ports_alone() -> None:
    """Let this process make components that it never elaborates, only to know their ports."""
    warnings.filterwarnings("ignore", category=UnusedElaboratable)


def with_rows(spec: NodeSpec) -> NodeCore:
    """The node, with a memory for its rows if it keeps any."""
    return NodeCore(spec, SimulatedMemory(spec) if spec.store else None)


Surroundings = Callable[[Mapping[str, IntArray]], tuple[IntArray, IntArray]]


class NodePipe:
    """A `BytePipe` to a simulated node.

    * `plant` is called with the DAC codes of every `block` clocks, shape (2, `block`), and gives
      the ADC words of the `block` clocks behind them: it adds `block` clocks to its own delay.
      Without a plant the codes come back as they are, with `block` clocks of delay. It is not
      called if `spec.loopback` connects the codes inside the node.
    * `trigger`, if given, is called likewise with the `frame` line of a block, and gives the levels
      of the trigger input in the next.
    * `surroundings`, if given, takes the place of both. It is called with the outputs of a block,
      which for a server are `codes` (2, clocks) and `frame`, and for a client `shifter` (clocks,).
      It gives the ADC words and trigger levels of the next block, which has as many clocks as they
      have.
    * `instance` is the compiled node; without one, a new one of `library`.
    * With `record`, everything on codes, adc, frame and shifter is kept in `recorded`.
    """

    def __init__(
        self,
        spec: NodeSpec,
        plant: Plant | None = None,
        *,
        block: int = 1024,
        trigger: Callable[[IntArray], IntArray] | None = None,
        surroundings: Surroundings | None = None,
        record: bool = False,
        instance: Instance | None = None,
    ):
        self.spec = spec
        self._plant = None if spec.loopback else plant or Loopback(spec)
        self._trigger = trigger
        self._surroundings = surroundings
        self._node: Instance | None = instance or library(spec).instance()
        self._axes = ("x", "p")[: spec.digitiser.quadratures]
        self._fields = self._node.fields["codes"]
        require("block", block, at_least=16, at_most=1 << 20, integer=True)
        self.block = block
        self._wait(block)
        self._grace = 0.0
        self._in = bytearray()
        self._out = bytearray()
        self._record = record
        self.recorded: dict[str, list[IntArray]] = {}
        self.clocks = 0

    def enter(
        self, surroundings: Surroundings, block: int, record: bool = False, grace: float = 0.0
    ) -> None:
        """Take other surroundings from now on, beginning with a dark block of `block` clocks.

        With some seconds of `grace`, a host that pauses for some microseconds pauses for as many
        of the node, which take milliseconds. Otherwise its pause is over in a block.
        """
        self._surroundings, self.block, self._record = surroundings, block, record
        self._grace = grace
        self.recorded = {}
        self._wait(block)

    def _wait(self, block: int) -> None:
        self._hear(np.zeros((len(self._axes), block), dtype=np.int64))
        self._level = np.zeros(block, dtype=np.int64)

    def time(self) -> float:
        """The node's time in seconds."""
        return self.clocks / self.spec.clock_hz

    def read(self, most: int, timeout: float) -> bytes:
        """Up to `most` bytes; none if none came in `timeout` seconds of the node's time or ours.

        Ours are more by the `grace` that is given to `enter`.
        """
        ends, until = time.monotonic() + timeout + self._grace, self.time() + timeout
        while not self._out and time.monotonic() < ends and self.time() < until:
            self.advance()
        return self.take(most)

    def take(self, most: int | None = None) -> bytes:
        """Up to `most` of the bytes that are there now, all by default; no time passes."""
        taken = bytes(self._out[:most])
        del self._out[:most]
        return taken

    def write(self, data: bytes) -> None:
        """Give all bytes to the node."""
        if self._node is None:
            raise LinkLost("the simulated node was closed")
        self._in += data

    def close(self) -> None:
        """Release the node."""
        self._node = None

    def advance(self) -> None:
        """Run one block."""
        if self._node is None:
            raise LinkLost("the simulated node was closed")
        n = self.block
        inputs: dict[str, Words] = {}
        if self._in:
            inputs["link__i"] = np.frombuffer(bytes(self._in), np.uint8).astype(np.uint64)
            self._in.clear()
        wanted = ["link__o", "codes", "frame"]
        if self.spec.role == "client":
            only = self._surroundings is not None and not self._record
            wanted = ["link__o", "shifter"] if only else [*wanted, "shifter"]
        if not self.spec.loopback:
            inputs["adc"] = self._packed
        if self._trigger is not None or self._surroundings is not None:
            inputs["trigger"] = self._level.view(np.uint64)
        given = self._node.step_words(n, inputs, wanted)
        self.clocks += n
        self._out += given.pop("link__o").astype(np.uint8).tobytes()
        got = {}
        if "codes" in given:
            codes = unpack(self._fields, given.pop("codes"))
            got["codes"] = np.stack([codes["i"], codes["q"]])
        got |= {name: words.view(np.int64) for name, words in given.items()}
        if self._record:
            for name, samples in (("adc", self._adc), *got.items()):
                self._keep(name, np.atleast_2d(samples))
        if self._surroundings is not None:
            adc, self._level = self._surroundings(got)
            self.block = len(self._level)
        else:
            adc = self._plant(got["codes"]) if self._plant is not None else self._adc
            if self._trigger is not None:
                self._level = np.asarray(self._trigger(got["frame"]), dtype=np.int64)
        self._hear(np.asarray(adc, dtype=np.int64))

    def _hear(self, words: IntArray) -> None:
        """Take the ADC words (quadratures, block) of the next block."""
        bits, due = self.spec.digitiser.adc_bits, (len(self._axes), self.block)
        if words.shape != due:
            raise RangeError(f"plant gave words of shape {words.shape}; allowed: {due}")
        if words.size and (int(words.min()) < 0 or int(words.max()) >> bits):
            require("ADC word", words, at_least=0, below=1 << bits)
        self._adc = words
        packed = words[0]
        for k, line in enumerate(words[1:], 1):
            packed = packed | line << (k * bits)
        self._packed: Words = packed.view(np.uint64)

    def _keep(self, name: str, samples: IntArray) -> None:
        self.recorded.setdefault(name, []).append(samples)

    def record(self, name: str) -> IntArray:
        """All that was recorded of a port, shape (lines, clocks)."""
        return np.concatenate(self.recorded[name], axis=1)


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> LinkDevice:
    """The compiled gateware of a node, for `rtl:ROLE`. Raises `RangeError` for an unknown role."""
    url = f"rtl:{where}"
    built = spec_of_role(url, where, spec)
    return open_link(url, lambda: NodePipe(built, plant), built)
