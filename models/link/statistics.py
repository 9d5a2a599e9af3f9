"""The four sums that the server keeps of verified symbols: enough for any channel estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import RangeError, require


@dataclass(frozen=True)
class SymbolStatistics:
    """Sums over m symbols y = t·q + noise, where q was sent and y was measured by homodyning.

    `count` = m, `qq` = Σq², `qy` = Σqy, `yy` = Σy². Each is a number or an array; their shapes
    broadcast (one element for each mode, session, …). Integers stay integers, so sums from hardware
    accumulators add up exactly.
    Symbols are in SNU^(1/2) and have zero mean. No Σy is kept, so the receiver's offset must be
    removed first; an offset that remains counts as noise.
    Raises `RangeError` for a negative count or sum of squares, and for (Σqy)² > Σq²·Σy², which is
    impossible for real symbols.
    """

    count: Any
    qq: Any
    qy: Any
    yy: Any

    def __post_init__(self) -> None:
        require("count", self.count, at_least=0, integer=True)
        require("qq", self.qq, at_least=0)
        require("qy", self.qy)
        require("yy", self.yy, at_least=0)
        # The roots come before the product because a product of large sums could overflow.
        limit = np.sqrt(_floats(self.qq)) * np.sqrt(_floats(self.yy))
        # 1e-9 allows for rounding in sums of up to 1e12 floats, far below any statistical error.
        if np.any(np.abs(_floats(self.qy)) > limit * (1 + 1e-9)):
            raise RangeError("qy = Σqy is outside [−√(Σq²·Σy²), √(Σq²·Σy²)]")

    @classmethod
    def of(
        cls, q: ArrayLike, y: ArrayLike, axis: int | tuple[int, ...] | None = None
    ) -> SymbolStatistics:
        """Statistics of real symbols q and y of equal shape, summed over `axis` (default: all).

        Raises `RangeError` if the shapes differ or an element is not finite.
        """
        sent, got = np.asarray(q, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if sent.shape != got.shape:
            raise RangeError(f"y has shape {got.shape}; allowed: the shape of q, {sent.shape}")
        count = np.ones_like(sent, dtype=np.int64).sum(axis=axis)
        return cls(
            count,
            np.sum(sent * sent, axis=axis),
            np.sum(sent * got, axis=axis),
            np.sum(got * got, axis=axis),
        )

    def __add__(self, other: SymbolStatistics) -> SymbolStatistics:
        """Statistics of both sets of symbols together; arrays broadcast."""
        if not isinstance(other, SymbolStatistics):
            return NotImplemented
        return _possible(
            self.count + other.count, self.qq + other.qq, self.qy + other.qy, self.yy + other.yy
        )

    def pooled(self) -> SymbolStatistics:
        """Statistics of all elements together, as four numbers."""
        sums = self.count, self.qq, self.qy, self.yy
        shapes = {np.shape(v) for v in sums}
        if shapes == {()}:
            return _possible(*sums)
        if len(shapes) == 1:
            return _possible(*(np.sum(v) for v in sums))
        shape = np.broadcast_shapes(*shapes)
        return _possible(*(np.broadcast_to(v, shape).sum() for v in sums))

    def in_units(self, q_unit: float, y_unit: float) -> SymbolStatistics:
        """The same with q and y multiplied by their units, e.g. SNU^(1/2) per converter step.

        Raises `RangeError` unless both units are above 0.
        """
        require("q_unit", q_unit, above=0)
        require("y_unit", y_unit, above=0)
        return SymbolStatistics(
            self.count,
            _floats(self.qq) * q_unit**2,
            _floats(self.qy) * q_unit * y_unit,
            _floats(self.yy) * y_unit**2,
        )

    @property
    def slope(self) -> NDArray[np.float64]:
        """Least-squares amplitude transmission t̂ = Σqy/Σq². Raises `RangeError` unless Σq² > 0."""
        require("qq", self.qq, above=0)
        return _floats(self.qy) / _floats(self.qq)

    @property
    def residual(self) -> NDArray[np.float64]:
        """Residual sum of squares Σ(y − t̂q)² = Σy² − (Σqy)²/Σq², in SNU.

        Raises `RangeError` unless Σq² > 0.
        """
        left = _floats(self.yy) - self.slope * _floats(self.qy)
        # A sum of squares is below zero only by rounding, when the symbols hold no noise at all.
        return np.maximum(left, 0.0)


def _possible(count: Any, qq: Any, qy: Any, yy: Any) -> SymbolStatistics:
    """Return sums that are possible, as sums of possible ones are, so that nothing is checked."""
    made = object.__new__(SymbolStatistics)
    vars(made).update(count=count, qq=qq, qy=qy, yy=yy)
    return made


def _floats(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
