"""The simulator's side of a cocotb bench: clock, reset, streams, and whole runs.

Everything happens at falling edges of the clock. What is driven there settles, and what is sampled
then is what the next rising edge takes. So no bench depends on the order in which a simulator wakes
processes and coroutines at a rising edge, which Icarus and Verilator choose differently.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import cocotb
import numpy as np
from amaranth.hdl import Const
from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.equality import Case, compare
from shotveil.sim.engines.run import (
    BenchError,
    ExtraOutput,
    Ports,
    Result,
    Run,
    Samples,
    Timeout,
    default_timeout,
    fields_of,
    pack,
    to_signed,
    unpack,
)

PERIOD = 8_000  # ps: 125 MHz


class StreamSource:
    """Drives an input stream: it offers the words given to `send`, in order.

    It pauses before a word with the probability `stall`, in each clock. A word that is offered
    stays until it is taken.
    """

    def __init__(self, dut: Any, name: str, port: Any, rng: np.random.Generator):
        self.payload, self._rng = port.p, rng
        self._word = getattr(dut, f"{name}__payload")
        # A handshake line that the signature fixes is no port.
        self._valid = None if isinstance(port.valid, Const) else getattr(dut, f"{name}__valid")
        self._ready = None if isinstance(port.ready, Const) else getattr(dut, f"{name}__ready")
        self.stall = 0.0
        self.clocks: list[int] = []  # in which words were taken
        self._waiting: list[int] = []
        self._at = 0
        self._offering = False
        self.rest()

    def send(self, samples: Samples) -> None:
        """Offer samples behind those that still wait. Raises `RangeError` if one does not fit."""
        self._waiting += [int(word) for word in pack(self.payload, samples)]

    @property
    def done(self) -> bool:
        """Whether all words were taken."""
        return self._at == len(self._waiting)

    def rest(self) -> None:
        """Offer nothing from now on."""
        self._waiting, self._at, self._offering = [], 0, False
        if self._valid is not None:
            self._valid.value = 0
        self._word.value = 0

    def drive(self) -> None:
        """Act at a falling edge."""
        if not self._offering and not self.done:
            self._offering = self._rng.random() >= self.stall
            if self._offering:
                self._word.value = self._waiting[self._at]
        if self._valid is not None:
            self._valid.value = int(self._offering)

    def sample(self, clock: int) -> None:
        """See what the next rising edge takes."""
        if self._offering and (self._ready is None or int(self._ready.value)):
            self.clocks.append(clock)
            self._at += 1
            self._offering = False


class StreamSink:
    """Takes an output stream into `words`, and watches the rules of streams.

    It pauses with the probability `stall`, in each clock. Raises `BenchError` where a word that was
    not taken is withdrawn or changes.
    """

    def __init__(self, dut: Any, name: str, port: Any, rng: np.random.Generator):
        self.name, self.payload, self._rng = name, port.p, rng
        self._word = getattr(dut, f"{name}__payload")
        self._valid = None if isinstance(port.valid, Const) else getattr(dut, f"{name}__valid")
        self._ready = None if isinstance(port.ready, Const) else getattr(dut, f"{name}__ready")
        self.stall = 0.0
        self.words: list[int] = []
        self.clocks: list[int] = []
        self._taking = False
        self._held: int | None = None
        if self._ready is not None:
            self._ready.value = 0

    def drive(self) -> None:
        """Act at a falling edge."""
        self._taking = self._rng.random() >= self.stall
        if self._ready is not None:
            self._ready.value = int(self._taking)

    def sample(self, clock: int) -> None:
        """See what the next rising edge takes."""
        if self._valid is not None and not int(self._valid.value):
            if self._held is not None:
                raise BenchError(f"stream {self.name} withdrew a word in clock {clock}")
            return
        word = int(self._word.value)
        if self._held is not None and word != self._held:
            raise BenchError(f"stream {self.name} changed a word in clock {clock}")
        self._held = word
        if self._taking or self._ready is None:
            self.words.append(word)
            self.clocks.append(clock)
            self._held = None

    def forget(self) -> None:
        """Drop what came."""
        self.words, self.clocks, self._held = [], [], None

    def samples(self) -> Any:
        """All that came, as `Result.outputs` has it."""
        return unpack(self.payload, np.array(self.words, dtype=np.uint64))


class CocotbBench:
    """A design in a simulator, with a source or a sink at each of its streams.

    `endless` and `start` are as for `AmaranthBench`. `patience` is the number of clocks without any
    transfer after which `until` gives up.
    """

    def __init__(
        self,
        dut: Any,
        component: wiring.Component,
        endless: Collection[str] = (),
        start: str | None = None,
        patience: int = 20_000,
    ):
        self.dut, self.ports, self.patience = dut, Ports.of(component), patience
        self.rng = np.random.default_rng(cocotb.RANDOM_SEED)
        self._endless, self._start = frozenset(endless), start
        self.sources = {n: StreamSource(dut, n, p, self.rng) for n, p in self.ports.inputs.items()}
        self.sinks = {n: StreamSink(dut, n, p, self.rng) for n, p in self.ports.outputs.items()}
        self.clock = 0
        self._ticks: Any = None
        self.surroundings: list[Callable[[], None]] = []  # called in each clock, to drive ports

    async def begin(self) -> CocotbBench:
        """Start the clock and reset the design, with all inputs at zero; or do so once more."""
        for source in self.sources.values():
            source.rest()
        for sink in self.sinks.values():
            sink.forget()
        self.set(**dict.fromkeys(self.ports.settings, 0))
        if not hasattr(self.dut, "clk"):
            raise BenchError("the design has no clock")
        # No edge may come before every input has its value.
        if self._ticks is None:
            self.dut.clk.value = 0
        if hasattr(self.dut, "rst"):
            self.dut.rst.value = 1
        await Timer(PERIOD, unit="ps")
        if self._ticks is None:
            self._ticks = Clock(self.dut.clk, PERIOD, unit="ps").start()
        for _ in range(3):
            await FallingEdge(self.dut.clk)
        if hasattr(self.dut, "rst"):
            self.dut.rst.value = 0
        return self

    def set(self, **settings: int) -> None:
        """Drive plain inputs from now on; this is for the time at which `tick` has returned."""
        for name, value in settings.items():
            width = len(self.ports.settings[name])
            getattr(self.dut, name).value = value & ((1 << width) - 1)

    def get(self, name: str) -> int:
        """The value of a plain output."""
        port = self.ports.status[name]
        word = int(getattr(self.dut, name).value)
        return int(to_signed(word, len(port))) if port.shape().signed else word

    def _streams(self) -> list[StreamSource | StreamSink]:
        return [*self.sources.values(), *self.sinks.values()]

    async def tick(self, clocks: int = 1) -> None:
        """Let clocks go by, in which all streams are served."""
        streams = self._streams()
        for _ in range(clocks):
            for stream in streams:
                stream.drive()
            for act in self.surroundings:
                act()
            await ReadOnly()
            for stream in streams:
                stream.sample(self.clock)
            await FallingEdge(self.dut.clk)
            self.clock += 1

    async def until(self, done: Callable[[], bool]) -> None:
        """Let clocks go by until `done()`. Raises `Timeout` where nothing moves for too long."""
        moved, since = -1, self.clock
        while not done():
            transfers = sum(len(stream.clocks) for stream in self._streams())
            if transfers != moved:
                moved, since = transfers, self.clock
            elif self.clock - since > self.patience:
                raise Timeout(f"nothing moved for {self.patience} clocks before {self.clock}")
            await self.tick()

    async def play(self, run: Run) -> Result:
        """Play a run, as `AmaranthBench` does. Raises `BenchError`."""
        started, origin = time.perf_counter(), self.clock
        unknown = {*run.settings} - {*self.ports.settings} | {*run.inputs} - {*self.sources}
        if unknown | ({*run.due} - {*self.sinks}):
            raise RangeError(f"the design has no port {sorted(unknown)}")
        self.set(**run.settings)
        for name, source in self.sources.items():
            source.clocks.clear()
            source.stall = run.stall_of(name)
            if name in run.inputs:
                source.send(run.inputs[name])
        for name, sink in self.sinks.items():
            sink.words, sink.clocks = [], []  # a word that is held stays so
            sink.stall = run.stall_of(name)
        limit, quiet = default_timeout(run), 0
        while quiet <= run.linger:
            if self.clock - origin > limit:
                counts = {name: len(sink.words) for name, sink in self.sinks.items()}
                raise Timeout(f"after {limit} clocks: output {counts}, due {dict(run.due)}")
            await self.tick()
            for name, sink in self.sinks.items():
                self._bound(sink, run.due.get(name, 0))
            done = all(len(self.sinks[name].words) >= n for name, n in run.due.items())
            done = done and all(source.done for source in self.sources.values())
            quiet = quiet + 1 if done else 0
        for source in self.sources.values():
            source.rest()
        streams: dict[str, Any] = {**self.sources, **self.sinks}
        return Result(
            outputs={name: sink.samples() for name, sink in self.sinks.items()},
            status={name: self.get(name) for name in self.ports.status},
            first={n: s.clocks[0] - origin for n, s in streams.items() if s.clocks},
            last={n: s.clocks[-1] - origin for n, s in streams.items() if s.clocks},
            clocks=self.clock - origin,
            seconds=time.perf_counter() - started,
        )

    def _bound(self, sink: StreamSink, due: int) -> None:
        """Keep no more than is due; more is an error, unless the stream goes on by itself."""
        if sink.name in self._endless:
            if self._start is not None and len(sink.words) == 1:
                offset, _ = fields_of(sink.payload)[self._start]
                if not sink.words[0] >> offset & 1:
                    del sink.words[:], sink.clocks[:]
            del sink.words[due:], sink.clocks[due:]
        elif len(sink.words) > due:
            raise ExtraOutput(f"stream {sink.name} gave more than the {due} samples due")

    async def check(self, case: Case) -> Result:
        """Play a case and compare. Raises `AssertionError` where design and model differ."""
        result = await self.play(case.run)
        compare(case, result)
        return result
