"""Rewrite emitted Verilog so that it simulates faster: one clocked process for each register.

Amaranth's Verilog has two processes for a register: one computes its next value in every clock, and
the other stores it. Verilator turns the first into expressions, all of which are computed whether
the register changes or not, with a mask for each reset. In the rewritten text each register has one
process, and all registers of a module that share a reset are behind one condition, so that most of
the work is skipped in most clocks. Every register holds the same value in every clock as before.
Synthesis, benches and proofs use the text as emitted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = r"(?:\\\S+ |[A-Za-z_]\w*)"
# A process that yosys wrote may begin with this, so that simulators do not skip it at the start.
DUMMY = "if (\\$auto$verilog_backend"


@dataclass(frozen=True)
class _Register:
    """`body` sets `name`; `reset` is the signal that sets it to `initial` instead, if any."""

    name: str
    body: list[str]
    reset: str | None
    initial: str


def clocked(verilog: str, never: str = "rst") -> str:
    """The same modules with merged processes; `never` is a reset that is never high."""
    parts = re.split(r"(?m)^(?=module )", verilog)
    return "".join(_module(p, never) if p.startswith("module ") else p for p in parts)


def _module(text: str, never: str) -> str:
    lines = text.split("\n")
    logic: dict[str, tuple[range, list[str]]] = {}  # the process that sets a signal, by its name
    registers: list[tuple[range, str, str]] = []  # name and next value
    at = 0
    while at < len(lines):
        stop = at + 1
        if lines[at] == "  always @* begin":
            stop = lines.index("  end", at) + 1
            body = lines[at + 1 : stop - 1]
            targets = {target for line in body if (target := _target(line))}
            if len(targets) == 1:
                logic[targets.pop()] = range(at, stop), body
        elif lines[at] == "  always @(posedge clk)":
            stop = at + 2
            taken = re.fullmatch(rf"    ({NAME})\s*<= ({NAME})\s*;", lines[at + 1])
            if taken:
                registers.append((range(at, stop), taken[1].strip(), taken[2].strip()))
        at = stop
    uses: dict[str, int] = {}
    for name in re.findall(NAME, text):
        uses[name.strip()] = uses.get(name.strip(), 0) + 1
    gone: set[int] = set()
    groups: dict[str | None, list[_Register]] = {}
    for where, name, following in registers:
        if following not in logic:
            continue
        place, body = logic[following]
        sets = sum(_target(line) == following for line in body)
        # The signal occurs only where it is declared, set here, and stored in the register.
        if uses[following] != sets + 2:
            continue
        register = _register(name, following, body, never)
        groups.setdefault(register.reset, []).append(register)
        gone.update(where, place)
    kept = [line for number, line in enumerate(lines) if number not in gone]
    end = max(number for number, line in enumerate(kept) if line.startswith("endmodule"))
    return "\n".join([*kept[:end], *_processes(groups), *kept[end:]])


def _target(line: str) -> str | None:
    """The signal that a line of a process sets."""
    found = re.match(rf"\s*({NAME})\s*(?:\[[^\]]*\])?\s*= ", line)
    return found[1].strip() if found else None


def _register(name: str, following: str, body: list[str], never: str) -> _Register:
    body = [line for line in body if DUMMY not in line]
    reset, initial = None, ""
    # A reset is the last statement, so it has priority over all others.
    while len(body) >= 3 and body[-1] == "    end":
        condition = re.fullmatch(rf"    if \(({NAME})\) begin", body[-3])
        value = re.fullmatch(rf"      {re.escape(following)}\s*= (\d+'\w+);", body[-2])
        if not condition or not value:
            break
        if condition[1].strip() != never:
            if reset is not None:
                break
            reset, initial = condition[1].strip(), value[1]
        body = body[:-3]
    clocked = []
    for line in body:
        found = re.fullmatch(rf"(\s*){re.escape(following)}\s*((?:\[[^\]]*\])?)\s*= (.*);", line)
        if not found:
            clocked.append(line)
        elif found[2] or found[3].strip() != name or clocked:
            clocked.append(f"{found[1]}{name} {found[2]} <= {found[3]};")
    return _Register(name, clocked, reset, initial)


def _processes(groups: dict[str | None, list[_Register]]) -> list[str]:
    lines = []
    for reset, registers in groups.items():
        bodies = [line for register in registers for line in register.body]
        lines.append("  always @(posedge clk) begin")
        if reset is None:
            lines += bodies
        else:
            lines.append(f"    if ({reset} ) begin")
            lines += [f"      {r.name} <= {r.initial};" for r in registers]
            lines += ["    end else begin", *bodies, "    end"]
        lines.append("  end")
    return lines
