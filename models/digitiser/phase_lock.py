"""The PI loop of homodyne mode. Integer model of `gateware.digitiser.phase_lock`.

Once a frame, with e = φ − setpoint in −½ … ½ turn:

    integral += ki·e,  phase = integral + kp·e,  code = ⌊phase·span⌋

all modulo one turn, in 32 bits: a phase shifter that reaches 2π can follow any drift. The local
oscillator is advanced by `phase`, which lowers φ. Frames that are bad move nothing. The loop is
locked once |e| stayed within `window` for `STEADY` good frames in a row.

*Gears.* After reset, and after a bad frame, the first good frame moves the integral by all of its
error, the second by half of it, the next two by a quarter, the next four by an eighth, as pilots do
with two quadratures; the integral is then nearly the mean of what was seen. As long as that gain
exceeds the register `ki` it stands in for it, with `kp` = 0. So a small `ki`, which keeps the
pilots' noise out, does not cost time to lock, wherever the phase starts.

*Choice of ki*, with kp = 0: pilots' noise of variance r a frame leaves r·ki/(2 − ki), a phase that
walks by variance w a frame leaves w/(ki·(2 − ki)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser.phase import wrap
from shotveil.models.digitiser.spec import DigitiserSpec

STEADY = 8  # good frames within the window before the loop counts as locked
GAIN_BITS = 16  # of ki and kp, in 2^−16
COUNT_BITS = 8  # of the number of good frames seen


@dataclass(frozen=True)
class PhaseLockSettings:
    """Registers: gains and window in 2^−16 (of one, and of a turn), `span` codes a turn."""

    ki: int = 1 << 13
    kp: int = 0
    setpoint: int = 0
    window: int = 1820  # 10°
    span: int = 1 << 13

    def validate(self, spec: DigitiserSpec) -> None:
        """Raise `RangeError` for what the loop cannot do."""
        require("ki", self.ki, at_least=0, below=1 << GAIN_BITS, integer=True)
        require("kp", self.kp, at_least=0, below=1 << GAIN_BITS, integer=True)
        half = 1 << (spec.phase_bits - 1)
        require("setpoint", self.setpoint, at_least=-half, below=half, integer=True)
        require("window", self.window, at_least=1, below=half, integer=True)
        require("span", self.span, at_least=2, below=1 << 14, integer=True)


@dataclass
class PhaseLockState:
    """Integral in 2^−32 turn, good frames in a row within the window, and good frames in a row
    altogether (saturating)."""

    integral: int = 0
    steady: int = 0
    seen: int = 0


def step(
    spec: DigitiserSpec, settings: PhaseLockSettings, state: PhaseLockState, angle: int, bad: bool
) -> tuple[int, bool] | None:
    """DAC code and lock after one frame; None where a bad frame moves nothing but the lock."""
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
    """DAC codes and lock for the good frames of a sequence that begins at reset."""
    state = PhaseLockState()
    taken = [
        step(spec, settings, state, a, b) for a, b in zip(angle.tolist(), bad.tolist(), strict=True)
    ]
    good = [pair for pair in taken if pair is not None]
    return np.array([c for c, _ in good], np.int64), np.array([lock for _, lock in good], np.bool_)
