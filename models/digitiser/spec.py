"""What is fixed when the digitiser is built, and what is set while it runs.

`DigitiserSpec` holds every width, length and table; model and gateware are both made from it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, Q
from shotveil.models.digitiser.pace import longest_wait
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FRANK, FrameLayout, diagonal

# The correlator's code; the drive's preamble must be this long.
PREAMBLE = len(FRANK)
KINDS = ("pilot", "row", "vacuum")
PILOT, ROW, VACUUM = range(3)
# How many samples a symbol can last: blocks share multipliers over so many clocks.
SAMPLES_PER_SYMBOL = (2, 4)
RECORDS = ("signal", "vacuum", "dark")
SIGNAL_RECORD, VACUUM_RECORD, DARK_RECORD = range(3)


@dataclass(frozen=True)
class DigitiserSpec:
    """Everything about the digitiser that is fixed in hardware.

    With `quadratures` = 2 the receiver is phase-diverse: it samples x and p and turns them by
    CORDIC. With 1 it is homodyne: it samples x, and a PI loop holds the local oscillator's phase.
    Raises `RangeError` for a value out of range.
    """

    quadratures: int = 2
    samples_per_symbol: int = 4  # one of `SAMPLES_PER_SYMBOL`
    # The matched filter is built for this many taps and phases: these two cannot be chosen.
    taps: int = field(default=32, init=False)
    rolloff: float = 0.5
    adc_bits: int = 14
    fractions: int = field(default=64, init=False)  # phases of the matched filter, 1/64 sample each
    coefficient: Q = Q(1, 17)  # taps of the matched filter, which has unit energy
    filtered: Q = Q(16, 6)  # symbols after the matched filter, in ADC steps
    centred: Q = Q(15, 3)  # symbols without their offset, as wide as a multiplier's input
    scale: Q = Q(-4, 22)  # register: √SNU per ADC step; shot noise is thus 32 steps or more
    symbol: Q = Q(6, 11)  # symbols in √SNU; 10⁹ squares fit a 64-bit sum
    phase_bits: int = 16  # width of angles, which are fractions of a turn
    iterations: int = 16  # iterations of the CORDIC
    guard_bits: int = 4  # guard bits of the CORDIC, below the symbol's last bit
    reference: Q = Q(1, 15)  # symbols that were sent, in the drive's format
    offset_guard: int = 16  # bits of the offset below `filtered`
    segments: int = 16  # runs of row symbols between pilots that are summed separately
    row_capacity: int = 4096  # symbols of the longest row
    modes: int = 512  # row symbols, or runs of 2^`mode_shift`, with separate sums over a session
    symbol_fifo: int = 64  # symbols waiting while the phase is measured, and for their sums
    output_fifo: int = 512  # symbols, and inference values, waiting for the host
    delay: int = 192  # samples of delay, until the decision about the preamble is made
    frame_bits: int = 12  # width of the frame number, which wraps

    def __post_init__(self) -> None:
        require("quadratures", self.quadratures, at_least=1, at_most=2, integer=True)
        require("samples_per_symbol", self.samples_per_symbol, integer=True)
        if self.samples_per_symbol not in SAMPLES_PER_SYMBOL:
            allowed = " and ".join(map(str, SAMPLES_PER_SYMBOL))
            raise RangeError(
                f"samples_per_symbol = {self.samples_per_symbol} cannot be received; "
                f"allowed: {allowed}"
            )
        require("rolloff", self.rolloff, above=0, at_most=1)
        require("adc_bits", self.adc_bits, at_least=8, at_most=14, integer=True)
        require("width of symbol", self.symbol.width, at_least=10, at_most=17)
        require("width of centred", self.centred.width, at_least=10, at_most=18)
        require("width of scale", self.scale.width, at_least=8, at_most=18)
        require("width of reference", self.reference.width, at_least=8, at_most=17)
        require("delay", self.delay, at_least=160, at_most=1024, integer=True)
        require("segments", self.segments, at_least=1, at_most=16, integer=True)
        require("modes", self.modes, at_least=16, at_most=4096, integer=True)
        require("row_capacity", self.row_capacity, at_least=self.modes, at_most=4096, integer=True)
        require("iterations", self.iterations, at_least=8, at_most=20, integer=True)
        if self.coefficient.width > 18:
            raise RangeError(f"coefficient = {self.coefficient} is wider than 18 bits")

    @functools.cached_property
    def sample(self) -> Q:
        """Format of ADC samples, in ADC steps."""
        return Q(self.adc_bits, 0)

    @property
    def span(self) -> int:
        """Length of the pulse in symbols."""
        return self.taps // self.samples_per_symbol

    @property
    def peak(self) -> int:
        """Samples from the first one of a preamble's last symbol to the correlation's peak.

        The boxcar of a symbol is then in the middle of the last pulse.
        """
        return (self.taps + self.samples_per_symbol) // 2 - 1

    @property
    def measures_every(self) -> int:
        """Of so many vacuum symbols, one measures the offset.

        Moving the offset takes 3 clocks. Where a symbol lasts 2, the receiver could not catch up
        on what it missed in a pause if every symbol took so long.
        """
        return 1 if self.samples_per_symbol > 3 else 4

    def waiting(self, layout: FrameLayout, record: int) -> int:
        """The most symbols that wait at once; `symbol_fifo` or more means that some are lost."""
        # Where symbols last longer, those that measure the offset hold up nothing.
        slow = record == VACUUM_RECORD and self.measures_every > 1
        every = self.measures_every if slow else 0
        return longest_wait(
            self.quadratures,
            self.iterations,
            self.symbol_fifo,
            layout,
            self.samples_per_symbol,
            every,
        )

    @property
    def words(self) -> int:
        """Number of words of sums: one per segment, then pilot, vacuum, dark and a spare."""
        return self.segments + 4

    @property
    def pilot_word(self) -> int:
        return self.segments

    @property
    def vacuum_word(self) -> int:
        return self.segments + 1

    @property
    def dark_word(self) -> int:
        return self.segments + 2

    def coefficients(self) -> IntArray:
        """Taps of the matched filter, shape (fractions, taps); the first row is for −½ sample."""
        return matched_taps(self)

    @property
    def code(self) -> IntArray:
        """Signs of the preamble's quadratures, shape (2, 16)."""
        return diagonal(np.array(FRANK)).astype(np.int64)


def fractional_delay(pulse_taps: np.ndarray, delay: float) -> np.ndarray:
    """Band-limited delay of a pulse by `delay` samples, cut to the pulse's own length.

    It is the sinc interpolation of the taps, on a grid that is long enough not to wrap.
    """
    size = 1024
    spectrum = np.fft.rfft(pulse_taps, size)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * delay)
    shifted: np.ndarray = np.fft.irfft(spectrum * turn, size)[: len(pulse_taps)]
    return shifted


@functools.cache
def matched_taps(spec: DigitiserSpec) -> IntArray:
    """Taps of the drive's pulse, delayed by each fraction of a sample from −½ on.

    The shape is (fractions, taps), in `spec.coefficient`. Each row has unit energy, so that shot
    noise does not depend on the fraction.
    """
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    steps = np.arange(spec.fractions) / spec.fractions - 0.5
    shifted = np.array([fractional_delay(designed, step) for step in steps])
    shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
    taps = np.rint(shifted * 2.0**spec.coefficient.fraction).astype(np.int64)
    taps.setflags(write=False)
    return taps


@dataclass(frozen=True)
class DigitiserSettings:
    """Registers of the digitiser, in raw integers.

    Scales come from calibration records only; no setting follows the signal's strength.
    """

    layout: FrameLayout = field(default_factory=lambda: FrameLayout(preamble=PREAMBLE))
    offset_binary: int = 0  # 1 if the ADC counts from its lower end
    minimum: int = 1 << 22  # least correlation power of a preamble; see `correlator.threshold`
    free_run: int = 0  # 1 lets frames start by the clock only, for calibration records
    record: int = SIGNAL_RECORD
    timing_shift: int = 6  # averages the delay over 2^6 frames
    offset_shift: int = 14  # averages the offset over 2^14 vacuum symbols
    phase_shift: int = 3  # a pilot moves the phase by 2^−3 of its error; see `phase`
    scale: tuple[int, int] = (1 << 14, 1 << 14)  # of each quadrature
    pilot: int = 1 << 14  # quadratures of the pilots in `reference`
    mode: int = 0  # row symbol that carries the inference value
    mode_shift: int = 0  # 2^this neighbouring row symbols share the sums of a mode
    samples_per_symbol: int = 4  # those of the digitiser, which make `period` of the layout

    def validate(self, spec: DigitiserSpec) -> None:
        """Raise `RangeError` with value and range for a setting that the digitiser cannot have."""
        layout = self.layout
        require(
            "samples_per_symbol of the settings",
            self.samples_per_symbol,
            at_least=spec.samples_per_symbol,
            at_most=spec.samples_per_symbol,
        )
        require("preamble", layout.preamble, at_least=PREAMBLE, at_most=PREAMBLE)
        require("mode_shift", self.mode_shift, at_least=0, at_most=7, integer=True)
        longest = min(spec.row_capacity, spec.modes << self.mode_shift)
        require("row", layout.row, at_least=1, at_most=longest)
        require("pilots", layout.pilots, at_least=1, at_most=8, integer=True)
        # Measuring the phase of a pilot takes 8 symbols, so pilots must not come more often.
        require("pilot_spacing", layout.pilot_spacing, at_least=8 * layout.pilots)
        if spec.quadratures == 1:
            # Homodyne mode sums equally many even and odd pilots of a frame.
            require("pilots in a frame", layout.groups * layout.pilots, at_least=2, at_most=32)
            if layout.groups * layout.pilots % 2:
                raise RangeError(
                    f"pilots in a frame = {layout.groups * layout.pilots} is odd; homodyne mode "
                    "needs an even number"
                )
        require("pilot groups", layout.groups - 1, at_least=1, at_most=spec.segments)
        require("vacuum", layout.vacuum, at_least=1, at_most=255, integer=True)
        require("guard", layout.guard, at_least=spec.span)
        wait = spec.waiting(layout, self.record)
        if wait >= spec.symbol_fifo:
            raise RangeError(
                f"pilots = {layout.pilots} in each of {layout.groups} groups, "
                f"{layout.pilot_spacing} row symbols apart, come faster than their phases can be "
                f"measured: {wait} symbols would wait; allowed: below {spec.symbol_fifo}"
            )
        # The sums of a frame, 16 for each word, must be sent before the next frame's sums are due.
        require("samples in a frame", self.period, at_least=28 * spec.words + 40)
        require("offset_binary", self.offset_binary, at_least=0, at_most=1, integer=True)
        require("minimum", self.minimum, at_least=1, below=2**36, integer=True)
        require("free_run", self.free_run, at_least=0, at_most=1, integer=True)
        require("record", self.record, at_least=0, at_most=2, integer=True)
        require("timing_shift", self.timing_shift, at_least=0, at_most=9, integer=True)
        require("offset_shift", self.offset_shift, at_least=0, at_most=15, integer=True)
        require("phase_shift", self.phase_shift, at_least=0, at_most=7, integer=True)
        require("scale", self.scale, at_least=1, at_most=spec.scale.highest, integer=True)
        require("pilot", self.pilot, at_least=1, at_most=spec.reference.highest, integer=True)
        require("mode", self.mode, at_least=0, below=layout.row, integer=True)

    @property
    def period(self) -> int:
        """Samples from one frame to the next."""
        return self.layout.length * self.samples_per_symbol

    def ports(self) -> dict[str, int]:
        """Values of the receiver's setting ports, by name."""
        layout = self.layout
        return {
            "offset_binary": self.offset_binary,
            "minimum": self.minimum,
            "free_run": self.free_run,
            "record": self.record,
            "period": self.period,
            "row": layout.row,
            "pilots": layout.pilots,
            "spacing": layout.pilot_spacing,
            "vacuum": layout.vacuum,
            "timing_shift": self.timing_shift,
            "offset_shift": self.offset_shift,
            "phase_shift": self.phase_shift,
            "scale_x": self.scale[0],
            "scale_p": self.scale[1],
            "pilot": self.pilot,
            "mode": self.mode,
            "mode_shift": self.mode_shift,
        }
