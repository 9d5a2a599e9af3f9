"""What both parties set their nodes to for the light of a layer; all of it is public.

Frame and reference level follow from the layer's shape. So do the parts in which its rows are
sent: what a node plays at a time has to fit its row buffer, so that light never waits for a host.
All parts of a layer are alike and some of them, at secret places, are decoys alone. A node sums
over what it plays at a time, so the sums of decoys come apart from those of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, quantise
from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout

REFERENCE = 0.7  # level of preamble and pilots, of the largest symbol
LEAD_IN = 64  # frames in front of a part, in which receivers lock
# Of the client's phase lock: slow against the 3 frames from a phase to its effect, fast against the
# fibre's drift.
LOCK = PhaseLockSettings(ki=1 << 12, kp=0)
# The paths are matched, so the phase drifts slowly and pilots are averaged over many.
PHASE_SHIFT = 7
TIMING_SHIFT = 9
RUNS = (7, 5, 3, 1)  # of row symbols between pilots: an even number of these, for homodyning


def layout_of(modes: int, spec: DigitiserSpec | None = None) -> FrameLayout:
    """The frame of a row of `modes` symbols, with as many runs between pilots as fit.

    Short rows get a long guard, since the sums of a frame take their time to leave. Raises
    `RangeError` for more modes than a row has.
    """
    spec = spec or DigitiserSpec()
    require("modes of a row", modes, at_least=1, at_most=spec.row_capacity, integer=True)
    spacings = (max(8, -(-modes // runs)) for runs in RUNS)
    spacing = next(s for s in spacings if -(-modes // s) % 2)
    bare = FrameLayout(preamble=PREAMBLE, row=modes, pilot_spacing=spacing)
    shortest = -(-(28 * spec.words + 40) // spec.samples_per_symbol)
    guard = bare.guard + max(0, shortest - bare.length)
    return FrameLayout(preamble=PREAMBLE, row=modes, pilot_spacing=spacing, guard=guard)


def mode_shift(modes: int, spec: DigitiserSpec) -> int:
    """Two to this many neighbouring modes of a row share a node's words for sums of modes."""
    shift = 0
    while modes > spec.modes << shift:
        shift += 1
    return shift


def symbol_unit(spec: DriveSpec, full_scale: float, scale: float = 1.0) -> float:
    """√SNU at the server's output of one raw unit of a row symbol.

    `full_scale` is that of a quadrature of 1 at the drive's scale 1, `scale` the drive's.
    """
    return full_scale * scale * spec.symbol.lsb


def drive_scale(spec: DriveSpec, largest: float, full_scale: float) -> float:
    """The smallest scale of the drive that lets a quadrature of `largest` √SNU be a symbol.

    Raises `RangeError` where that is brighter than a symbol of 1 at the drive's scale 1, which is
    `full_scale` √SNU.
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
    """Mean quadratures in √SNU as a drive's raw row symbols, of the same shape.

    `unit` is √SNU per raw unit (`symbol_unit`). The nearest symbol is taken, and the even one of
    two that are as near, so that a row and its negative get opposite symbols: roundings are no
    light that all rows have in common. Raises `RangeError` for what is beyond the format.
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
    """Either party's receiver for frames of a layout; `scale` is the register's, from calibration.

    Where a layer has more modes than the node has words for, neighbours share one.
    """
    return DigitiserSettings(
        layout=layout,
        minimum=correlator.threshold(spec, 2.0**spec.scale.fraction / scale),
        scale=(scale,) * 2,
        pilot=round(reference * 2.0**drive.symbol.fraction),
        mode=layout.row // 2,
        phase_shift=PHASE_SHIFT,
        timing_shift=TIMING_SHIFT,
        # What leaks through the modulator turns with the client's oscillator: follow it.
        offset_shift=14 if spec.quadratures == 2 else 9,
        mode_shift=mode_shift(layout.row, spec),
    )


@dataclass(frozen=True)
class Parts:
    """How a layer is sent: `weights` parts that hold all rows and `decoys` parts of decoys alone,
    of `slots` slots each. What is left of the last part of weights is filled with decoys."""

    slots: int
    weights: int
    decoys: int

    @property
    def frames(self) -> int:
        """Frames of a layer in all, lead-ins included."""
        return (self.weights + self.decoys) * (LEAD_IN + self.slots)


def parts_of(rows: int, modes: int, decoys: int, spec: DriveSpec) -> Parts:
    """Parts for `rows` rows and at most `decoys` decoys: the longest that a node buffers whole.

    Raises `RangeError` where a single row does not fit the node, without a row or a decoy.
    """
    require("modes of a row", modes, at_least=1, at_most=spec.row_capacity, integer=True)
    require("rows of a layer", rows, at_least=1, integer=True)
    require("decoys of a layer", decoys, at_least=1, integer=True)
    longest = min(decoys, spec.row_capacity // modes)
    for slots in range(longest, 1, -1):
        weights = -(-rows // slots)
        spare = (rows + decoys) // slots - weights
        if spare:
            return Parts(slots, weights, spare)
    return Parts(1, rows, decoys)
