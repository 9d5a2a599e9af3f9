"""Verilog from Amaranth components."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil, verilog
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from shotveil.gateware.primitives.multiplier import Primitive


def emit(
    component: wiring.Component,
    name: str = "dut",
    primitive: Primitive = Primitive.INFERRED,
    processes: bool = True,
) -> str:
    """The Verilog of a component as a module called `name`, multipliers made of `primitive`.

    Source locations are left out, so that the text depends on the design alone. Without `processes`
    the same logic is written as assignments instead of `always @*`. Icarus never runs such a
    process if its inputs do not change, so its outputs would stay X; and where two of them read
    each other's vectors, bit by bit, they would wake each other for ever. Registers behind memories
    then begin at zero, as they do in an FPGA.
    """
    # Handshake lines that a signature fixes (always valid, always ready) are not ports.
    members = component.signature.flatten(component)
    ports = [
        value
        for value in (Value.cast(port) for _, _, port in members)
        if not isinstance(value, Const)
    ]
    with _pinned_hash_seed():
        if not processes:
            text = rtlil.convert(
                component, name=name, ports=ports, platform=primitive, emit_src=False
            )
            script = f"read_rtlil <<rtlil\n{text}\nrtlil\nproc\nmemory_collect\n"
            script += "write_verilog -noattr\n"
            written: str = find_yosys(lambda version: version >= (0, 40)).run(
                ["-q", "-"], script, ignore_warnings=True
            )
            return re.sub(r"(?m)^(  reg (?:\[\d+:0\] )?\S+) ?;$", r"\1 = 0;", written)
        return verilog.convert(
            component,
            name=name,
            ports=ports,
            platform=primitive,
            emit_src=False,
            strip_internal_attrs=True,
        )


@contextlib.contextmanager
def _pinned_hash_seed() -> Iterator[None]:
    """Give child processes (yosys) a fixed PYTHONHASHSEED, so that names and order repeat."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before
