"""The settings of both parties' nodes for the light of a layer; all of them are public.

The frame and the reference level follow from the layer's shape. A layer's rows are sent in parts,
because all rows that a node plays in one batch must fit its row buffer: light must never wait for a
host. All parts of a layer look alike. Some of them, at secret positions, hold only decoys. A node
sums over one part, so the sums of decoys are separate from those of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, quantise
from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import PREAMBLE, RECORDS, DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout

REFERENCE = 0.7  # level of preamble and pilots, as a fraction of the largest symbol
LEAD_IN = 32  # frames before each part, in which the receivers lock
# The client's phase lock is slow compared with its loop delay of 3 frames, and so fast compared
# with the lead-in that it has settled by then (`shotveil lab design lead-in`).
LOCK = PhaseLockSettings(ki=1 << 13, kp=0)
# The paths are matched, so the phase drifts slowly and many pilots can be averaged.
PHASE_SHIFT = 7
TIMING_SHIFT = 9
# Numbers of runs of row symbols to choose from. They are odd, so that the number of pilot groups
# is even, which homodyne detection of alternating pilots needs.
RUNS = (7, 5, 3, 1)


def layout_of(modes: int, spec: DigitiserSpec | None = None) -> FrameLayout:
    """The frame for a row of `modes` symbols, with as many runs between pilots as fit.

    Both receivers keep up with it. `spec` is that of either.

    The guard is as long as a pulse, or longer in short rows, because the sums of a frame need time
    to be sent. Raises `RangeError` for more modes than a row can have.
    """
    spec = spec or DigitiserSpec()
    require("modes of a row", modes, at_least=1, at_most=spec.row_capacity, integer=True)
    shortest = -(-(28 * spec.words + 40) // spec.samples_per_symbol)

    def layout(spacing: int) -> FrameLayout:
        bare = FrameLayout(preamble=PREAMBLE, row=modes, pilot_spacing=spacing)
        guard = max(bare.guard, spec.span, bare.guard + shortest - bare.length)
        return replace(bare, guard=guard)

    layouts = (layout(max(8, -(-modes // runs))) for runs in RUNS)
    return next(each for each in layouts if each.groups % 2 == 0 and _both_keep_up(spec, each))


def _both_keep_up(spec: DigitiserSpec, layout: FrameLayout) -> bool:
    """Whether a receiver of two quadratures, the slower one, loses no symbol in any record."""
    slower = replace(spec, quadratures=2)
    return all(slower.waiting(layout, record) < spec.symbol_fifo for record in range(len(RECORDS)))


def mode_shift(modes: int, spec: DigitiserSpec) -> int:
    """The smallest s with which the node's words for sums of modes suffice.

    2^s neighbouring modes of a row share one word.
    """
    shift = 0
    while modes > spec.modes << shift:
        shift += 1
    return shift


def symbol_unit(spec: DriveSpec, full_scale: float, scale: float = 1.0) -> float:
    """Quadrature at the server's output, in √SNU, of one raw unit of a row symbol.

    `full_scale` is the quadrature in √SNU of a symbol of 1 at drive scale 1; `scale` is the
    drive's scale.
    """
    return full_scale * scale * spec.symbol.lsb


def drive_scale(spec: DriveSpec, largest: float, full_scale: float) -> float:
    """The smallest drive scale at which a symbol can have a quadrature of `largest` √SNU.

    `full_scale` is the quadrature in √SNU of a symbol of 1 at drive scale 1. Raises `RangeError`
    if even scale 1 is not enough.
    """
    needed = largest / (spec.symbol.highest * spec.symbol.lsb) / full_scale
    steps = max(1, math.ceil(needed / spec.scale.lsb))
    if steps * spec.scale.lsb > 1:
        raise RangeError(
            f"largest quadrature = {largest:.4g} √SNU; allowed: [0, {full_scale:.4g}], the full "
            "scale that was calibrated: attenuate less, or take fewer photons"
        )
    return steps * spec.scale.lsb


def row_symbols(spec: DriveSpec, quadratures: npt.ArrayLike, unit: float) -> IntArray:
    """Mean quadratures in √SNU as raw row symbols of the drive, of the same shape.

    `unit` is √SNU per raw unit (`symbol_unit`). Values are rounded half to even, so that a row and
    its negative get opposite symbols and rounding adds no offset common to all rows. Raises
    `RangeError` for a value beyond the format.
    """
    values = np.asarray(quadratures, dtype=np.float64) / unit * spec.symbol.lsb
    return quantise(values, spec.symbol, name="row symbol")


def receiver_settings(
    spec: DigitiserSpec,
    drive: DriveSpec,
    layout: FrameLayout,
    scale: int,
    reference: float = REFERENCE,
) -> DigitiserSettings:
    """Settings of either party's receiver for frames of a layout.

    `scale` is the raw value of the scale register, from calibration; `reference` is the level of
    preamble and pilots. Where a layer has more modes than the node has words for, neighbouring
    modes share one.
    """
    return DigitiserSettings(
        layout=layout,
        minimum=correlator.threshold(spec, 2.0**spec.scale.fraction / scale),
        scale=(scale,) * 2,
        pilot=round(reference * 2.0**drive.symbol.fraction),
        mode=layout.row // 2,
        phase_shift=PHASE_SHIFT,
        timing_shift=TIMING_SHIFT,
        # Light that leaks through the modulator turns with the client's oscillator, so the homodyne
        # receiver's offset has to follow it faster.
        offset_shift=14 if spec.quadratures == 2 else 9,
        mode_shift=mode_shift(layout.row, spec),
        samples_per_symbol=spec.samples_per_symbol,
    )


@dataclass(frozen=True)
class Parts:
    """How a layer is sent: in parts of `slots` slots each, one slot for one row.

    `weights` parts hold all rows, and `decoys` parts hold decoys only. The empty slots of the last
    part of weights are filled with decoys.
    """

    slots: int
    weights: int
    decoys: int

    @property
    def frames(self) -> int:
        """Number of frames of a layer, including lead-ins."""
        return (self.weights + self.decoys) * (LEAD_IN + self.slots)


def parts_of(rows: int, modes: int, decoys: int, spec: DriveSpec) -> Parts:
    """Parts for `rows` rows and at most `decoys` decoys, as long as the node's row buffer allows.

    Raises `RangeError` if a single row does not fit the node, or without a row or a decoy.
    """
    require("modes of a row", modes, at_least=1, at_most=spec.row_capacity, integer=True)
    require("decoys of a layer", decoys, at_least=1, integer=True)
    require("rows of a layer", rows, at_least=1, integer=True)
    longest = min(decoys, spec.row_capacity // modes)
    # With one slot per part there is a part for each decoy, so the search always ends.
    slots = next(n for n in range(longest, 0, -1) if (rows + decoys) // n > -(-rows // n))
    weights = -(-rows // slots)
    return Parts(slots, weights, (rows + decoys) // slots - weights)
