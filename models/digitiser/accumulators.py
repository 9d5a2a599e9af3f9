"""Sums over received symbols y = (x, p) and sent symbols q.

Integer model of `gateware.digitiser.accumulators`.

Each word holds 16 sums in four lanes of four, named by `SUMS`. Words 0 … segments − 1 belong to the
runs of row symbols between pilots; the words for pilots, vacuum and dark follow. The frame sums are
sent after each frame. The session sums, and four sums for each mode, are sent on request.

The largest term is x² < 2^32. A sum of 10⁹ of them stays below 2^62, so 64 bits cannot overflow in
a session. Symbols that are overrange, saturated or part of a lost frame are left out, and counted
in `bad`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    PILOT,
    ROW,
    SIGNAL_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)

SUMS = (
    ("x", "p", "qx", "qp"),
    ("xx", "pp", "xp", "count"),
    ("qxx", "qxp", "qpx", "qpp"),
    ("qxqx", "qpqp", "qxqp", "bad"),
)
NAMES = tuple(name for lane in SUMS for name in lane)
MODE_SUMS = ("yy", "re", "im", "qq")  # Σ|y|², Re and Im of Σq*y, Σ|q|²


@dataclass(frozen=True)
class Sums:
    """`frames` has shape (frames, words, 16) in the order of `NAMES`, `modes` (modes, 4)."""

    frames: IntArray
    modes: IntArray

    @property
    def session(self) -> IntArray:
        """The session sums, shape (words, 16): the frame sums of all frames together."""
        total: IntArray = self.frames.sum(axis=0)
        return total


def words(
    spec: DigitiserSpec, settings: DigitiserSettings, kind: IntArray, segment: IntArray
) -> IntArray:
    """The number of the word that each symbol is summed in, shape (n,)."""
    if settings.record != SIGNAL_RECORD:
        word = spec.dark_word if settings.record == DARK_RECORD else spec.vacuum_word
        return np.full(len(kind), word)
    other = np.where(kind == PILOT, spec.pilot_word, spec.vacuum_word)
    return np.where(kind == ROW, segment, other)


def model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    value: IntArray,
    q: IntArray,
    kind: IntArray,
    index: IntArray,
    segment: IntArray,
    bad: BoolArray,
    last: BoolArray,
    skip: BoolArray | None = None,
) -> Sums:
    """Sums of all complete frames; in a signal record, symbols marked by `skip` are left out.

    `value` and `q` have shape (2, n); p is 0 with one quadrature, and q is 0 where nothing was
    sent. `index` is the row symbol's number. `bad` marks symbols to leave out and count, `last` the
    last symbol of each frame; all of these have shape (n,).
    """
    complete = int(np.nonzero(last)[0][-1]) + 1 if last.any() else 0
    frames = int(last.sum())
    good = ~bad[:complete]
    x, p = value[:, :complete] * good
    a, b = q[:, :complete] * good
    one = np.ones_like(x)
    if skip is not None and settings.record == SIGNAL_RECORD:
        kept = ~skip[:complete]
        x, p, a, b, one = x * kept, p * kept, a * kept, b * kept, one * kept
    xx, pp, aa, bb, ax, ap, bx, bp = x * x, p * p, a * a, b * b, a * x, a * p, b * x, b * p
    terms = [x, p, a, b, xx, pp, x * p, one * good]
    terms += [ax, ap, bx, bp, aa, bb, a * b, one * ~good]
    frame: IntArray = (np.cumsum(last) - last)[:complete]
    place = frame * spec.words + words(spec, settings, kind, segment)[:complete]
    sums = np.zeros((frames * spec.words, 16), dtype=np.int64)
    # Neighbouring symbols of the same word are summed together first.
    (runs,) = np.nonzero(np.diff(place, prepend=-1))
    if len(runs):
        np.add.at(sums, place[runs], np.array([np.add.reduceat(term, runs) for term in terms]).T)
    modes = np.zeros((spec.modes, 4), dtype=np.int64)
    if settings.record == SIGNAL_RECORD:
        (rows,) = np.nonzero(kind[:complete] == ROW)
        mode = index[rows] >> settings.mode_shift
        for column, term in enumerate((xx + pp, ax + bp, ap - bx, aa + bb)):
            np.add.at(modes[:, column], mode, term[rows])
    return Sums(sums.reshape(frames, spec.words, 16), modes)
