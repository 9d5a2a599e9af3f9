"""The phase lock of homodyne mode, a PI loop. Integer model of `gateware.digitiser.phase_lock`.

Once per frame, with the error e = φ − setpoint in −½ … ½ turn:

    integral += ki·e,  phase = integral + kp·e,  code = ⌊phase·span⌋

All is modulo one turn, in 32 bits, so a phase shifter that reaches 2π can follow any drift. The
local oscillator is advanced by `phase`, which lowers φ. Bad frames change neither. The loop is
locked once |e| has been within `window` for `STEADY` good frames in a row.

*Gears.* After reset and after a bad frame, the first good frame moves the integral by its whole
error, the second by half of it, the next two by a quarter, the next four by an eighth. The integral
is then nearly the mean of the phases seen, as with the pilots of two quadratures. While this gain
exceeds the register `ki`, it is used instead of `ki`, with `kp` = 0. A small `ki`, which rejects
the noise of the pilots, therefore does not slow down locking.

*Choice of ki*, with kp = 0: noise of variance r per frame in the pilots leaves r·ki/(2 − ki), and a
phase walk of variance w per frame leaves w/(ki·(2 − ki)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser.phase import wrap
from shotveil.models.digitiser.spec import DigitiserSpec

STEADY = 8  # good frames within the window before the loop counts as locked
GAIN_BITS = 16  # width of ki and kp, whose unit is 2^−16
COUNT_BITS = 8  # width of the number of good frames seen


@dataclass(frozen=True)
class PhaseLockSettings:
    """Registers of the phase lock, in raw integers.

    `ki` and `kp` are in 2^−16, `setpoint` and `window` in 2^−16 turn; `span` is the number of codes
    per turn.
    """

    ki: int = 1 << 13
    kp: int = 0
    setpoint: int = 0
    window: int = 1820  # 10°
    span: int = 1 << 13

    def validate(self, spec: DigitiserSpec) -> None:
        """Raise `RangeError` for a setting that the loop cannot have."""
        require("ki", self.ki, at_least=0, below=1 << GAIN_BITS, integer=True)
        require("kp", self.kp, at_least=0, below=1 << GAIN_BITS, integer=True)
        half = 1 << (spec.phase_bits - 1)
        require("setpoint", self.setpoint, at_least=-half, below=half, integer=True)
        require("window", self.window, at_least=1, below=half, integer=True)
        require("span", self.span, at_least=2, below=1 << 14, integer=True)


@dataclass
class PhaseLockState:
    """State of the loop.

    integral: in 2^−32 turn. steady: good frames in a row within the window. seen: good frames in a
    row. Both numbers saturate.
    """

    integral: int = 0
    steady: int = 0
    seen: int = 0


def step(
    spec: DigitiserSpec, settings: PhaseLockSettings, state: PhaseLockState, angle: int, bad: bool
) -> tuple[int, bool] | None:
    """DAC code and lock after one frame; None after a bad frame, which only resets the lock.

    `angle` is φ of the frame in 2^−phase_bits turn. `state` is updated.
    """
    if bad:
        state.steady = state.seen = 0
        return None
    error = wrap(spec, angle - settings.setpoint)
    coarse = ((1 << GAIN_BITS) - 1) >> state.seen.bit_length()
    ki, kp = (coarse, 0) if coarse > settings.ki else (settings.ki, settings.kp)
    state.seen = min(state.seen + 1, (1 << COUNT_BITS) - 1)
    state.integral = (state.integral + ki * error) & 0xFFFFFFFF
    phase = ((state.integral + kp * error) & 0xFFFFFFFF) >> 16
    within = abs(error) <= settings.window
    state.steady = min(state.steady + 1, STEADY) if within else 0
    return (phase * settings.span) >> 16, state.steady == STEADY


def model(
    spec: DigitiserSpec, settings: PhaseLockSettings, angle: IntArray, bad: BoolArray
) -> tuple[IntArray, BoolArray]:
    """DAC codes and lock after each good frame of a sequence (frames,) that begins at reset."""
    state = PhaseLockState()
    taken = [
        step(spec, settings, state, a, b) for a, b in zip(angle.tolist(), bad.tolist(), strict=True)
    ]
    good = [pair for pair in taken if pair is not None]
    return np.array([c for c, _ in good], np.int64), np.array([lock for _, lock in good], np.bool_)
