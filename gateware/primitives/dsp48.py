"""The DSP block of Zynq-7000 and of all Xilinx 7-series: a product, and a sum behind it.

Source: UG479, "7 Series DSP48E1 Slice". The block's adder takes the product and one more number:
none, the sum that it holds already, or the sum of the block below it in the column. A chain of
blocks thus adds and accumulates without lookup tables.
"""

from __future__ import annotations

import enum

from amaranth.hdl import C, Cat, ClockSignal, Instance, Signal, Value, ValueLike

SUM_WIDTH = 48
USED = ("A1", "A2", "B1", "B2", "M", "P", "CTRL")  # the registers that hold something here
UNUSED = ("AD", "ALUMODE", "C", "CARRYIN", "D", "INMODE")
RESETS = ("A", "ALLCARRYIN", "ALUMODE", "B", "C", "CTRL", "D", "INMODE", "M", "P")


class Addend(enum.IntEnum):
    """What is added to a product: the block's multiplexer Z, OPMODE[6:4]."""

    NOTHING = 0b000
    BELOW = 0b001  # the sum of the block below
    SUM = 0b010  # the sum that the block holds


def dsp48e1(
    a: Value,
    b: Value,
    enable: ValueLike,
    total: Signal,
    *,
    addend: Value | Addend = Addend.NOTHING,
    below: Value | None = None,
    above: Signal | None = None,
    input_registers: int = 1,
) -> Instance:
    """One block: `total` = a·b + `addend`, `input_registers` + 2 clocks after a and b.

    * `a`, `b`: signed, at most 25 and 18 bits. `total`: `SUM_WIDTH` bits; a sum wraps there.
    * `addend`: one of `Addend`, 3 bits, two clocks before the sum that it makes.
    * `above` leads to the block above, whose `below` it is; it is `total` on a way of its own.
    * `input_registers`: 1 or 2.
    * `enable`: low freezes all registers. There is no reset; sums begin at 0.
    """
    if isinstance(addend, Addend):
        addend = C(addend, 3)
    cascade: dict[str, object] = {} if above is None else {"o_PCOUT": above}
    return Instance(
        "DSP48E1",
        p_AREG=input_registers,
        p_ACASCREG=1,
        p_BREG=input_registers,
        p_BCASCREG=1,
        p_MREG=1,
        p_PREG=1,
        p_ADREG=0,
        p_ALUMODEREG=0,
        p_CARRYINREG=0,
        p_CARRYINSELREG=0,
        p_CREG=0,
        p_DREG=0,
        p_INMODEREG=0,
        p_OPMODEREG=1,
        p_USE_DPORT="FALSE",
        p_USE_MULT="MULTIPLY",
        p_USE_SIMD="ONE48",
        i_CLK=ClockSignal(),
        i_A=_extended(a, 30),  # the multiplier takes the lower 25 bits
        i_B=_extended(b, 18),
        i_C=C(0, 48),
        i_D=C(0, 25),
        i_ACIN=C(0, 30),
        i_BCIN=C(0, 18),
        i_PCIN=C(0, SUM_WIDTH) if below is None else below,
        i_CARRYCASCIN=C(0),
        i_MULTSIGNIN=C(0),
        i_CARRYIN=C(0),
        i_CARRYINSEL=C(0, 3),
        i_ALUMODE=C(0, 4),  # P = Z + X + Y
        i_INMODE=C(0, 5),
        i_OPMODE=Cat(C(0b0101, 4), addend),  # X + Y = the product
        **{f"i_CE{name}": enable for name in USED},
        **{f"i_CE{name}": C(1) for name in UNUSED},
        **{f"i_RST{name}": C(0) for name in RESETS},
        o_P=total,
        **cascade,
    )


def _extended(value: Value, width: int) -> Value:
    """A signed value with copies of its sign on top."""
    return Cat(value, value[-1].replicate(width - len(value)))
