"""Verilog from Amaranth components."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from amaranth.back import verilog
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from shotveil.gateware.primitives.multiplier import Primitive


def emit(
    component: wiring.Component, name: str = "dut", primitive: Primitive = Primitive.INFERRED
) -> str:
    """The Verilog of a component as a module called `name`, multipliers made of `primitive`.

    Source locations are left out, so that the text depends on the design alone.
    """
    # Handshake lines that a signature fixes (always valid, always ready) are not ports.
    members = component.signature.flatten(component)
    ports = [
        value
        for value in (Value.cast(port) for _, _, port in members)
        if not isinstance(value, Const)
    ]
    with _pinned_hash_seed():
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
