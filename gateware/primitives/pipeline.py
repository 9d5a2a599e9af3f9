"""The handshake of a block that is a plain pipeline."""

from __future__ import annotations

import contextlib
from typing import Any

from amaranth.hdl import Module, Signal, Value, ValueLike


def flow(m: Module, i: Any, o: Any, latency: int) -> Value:
    """Connect the handshakes of streams `i` and `o` through a pipeline of `latency` clocks.

    Returns the enable of the pipeline's registers. It is high unless backpressure makes a sample
    wait at the output. Only the valid bits have a reset; data need none.
    """
    if latency < 1:
        raise ValueError(f"latency = {latency} is outside [1, ∞): a pipeline has a register")
    valid = Signal(latency)
    enable = Signal()
    m.d.comb += [enable.eq(o.ready | ~valid[-1]), i.ready.eq(enable), o.valid.eq(valid[-1])]
    with m.If(enable):
        m.d.sync += valid.eq((valid << 1) | i.valid)
    return enable


def delay(m: Module, value: ValueLike, clocks: int, enable: ValueLike | None = None) -> Value:
    """`value` delayed by `clocks` clocks, in registers without reset.

    If `enable` is given, only clocks in which it is high count.
    """
    taken = Value.cast(value)
    for _ in range(clocks):
        register = Signal(taken.shape(), reset_less=True)
        with contextlib.nullcontext() if enable is None else m.If(enable):
            m.d.sync += register.eq(taken)
        taken = register
    return taken
