"""A component as a shared library: compiled by Verilator, called for many clocks at a time.

Python is called once for a block of clocks, not once a clock, and there is no simulator in between:
a loop in C++ plays arrays into input ports and records output ports. While the loop runs, it does
not hold Python's global lock, so two designs can run in two threads.

`Library` compiles each distinct design once; its `Instance`s are independent of each other.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.sim.engines import verilator
from shotveil.sim.engines.clocked_processes import clocked
from shotveil.sim.engines.compilers import Compiler, compiler
from shotveil.sim.engines.run import (
    ExtraOutput,
    Fields,
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
from shotveil.sim.engines.verilog import emit
from shotveil.sim.engines.waiting import waiting

PRIMITIVES = Path(__file__).parent / "primitives"

Words = npt.NDArray[np.uint64]
# The code is as fast from one file at -O1 as from several at -O3, within 3 %, and compiled in two
# thirds of the time.
OPTIONS = ("--cc", "--exe", "--build", "-O3", "--x-assign", "fast", "--x-initial", "fast",
           "-Wall", "-Wno-fatal", "--top-module", "shell", "--prefix", "Vshell",
           "--output-split", "0", "-CFLAGS", "-O1")  # fmt: skip

# The fields through which C++ and Python exchange the state of a stream.
STREAM = (
    ("words", "uint64_t*", ctypes.c_void_p),
    ("count", "uint64_t", ctypes.c_uint64),  # of words, or of words that there is room for
    ("at", "uint64_t", ctypes.c_uint64),  # words transferred
    ("first", "uint64_t", ctypes.c_uint64),  # clock of the first of them since `begin`
    ("last", "uint64_t", ctypes.c_uint64),
    ("total", "uint64_t", ctypes.c_uint64),  # words transferred since `begin`
    ("random", "uint32_t", ctypes.c_uint32),
    ("stall", "uint32_t", ctypes.c_uint32),  # in 2^−16: probability of a pause in a clock
    ("offering", "uint64_t", ctypes.c_uint64),
)


class _Stream(ctypes.Structure):
    _fields_ = tuple((name, kind) for name, _, kind in STREAM)


class PortTables:
    """The ports of a component, as an `Instance` of whatever plays it looks them up."""

    def __init__(self, component: wiring.Component):
        self.ports = ports = Ports.of(component)
        self.streams = (*ports.inputs, *ports.outputs)
        self.plain = (*ports.settings, *ports.status)
        self.fields = {
            **{name: fields_of(port.p) for name, port in {**ports.inputs, **ports.outputs}.items()},
            **{name: fields_of(line) for name, line in {**ports.settings, **ports.status}.items()},
        }

    def instance(self) -> Instance:
        """A new instance, in the state after a reset."""
        raise NotImplementedError


class Library(PortTables):
    """The compiled design of a component; `name` only labels the file in `build/`.

    `path` is the compiled file. If it is given, the file is used as it is, which saves the seconds
    that it takes to write a large design as Verilog.
    """

    def __init__(
        self,
        component: wiring.Component,
        name: str,
        primitive: Primitive = Primitive.INFERRED,
        path: Path | None = None,
    ):
        super().__init__(component)
        if path is None:
            verilator.builds()  # refuses a folder before the seconds that writing Verilog takes
        self.path = path or _compile(name, _sources(component, self.ports, primitive))
        self._calls = ctypes.CDLL(str(self.path))
        self._calls.create.restype = ctypes.c_void_p
        self._calls.destroy.argtypes = (ctypes.c_void_p,)
        self._calls.step.argtypes = (
            ctypes.c_void_p,
            ctypes.c_uint64,
            ctypes.POINTER(_Stream),
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_uint64),
        )

    def instance(self) -> Instance:
        """A new instance, in the state after a reset."""
        return Instance(self, self._calls)


@dataclass
class _Queue:
    """Words that wait for a stream to take them."""

    words: Words = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def put(self, words: Words) -> None:
        self.words = np.concatenate([self.words, words]) if len(self.words) else words

    def drop(self, count: int) -> None:
        self.words = self.words[count:]


class Instance:
    """One instance of a design. Two threads may use two instances, but not the same one at once."""

    def __init__(self, library: PortTables, calls: Any):
        self._library = library
        self._calls = calls
        self._handle = calls.create()
        self._ports = library.ports
        self._streams = (_Stream * max(len(library.streams), 1))()
        self._place = {name: k for k, name in enumerate(library.streams)}
        self._lines = (ctypes.c_void_p * max(len(library.plain), 1))()
        self._values = (ctypes.c_uint64 * max(len(library.plain), 1))()
        self._line = {name: k for k, name in enumerate(library.plain)}
        self._queues = {name: _Queue() for name in library.ports.inputs}
        self._fixed = {
            name
            for name, port in ({**library.ports.inputs, **library.ports.outputs}).items()
            if isinstance(port.valid, Const)
        }
        self._elapsed = 0
        self._origin = 0
        self.begin()

    @property
    def fields(self) -> Mapping[str, Fields]:
        """The fields of each port."""
        return self._library.fields

    @property
    def clock(self) -> int:
        """The number of clocks since `begin`."""
        return self._elapsed - self._origin

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._calls.destroy(self._handle)

    def set(self, **values: int) -> None:
        """Set plain input ports, which hold the values until set again. Raises `RangeError`."""
        for name, value in values.items():
            if name not in self._ports.settings:
                raise KeyError(f"{name} is no plain input port")
            shape = self._ports.settings[name].shape()
            low = -(1 << (shape.width - 1)) if shape.signed else 0
            high = (1 << (shape.width - shape.signed)) - 1
            require(name, value, at_least=low, at_most=high, integer=True)
            self._values[self._line[name]] = int(value) & ((1 << shape.width) - 1)

    def get(self, name: str) -> int:
        """The value of a plain output port before the last clock of the last step."""
        shape = self._ports.status[name].shape()
        word = int(self._values[self._line[name]])
        return int(to_signed(np.uint64(word), shape.width)) if shape.signed else word

    def begin(self, stall: float | Mapping[str, float] = 0.0, seed: int = 1) -> None:
        """Count clocks and transfers from here, and let streams pause at random from now on."""
        self._origin = self._elapsed
        for number, (name, stream) in enumerate(zip(self._place, self._streams, strict=False)):
            given = stall.get(name, 0.0) if isinstance(stall, Mapping) else stall
            require("stall", given, at_least=0, at_most=0.99)
            stream.total = 0
            stream.stall = round(given * 65536)
            stream.random = ((seed ^ (0x9E3779B9 * (number + 1))) & 0xFFFFFFFF) | 1

    def pending(self, name: str) -> int:
        """How many samples of an input stream have not been taken yet."""
        return len(self._queues[name].words)

    def passed(self, name: str) -> tuple[int, int, int]:
        """How many samples a stream transferred since `begin`, and the first and last clock."""
        stream = self._streams[self._place[name]]
        first, last = int(stream.first), int(stream.last)
        return int(stream.total), first - self._origin, last - self._origin

    def step(
        self,
        clocks: int,
        inputs: Mapping[str, Samples] | None = None,
        outputs: Collection[str] | Mapping[str, int] = (),
    ) -> dict[str, Any]:
        """Run some clocks and return what the ports named in `outputs` gave.

        In `inputs`, samples of a stream wait until it takes them, in this step or a later one;
        samples of a plain port or of a stream that is always valid are played one a clock, exactly
        `clocks` of them. In `outputs`, a stream is ready to give at most the number named there
        (without one, all it can), a plain port gives its value at every clock. Streams that are
        not named are not ready. Raises `RangeError` for samples that do not fit.
        """
        fields = self._library.fields
        given = {name: pack(fields[name], samples) for name, samples in (inputs or {}).items()
                 if name in fields}  # fmt: skip
        unknown = {*(inputs or {})} - {*given}
        if unknown:
            raise KeyError(f"the design has no port {sorted(unknown)}")
        got = self.step_words(clocks, given, outputs)
        return {name: unpack(fields[name], words) for name, words in got.items()}

    def step_words(
        self,
        clocks: int,
        inputs: Mapping[str, Words],
        outputs: Collection[str] | Mapping[str, int] = (),
    ) -> dict[str, Words]:
        """Do what `step` does, with samples as words, which are the bits at the port."""
        require("clocks", clocks, at_least=0, integer=True)
        ports, kept = self._ports, []
        room = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs, clocks)
        unknown = {*inputs} - {*ports.inputs, *ports.settings}
        unknown |= {*room} - {*ports.outputs, *ports.status}
        if unknown:
            raise KeyError(f"the design has no port {sorted(unknown)}")
        played: dict[str, Words] = {}
        for name, words in inputs.items():
            if name in ports.inputs and name not in self._fixed:
                self._queues[name].put(words)
                continue
            if len(words) != clocks:
                raise RangeError(f"samples of {name} = {len(words)}; allowed: {clocks}, the clocks")
            played[name] = words
        for k in range(len(self._lines)):
            self._lines[k] = None
        for name in ports.inputs:
            stream = self._streams[self._place[name]]
            words = played[name] if name in played else self._queues[name].words
            words = np.ascontiguousarray(words)
            kept.append(words)
            stream.words, stream.count, stream.at = words.ctypes.data, len(words), 0
        for name in played:
            if name in self._line:
                self._lines[self._line[name]] = played[name].ctypes.data
        taken: dict[str, Words] = {}
        for name in ports.outputs:
            stream = self._streams[self._place[name]]
            size = min(int(room.get(name, 0)), clocks)
            taken[name] = words = np.empty(size, dtype=np.uint64)
            stream.words, stream.count, stream.at = words.ctypes.data, size, 0
        recorded = {name: np.empty(clocks, dtype=np.uint64) for name in room if name in self._line}
        for name, words in recorded.items():
            self._lines[self._line[name]] = words.ctypes.data
        self._calls.step(self._handle, clocks, self._streams, self._lines, self._values)
        self._elapsed += clocks
        for name, queue in self._queues.items():
            if name not in self._fixed:
                queue.drop(int(self._streams[self._place[name]].at))
        for name in taken.keys() & room.keys():
            recorded[name] = taken[name][: int(self._streams[self._place[name]].at)]
        return recorded


class LibraryBench:
    """Plays the runs of `sim.engines.run` on a shared library, as the other benches do.

    The library is one of Verilator's, made of `dut`, unless another is given.
    """

    BLOCK = 512

    def __init__(
        self,
        dut: wiring.Component,
        name: str,
        endless: Collection[str] = (),
        start: str | None = None,
        primitive: Primitive = Primitive.INFERRED,
        library: PortTables | None = None,
    ):
        self._library = library or Library(dut, name, primitive)
        self._endless = frozenset(endless)
        self._start = start

    def run(self, *runs: Run) -> list[Result]:
        """Play runs one after the other, from one reset. Raises `BenchError`."""
        instance = self._library.instance()
        return [self._play(instance, run) for run in runs]

    def _play(self, instance: Instance, run: Run) -> Result:
        started = time.perf_counter()
        ports = self._library.ports
        instance.set(**run.settings)
        instance.begin(run.stall, run.seed)
        limit = default_timeout(run)
        parts: dict[str, list[Any]] = {name: [] for name in ports.outputs}
        counts = dict.fromkeys(ports.outputs, 0)
        waiting = set(self._endless) if self._start else set()
        fixed = {name for name in run.inputs if isinstance(ports.inputs[name].valid, Const)}
        left = {name: run.inputs[name] for name in run.inputs}
        begun: dict[str, int] = {}
        quiet = False
        while True:
            size = self.BLOCK
            now: dict[str, Samples] = {}
            for name in list(left):
                if name not in fixed:
                    now[name] = left.pop(name)
                    continue
                now[name] = _cut(left[name], slice(None, size))
                left[name] = _cut(left[name], slice(size, None))
                if not _length(left[name]):
                    del left[name]
                size = min(size, _length(now[name]))
            if quiet:
                size = max(run.linger, 1)
            got = instance.step(size, now, [*ports.outputs])
            for name, samples in got.items():
                if name in waiting:
                    (marks,) = np.nonzero(samples[self._start])
                    if not len(marks):
                        continue
                    waiting.discard(name)
                    begun[name] = instance.clock - size + int(marks[0])
                    samples = _cut(samples, slice(int(marks[0]), None))
                parts[name].append(samples)
                counts[name] += _length(samples)
            for name in {*ports.outputs} - self._endless:
                if counts[name] > run.due.get(name, 0):
                    raise ExtraOutput(f"stream {name} gave more than the samples that were due")
            done = all(counts[name] >= n for name, n in run.due.items()) and not left
            done = done and not any(instance.pending(n) for n in run.inputs if n not in fixed)
            if quiet and done:
                break
            quiet = done
            if instance.clock > limit + self.BLOCK:
                raise Timeout(
                    f"after {instance.clock} clocks: output {counts}, due {dict(run.due)}"
                )
        outputs = {}
        for name, port in ports.outputs.items():
            whole = _join(parts[name], unpack(port.p, np.zeros(0, dtype=np.uint64)))
            due = run.due.get(name, 0)
            outputs[name] = _cut(whole, slice(None, due)) if name in self._endless else whole
        passed = {name: instance.passed(name) for name in self._library.streams}
        for name in self._endless:
            # These outputs give one sample a clock: find the first that counts, and the last.
            at = begun.get(name, 0)
            passed[name] = (
                min(counts[name], run.due.get(name, 0)),
                at,
                at + run.due.get(name, 0) - 1,
            )
        return Result(
            outputs=outputs,
            status={name: instance.get(name) for name in ports.status},
            first={name: first for name, (count, first, _) in passed.items() if count},
            last={name: last for name, (count, _, last) in passed.items() if count},
            clocks=instance.clock,
            seconds=time.perf_counter() - started,
        )


def _length(samples: Any) -> int:
    return len(next(iter(samples.values()))) if isinstance(samples, Mapping) else len(samples)


def _cut(samples: Any, part: slice) -> Any:
    if isinstance(samples, Mapping):
        return {name: values[part] for name, values in samples.items()}
    return samples[part]


def _join(parts: list[Any], empty: Any) -> Any:
    if isinstance(empty, Mapping):
        return {name: _join([part[name] for part in parts], empty[name]) for name in empty}
    joined: IntArray = np.concatenate([empty, *parts])
    return joined


def _sources(component: wiring.Component, ports: Ports, primitive: Primitive) -> dict[str, str]:
    """What a design is compiled from: its text, that around it, and the cells that it has."""
    design = emit(component, "dut", primitive)
    return {
        "generated_dut.v": clocked(design),
        "shell.v": shell(ports),
        "wrapper.cpp": wrapper(ports),
        **{
            cell.name: cell.read_text()
            for cell in sorted(PRIMITIVES.glob("*.v"))
            if re.search(rf"\b{cell.stem}\b", design)
        },
    }


def _compile(name: str, sources: Mapping[str, str]) -> Path:
    """The shared library of a design, from the cache where it is known."""
    command, _ = verilator.executable()
    control, by = verilator.waivers(), compiler()
    versions = f"{command} {verilator.version(str(command))} {by.version}"
    parts = (*OPTIONS, versions, control, *sources.keys(), *sources.values())
    path = verilator.builds() / f"library-{name}-{verilator.digest(*parts)}.so"
    with waiting(f"Verilator to build {name}"), verilator.alone(path):
        if not path.exists():
            texts = {"waivers.vlt": control, **sources}
            _build(path, texts, versions, by)
    return path


def _build(path: Path, texts: Mapping[str, str], versions: str, by: Compiler) -> None:
    command, extra = verilator.executable()
    # The file is moved into place when it is complete.
    with tempfile.TemporaryDirectory(dir=verilator.builds()) as built:
        folder = Path(built)
        for file, text in texts.items():
            (folder / file).write_text(text)
        objects = folder / "objects"
        objects.mkdir()
        runtime = verilator.builds() / f"runtime-shared-{verilator.digest(versions)}"
        old = verilator.fetch_runtime(runtime, objects)
        make = [option for file in old for option in ("-MAKEFLAGS", f"-o {file}")]
        done = subprocess.run(
            [str(command), *OPTIONS, *make, "-CFLAGS", "-fPIC -fvisibility=hidden",
             "-LDFLAGS", "-shared", *by.options, "-Mdir", "objects", "-o", "dut.so",
             *(str(folder / file) for file in texts)],
            cwd=folder, env={**os.environ, **extra},
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        log = done.stdout + done.stderr
        if done.returncode:
            raise RangeError(
                f"verilator failed in {folder}: {verilator.cause(log)}; "
                "`shotveil doctor` looks at what it needs"
            )
        verilator.refuse_warnings(log)
        verilator.keep_runtime(runtime, objects)
        shutil.move(objects / "dut.so", path)


def lines(ports: Ports) -> dict[str, tuple[Value, bool]]:
    """The Verilog ports of a component: name → its signal, and whether it is an input."""
    found: dict[str, tuple[Value, bool]] = {}
    for side, incoming in ((ports.inputs, True), (ports.outputs, False)):
        for name, port in side.items():
            found[f"{name}__payload"] = (Value.cast(port.p), incoming)
            if not isinstance(port.valid, Const):
                found[f"{name}__valid"] = (port.valid, incoming)
            if not isinstance(port.ready, Const):
                found[f"{name}__ready"] = (port.ready, not incoming)
    found |= {name: (value, True) for name, value in ports.settings.items()}
    found |= {name: (value, False) for name, value in ports.status.items()}
    return found


def shell(ports: Ports) -> str:
    """A Verilog module around the design that numbers its ports, and never resets it.

    The ports are numbered since Verilator renames those whose names have a meaning in C++, such as
    `reference` and `a__b`. If the reset were a port, all logic that depends on it would be computed
    again whenever any port changes, which takes a third of the time. Registers start with their
    reset values, as on an FPGA.
    """
    known = lines(ports)
    declare = [
        f"{'input' if incoming else 'output'} wire [{len(line) - 1}:0] p{k}"
        for k, (line, incoming) in enumerate(known.values())
    ]
    connect = [".clk(clk)", ".rst(1'b0)", *(f".{name}(p{k})" for k, name in enumerate(known))]
    break_ = ",\n  "
    return (
        f"module shell(\n  {break_.join(['input wire clk', *declare])}\n);\n"
        f"  dut dut(\n  {break_.join(connect)}\n  );\nendmodule\n"
    )


def wrapper(ports: Ports) -> str:
    """C++ code around the compiled shell; each call plays and records one block of clocks."""
    number_of = {name: k for k, name in enumerate(lines(ports))}

    def member(name: str) -> str:
        return f"top.p{number_of[name]}"

    before: list[str] = []
    after: list[str] = []
    for number, (name, port) in enumerate({**ports.inputs, **ports.outputs}.items()):
        incoming = name in ports.inputs
        valid, ready = (
            "1" if isinstance(line, Const) else member(f"{name}__{kind}")
            for line, kind in ((port.valid, "valid"), (port.ready, "ready"))
        )
        payload = member(f"{name}__payload")
        stream = f"streams[{number}]"
        if incoming and valid == "1":
            # Without samples the port keeps its value.
            before.append(f"if ({stream}.at < {stream}.count) {payload} = "
                          f"{stream}.words[{stream}.at];")  # fmt: skip
            after.append(f"if ({stream}.at < {stream}.count) pass({stream}, clock);")
        elif incoming:
            before.append(f"if (offer({stream})) {payload} = {stream}.words[{stream}.at];")
            before.append(f"{valid} = {stream}.offering;")
            after.append(f"if ({stream}.offering && {ready}) "
                         f"{{ pass({stream}, clock); {stream}.offering = 0; }}")  # fmt: skip
        else:
            # A stream that is always ready does not pause.
            accept = f"{stream}.at < {stream}.count" if ready == "1" else f"accept({stream})"
            before.append(f"const bool go_{number} = {accept};")
            if ready != "1":
                before.append(f"{ready} = go_{number};")
            after.append(f"if (go_{number} && {valid}) {{ {stream}.words[{stream}.at] = {payload}; "
                         f"pass({stream}, clock); }}")  # fmt: skip
    finish: list[str] = []
    for number, name in enumerate((*ports.settings, *ports.status)):
        line = f"lines[{number}]"
        if name in ports.settings:
            finish.append(f"{member(name)} = values[{number}];")
            before.append(f"if ({line}) {member(name)} = {line}[k];")
        else:
            after.append(f"if ({line}) {line}[k] = {member(name)};")
    statuses = [
        f"values[{number}] = {member(name)};"
        for number, name in enumerate((*ports.settings, *ports.status))
        if name in ports.status
    ]
    fields = " ".join(f"{kind} {name};" for name, kind, _ in STREAM)
    newline = "\n      "
    return f"""#include <cstdint>
#include "Vshell.h"

namespace {{

struct Stream {{ {fields} }};

struct Node {{
  VerilatedContext context;
  Vshell top{{&context}};
  uint64_t clock = 0;
}};

bool go(Stream& s) {{
  if (!s.stall) return true;
  s.random ^= s.random << 13;
  s.random ^= s.random >> 17;
  s.random ^= s.random << 5;
  return (s.random >> 16) >= s.stall;
}}

// A word that is offered stays until it is taken.
bool offer(Stream& s) {{
  if (!s.offering && s.at < s.count) s.offering = go(s);
  return s.offering;
}}

bool accept(Stream& s) {{ return s.at < s.count && go(s); }}

void pass(Stream& s, uint64_t clock) {{
  if (!s.total++) s.first = clock;
  s.last = clock;
  s.at++;
}}

}}

extern "C" {{

__attribute__((visibility("default"))) void* create() {{
  Node* node = new Node;
  node->top.clk = 0;
  node->top.eval();
  return node;
}}

__attribute__((visibility("default"))) void destroy(void* handle) {{
  delete static_cast<Node*>(handle);
}}

__attribute__((visibility("default"))) void step(
    void* handle, uint64_t clocks, Stream* streams, uint64_t** lines, uint64_t* values) {{
  Node& node = *static_cast<Node*>(handle);
  Vshell& top = node.top;
  {newline.join(finish)}
  for (uint64_t k = 0; k < clocks; k++) {{
      const uint64_t clock = node.clock + k;
      {newline.join(before)}
      top.clk = 0;
      top.eval();
      {newline.join(after)}
      if (k == clocks - 1) {{
      {newline.join(statuses)}
      }}
      top.clk = 1;
      top.eval();
  }}
  node.clock += clocks;
}}

}}
"""
