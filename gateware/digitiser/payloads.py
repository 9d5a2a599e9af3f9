"""Payloads of the digitiser's streams. With one quadrature the fields `p` are absent."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Shape, ShapeLike, signed, unsigned
from amaranth.lib import data

from shotveil.gateware.primitives import fixedpoint
from shotveil.models.digitiser.spec import DigitiserSpec


def axes(spec: DigitiserSpec) -> tuple[str, ...]:
    """Names of the quadratures that the receiver samples."""
    return ("x", "p")[: spec.quadratures]


def quadratures(spec: DigitiserSpec, shape: Shape, **more: ShapeLike) -> data.StructLayout:
    """A field of `shape` for each quadrature, and others."""
    return data.StructLayout({**dict.fromkeys(axes(spec), shape), **more})


def codes(spec: DigitiserSpec) -> data.StructLayout:
    """Words of the ADC."""
    return quadratures(spec, unsigned(spec.adc_bits))


def samples(spec: DigitiserSpec) -> data.StructLayout:
    """Samples after the entry."""
    return quadratures(spec, fixedpoint.shape(spec.sample), over=1)


POWER_BITS = 36
CORRELATION = data.StructLayout({"power": unsigned(POWER_BITS), "hit": 1})


def marks(spec: DigitiserSpec) -> data.StructLayout:
    """The position of a sample: `phase` in its symbol, the frame's `fraction`; `mark` starts it."""
    phase = range(spec.samples_per_symbol)
    return data.StructLayout({"phase": phase, "fraction": 6, "mark": 1, "lost": 1})


def placed(spec: DigitiserSpec) -> data.StructLayout:
    """Samples with their `marks`."""
    return quadratures(spec, fixedpoint.shape(spec.sample), over=1, **marks(spec).members)


def filtered(spec: DigitiserSpec) -> data.StructLayout:
    """Symbols after the matched filter."""
    return quadratures(spec, fixedpoint.shape(spec.filtered), mark=1, lost=1, over=1)


def label(spec: DigitiserSpec) -> dict[str, ShapeLike]:
    """The label of a symbol: its kind, its number in the row (of a pilot its number modulo 4), its
    run of the row, whether the frame ends with it, and its flags. `skip` keeps it out of all sums.
    """
    return {
        "kind": 2,
        "index": (spec.row_capacity - 1).bit_length(),
        "segment": 4,
        "last": 1,
        "lost": 1,
        "over": 1,
        "skip": 1,
    }


def framed(spec: DigitiserSpec) -> data.StructLayout:
    """Symbols with their labels, in ADC steps."""
    return quadratures(spec, fixedpoint.shape(spec.filtered), **label(spec))


def symbols(spec: DigitiserSpec) -> data.StructLayout:
    """Symbols with their labels, in √SNU."""
    return quadratures(spec, fixedpoint.shape(spec.symbol), **label(spec), saturated=1)


def sent(spec: DigitiserSpec) -> data.StructLayout:
    """Symbols that were sent, for comparison."""
    return data.StructLayout(dict.fromkeys(("x", "p"), fixedpoint.shape(spec.reference)))


def phases(spec: DigitiserSpec) -> data.StructLayout:
    """Phases measured from pilots."""
    return data.StructLayout({"angle": signed(spec.phase_bits), "bad": 1})


def forward_valid(m: Module, i: Any, o: Any) -> None:
    """Make the output of a block without stalls valid one clock after its input, or always."""
    if not isinstance(o.valid, Const):
        m.d.sync += o.valid.eq(i.valid)
