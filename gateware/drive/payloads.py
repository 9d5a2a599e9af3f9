"""Payloads of the streams between the blocks of the drive."""

from __future__ import annotations

from amaranth.hdl import Shape
from amaranth.lib import data

from shotveil.gateware.primitives import fixedpoint
from shotveil.models.common.fixedpoint import Q
from shotveil.models.drive.spec import DriveSpec


def quadratures(q: Q, **flags: int) -> data.StructLayout:
    """A pair of numbers `i` and `q` in one format, and flags with their widths."""
    number: Shape = fixedpoint.shape(q)
    return data.StructLayout({"i": number, "q": number, **flags})


def host_symbol(spec: DriveSpec) -> data.StructLayout:
    """A symbol of a row, or a pair of angles, as the host sends it."""
    return quadratures(spec.symbol)


def framed(spec: DriveSpec) -> data.StructLayout:
    """A symbol of a frame: `reference` for preamble and pilots, `first` for a frame's first."""
    return quadratures(spec.symbol, reference=1, first=1)


def scaled(spec: DriveSpec) -> data.StructLayout:
    """A scaled symbol; `fault` is high if it saturated."""
    return quadratures(spec.scaled, fault=1, first=1)


def shaped(spec: DriveSpec) -> data.StructLayout:
    """A sample of the field."""
    return quadratures(spec.sample, fault=1, first=1)


def voltage(spec: DriveSpec) -> data.StructLayout:
    """A sample of the modulator's voltages."""
    return quadratures(spec.voltage, fault=1, first=1)


def code(spec: DriveSpec) -> data.StructLayout:
    """A pair of DAC codes; `first` marks the start of a frame and can trigger an oscilloscope."""
    return quadratures(spec.dac, first=1)
