"""Fixed-point arithmetic on Amaranth values: the counterpart of `models.common.fixedpoint`.

The functions have the same names, arguments and results as there. Amaranth widens expressions so
that no operator loses a bit. Only the functions here make numbers narrower, as their caller asks.
"""

from __future__ import annotations

from amaranth.hdl import C, Mux, Shape, Value, ValueLike, signed, unsigned

from shotveil.models.common.fixedpoint import Overflow, Q, Rounding


def shape(q: Q) -> Shape:
    """The Amaranth shape that holds a format's raw integers."""
    return signed(q.width) if q.signed else unsigned(q.width)


def round_shift(raw: ValueLike, bits: int, rounding: Rounding) -> Value:
    """raw / 2^`bits` rounded to an integer; a negative `bits` shifts left."""
    value = Value.cast(raw)
    if bits <= 0:
        return value << -bits
    if rounding is Rounding.FLOOR:
        return value >> bits
    half = 1 << (bits - 1)
    if rounding is Rounding.HALF_UP:
        return (value + half) >> bits
    # (value >> bits)[0] rather than value[bits], which a narrow value does not have.
    return (value + (half - 1) + (value >> bits)[0]) >> bits


def overflows(raw: ValueLike, to: Q) -> Value:
    """High where the raw integer does not fit the format."""
    value = Value.cast(raw)
    own = value.shape()
    if to.signed:
        # It fits if the sign bit and every bit above are the same.
        top = (value if own.signed else value + C(0, signed(1)))[to.width - 1 :]
        return C(0) if len(top) <= 1 else top.any() & ~top.all()
    return value[to.width :].any() if len(value) > to.width else (value < 0 if own.signed else C(0))


def constrain(raw: ValueLike, to: Q, overflow: Overflow) -> Value:
    """The raw integer brought into the format's range by the given `overflow`."""
    value = Value.cast(raw)
    wide = value + C(0, signed(to.width))  # at least as wide as the format, signed
    kept = wide[: to.width]
    kept = kept.as_signed() if to.signed else kept
    if overflow is Overflow.WRAP:
        return kept
    edge = Mux(wide < 0, C(to.lowest, shape(to)), C(to.highest, shape(to)))
    limited = Mux(overflows(value, to), edge, kept)
    return limited.as_signed() if to.signed else limited.as_unsigned()


def rescale(raw: ValueLike, source: Q, to: Q, rounding: Rounding, overflow: Overflow) -> Value:
    """The same number in the format `to`: first `rounding` drops bits, then `overflow` applies."""
    return constrain(round_shift(raw, source.fraction - to.fraction, rounding), to, overflow)
