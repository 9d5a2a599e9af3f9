"""Move registers behind ECP5 block RAM into the block RAM's own output registers.

yosys leaves such registers in the fabric. A block RAM takes 4 ns to answer, which leaves little of
a clock for the wire to the register; with its own output register it answers in 0.7 ns. A register
is moved only if the result is the same whatever the clock enables do: it has no reset, it starts
from zero, and it is enabled in exactly the clocks in which the memory is read.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

WIDE = 36  # bits of a memory that needs the outputs of both ports for one word
ALWAYS = ["1"]
NEVER = ["0"]

Cell = dict[str, Any]


def absorb(netlist: dict[str, Any]) -> int:
    """Change a netlist of yosys in place; return the number of registers that were moved."""
    return sum(_absorb(module) for module in netlist["modules"].values())


def _absorb(module: dict[str, Any]) -> int:
    cells: dict[str, Cell] = module["cells"]
    users: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                for bit in bits:
                    users[bit].append((name, port))
    for port in module["ports"].values():
        if port["direction"] != "input":
            for bit in port["bits"]:
                users[bit].append(("", ""))
    taken = 0
    for memory in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        wide = any(
            int(str(memory["parameters"][f"DATA_WIDTH_{port}"]), _base(memory, port)) == WIDE
            for port in "AB"
        )
        # Port B reads a wide word; port A, which writes, must not delay its half of the word.
        if wide and memory["connections"]["CEA"] != ALWAYS:
            continue
        for ports in ("AB",) if wide else ("A", "B"):
            enable = memory["connections"][f"CE{ports[-1]}"]
            found = _registers(cells, users, memory, ports, enable)
            for output, register in found.items():
                memory["connections"][output] = cells.pop(register)["connections"]["Q"]
            for port in ports if found else ():
                memory["parameters"][f"REGMODE_{port}"] = "OUTREG"
                memory["connections"][f"OCE{port}"] = enable
            taken += len(found)
    return taken


def _base(memory: Cell, port: str) -> int:
    """The base in which this memory's numbers are written as text: 2 or 10."""
    return 2 if len(str(memory["parameters"][f"DATA_WIDTH_{port}"])) > 2 else 10


def _registers(
    cells: dict[str, Cell],
    users: dict[Any, list[tuple[str, str]]],
    memory: Cell,
    ports: str,
    enable: list[Any],
) -> dict[str, str]:
    """The register of each output, if these ports drive only registers that can be moved."""
    found: dict[str, str] = {}
    for output, bits in memory["connections"].items():
        if output[:2] != "DO" or output[2] not in ports or not bits or not users[bits[0]]:
            continue
        ((name, pin), *more) = users[bits[0]]
        if more or pin != "DI" or cells[name]["type"] != "TRELLIS_FF":
            return {}
        register = cells[name]
        wires, parameters = register["connections"], register["parameters"]
        if (
            wires.get("LSR", NEVER) != NEVER
            or wires.get("CE", ALWAYS) != enable
            or wires["CLK"] != memory["connections"][f"CLK{output[2]}"]
            or parameters.get("REGSET", "RESET") != "RESET"
            or parameters.get("CLKMUX", "CLK") != "CLK"
            or parameters.get("CEMUX", "CE").strip() not in ("CE", "1")
        ):
            return {}
        found[output] = name
    return found
