"""Runs in Amaranth's own simulator, without a compiler: some thousand clocks a second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from shotveil.sim.engines.run import (
    ExtraOutput,
    Ports,
    Result,
    Run,
    Timeout,
    default_timeout,
    pack,
    unpack,
)


class AmaranthBench:
    """Plays runs on a component in Amaranth's simulator.

    `endless` names output streams that go on by themselves. More output than is due is then not an
    error, and collecting starts at the first sample whose field `start` is high, if one is named.
    """

    def __init__(
        self, dut: wiring.Component, endless: Collection[str] = (), start: str | None = None
    ):
        self._dut = dut
        self._ports = Ports.of(dut)
        self._endless = frozenset(endless)
        self._start = start

    def run(self, *runs: Run, waveform: Path | None = None) -> list[Result]:
        """Play runs one after the other, from one reset. Raises `BenchError`.

        `waveform` names a VCD file to write.
        """
        # A register beside the design makes sure that there is a clock even if the design has none.
        top = Module()
        top.submodules.dut = self._dut
        alive = Signal()
        top.d.sync += alive.eq(1)
        simulator = Simulator(top)
        simulator.add_clock(8e-9)  # 125 MHz
        results: list[Result] = []

        async def bench(ctx: Any) -> None:
            for run in runs:
                results.append(await self._play(ctx, run))

        simulator.add_testbench(bench)
        with simulator.write_vcd(str(waveform)) if waveform else contextlib.nullcontext():
            simulator.run()
        return results

    async def _play(self, ctx: Any, run: Run) -> Result:
        started = time.perf_counter()
        rng = np.random.default_rng(run.seed)
        ports = self._ports
        for name, value in run.settings.items():
            ctx.set(ports.settings[name], value)
        words = {n: [int(w) for w in pack(ports.inputs[n].p, s)] for n, s in run.inputs.items()}
        position = dict.fromkeys(words, 0)
        offering = dict.fromkeys(words, False)
        taken: dict[str, list[int]] = {name: [] for name in ports.outputs}
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        limit = default_timeout(run)
        quiet = 0
        clock = 0
        while quiet <= run.linger:
            if clock > limit:
                counts = {name: len(samples) for name, samples in taken.items()}
                raise Timeout(f"after {clock} clocks: output {counts}, due {dict(run.due)}")
            for name, port in ports.inputs.items():
                if name not in words:
                    _set(ctx, port.valid, 0)
                    continue
                if not offering[name] and position[name] < len(words[name]):
                    offering[name] = rng.random() >= run.stall_of(name)
                _set(ctx, port.valid, offering[name])
                if offering[name]:
                    ctx.set(Value.cast(port.p), words[name][position[name]])
            for name, port in ports.outputs.items():
                _set(ctx, port.ready, rng.random() >= run.stall_of(name))
            for name in words:
                if offering[name] and ctx.get(ports.inputs[name].ready):
                    first.setdefault(name, clock)
                    last[name] = clock
                    position[name] += 1
                    offering[name] = False
            for name, port in ports.outputs.items():
                if ctx.get(port.valid) and ctx.get(port.ready):
                    self._collect(ctx, run, name, port, taken[name], first, last, clock)
            done = all(len(taken[name]) >= n for name, n in run.due.items())
            done = done and all(position[name] == len(words[name]) for name in words)
            quiet = quiet + 1 if done else 0
            await ctx.tick()
            clock += 1
        for port in ports.inputs.values():
            _set(ctx, port.valid, 0)
        return Result(
            outputs={
                name: unpack(ports.outputs[name].p, np.array(samples, dtype=np.uint64))
                for name, samples in taken.items()
            },
            status={name: int(ctx.get(value)) for name, value in ports.status.items()},
            first=first,
            last=last,
            clocks=clock,
            seconds=time.perf_counter() - started,
        )

    def _collect(
        self,
        ctx: Any,
        run: Run,
        name: str,
        port: Any,
        taken: list[int],
        first: dict[str, int],
        last: dict[str, int],
        clock: int,
    ) -> None:
        due = run.due.get(name, 0)
        if name in self._endless:
            waiting = self._start is not None and not taken
            if len(taken) == due or (waiting and not ctx.get(Value.cast(port.p[self._start]))):
                return
        elif len(taken) == due:
            raise ExtraOutput(f"stream {name} gave more than the {due} samples that were due")
        first.setdefault(name, clock)
        last[name] = clock
        word = Value.cast(port.p)
        taken.append(ctx.get(word) & ((1 << len(word)) - 1))


def _set(ctx: Any, target: Any, value: int) -> None:
    """Drive a handshake line, unless the stream's signature fixes it."""
    if not isinstance(target, Const):
        ctx.set(target, int(value))
