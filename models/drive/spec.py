"""The parameters of the drive that are fixed when it is built, and its settings.

`DriveSpec` holds every width, length and table size; model and gateware are both made from it.
`DriveSettings` are the registers in physical units; `registers` gives their raw integers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, Q, quantise
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout

ARMS = ("i", "q")
PLAIN = ("scale", "reference", "angle", "stop_on_fault", "stop_on_saturation")  # one port each
PER_ARM = ("gain", "half_wave", "bias")  # a port for each arm
MULTIPLIER_WIDTH = 18  # the narrower input of the two DSP blocks


@dataclass(frozen=True)
class DriveSpec:
    """Everything about the drive that is fixed in hardware.

    Raises `RangeError` for a value out of range and for formats that do not fit each other.
    """

    samples_per_symbol: int = 4  # DAC samples per symbol; 125 MS/s then carry 31.25 Mbaud
    taps: int = 32  # taps of the pulse; they fill whole symbols
    rolloff: float = 0.5  # roll-off of the pulse loaded at start; see models.signal.pulse
    symbol: Q = Q(1, 15)  # quadratures as the host sends them
    scale: Q = Q(2, 16)  # registers of the layer's s and of the reference level
    scaled: Q = Q(1, 17)  # symbols after the scaling, as wide as a multiplier's input
    coefficient: Q = Q(2, 16)  # taps; the format holds 1, which the hold of angle mode needs
    sample: Q = Q(1, 17)  # shaped samples, in units of the largest field
    gain: Q = Q(2, 16)  # register: correction of an arm's field
    arcsine_segments: int = 512  # segments of the table over [0, 1); 512 × 36 bits fill a block RAM
    phase: Q = Q(1, 17)  # modulator phase, in units of π/2
    half_wave: Q = Q(2, 16)  # register: Vπ over the DAC's full scale
    bias: Q = Q(1, 17)  # register: null voltage over the DAC's full scale
    voltage: Q = Q(3, 17)  # before the DAC; it holds Vπ·phase + bias for any register values
    dac_bits: int = 14
    row_capacity: int = 4096  # symbols in the row buffer and in the angle table: 8 block RAMs each
    counter_bits: int = 32  # width of event counters, which saturate

    def __post_init__(self) -> None:
        pulse.require_shape(self.samples_per_symbol, self.taps)
        require("rolloff", self.rolloff, above=0, at_most=1)
        require("dac_bits", self.dac_bits, at_least=8, at_most=16, integer=True)
        require("row_capacity", self.row_capacity, at_least=4, at_most=4096, integer=True)
        require("counter_bits", self.counter_bits, at_least=8, at_most=48, integer=True)
        _require_power_of_two("row_capacity", self.row_capacity)
        _require_power_of_two("arcsine_segments", self.arcsine_segments)
        require("arcsine_segments", self.arcsine_segments, at_least=64, at_most=4096)
        for name in ("scale", "scaled", "coefficient", "sample", "gain", "phase", "half_wave"):
            width = getattr(self, name).width
            require(f"width of {name}", width, at_least=12, at_most=MULTIPLIER_WIDTH)
        require("width of symbol", self.symbol.width, at_least=12, at_most=MULTIPLIER_WIDTH)
        for name in ("symbol", "scaled", "sample", "phase", "bias"):
            require(f"integer bits of {name}", getattr(self, name).integer, at_least=1, at_most=1)
        for name in ("scale", "coefficient", "gain", "half_wave"):
            require(f"integer bits of {name}", getattr(self, name).integer, at_least=2, at_most=4)
        for name in ("scale", "scaled", "coefficient", "sample", "gain", "phase", "half_wave",
                     "symbol", "bias", "voltage"):  # fmt: skip
            if not getattr(self, name).signed:
                raise RangeError(f"{name} = {getattr(self, name)} is unsigned; allowed: signed")
        # Otherwise Vπ·phase + bias could leave the format.
        require(
            "integer bits of voltage", self.voltage.integer, at_least=self.half_wave.integer + 1
        )
        low = max(self.dac_bits - 1, self.bias.fraction)
        require("fraction bits of voltage", self.voltage.fraction, at_least=low, at_most=30)
        require("fraction bits of phase", self.phase.fraction, at_least=self.dac_bits - 1)
        if self.segment_bits < 1:
            raise RangeError(
                f"arcsine_segments = {self.arcsine_segments} leave nothing to interpolate in "
                f"samples of {self.sample}"
            )

    @property
    def span(self) -> int:
        """Length of the pulse in symbols; the shaping has as many multipliers per quadrature."""
        return self.taps // self.samples_per_symbol

    @property
    def request(self) -> Q:
        """Format of gain · sample, before the check that the modulator can reach it."""
        return Q(self.gain.integer + self.sample.integer, self.sample.fraction)

    @property
    def segment_bits(self) -> int:
        """Bits of a request's magnitude that give its place within an arcsine segment."""
        return self.sample.fraction - (self.arcsine_segments - 1).bit_length()

    @property
    def dac(self) -> Q:
        """Format of the DAC codes."""
        return Q(1, self.dac_bits - 1)

    @property
    def length_width(self) -> int:
        """Bits of a register that holds a section's length."""
        return 13

    def pulse(self) -> IntArray:
        """Integer taps of the pulse that the drive starts with, shape (taps,)."""
        designed = pulse.design(self.samples_per_symbol, self.taps, self.rolloff)
        return pulse.coefficients(designed, self.samples_per_symbol, self.coefficient)

    def hold(self) -> IntArray:
        """Integer taps that hold each symbol for its samples: the pulse of the angle mode."""
        return pulse.hold(self.samples_per_symbol, self.taps, self.coefficient)


@dataclass(frozen=True)
class Arm:
    """One Mach-Zehnder of the modulator, biased at null: field = gain⁻¹·sin(π(V − bias)/(2·Vπ)).

    `half_wave` is Vπ and `bias` the voltage of the null, both as fractions of the DAC's full-scale
    amplitude. `gain` multiplies the requested field, to balance the two arms.
    """

    half_wave: float = 0.9
    bias: float = 0.0
    gain: float = 1.0


@dataclass(frozen=True)
class DriveSettings:
    """The drive's registers.

    `scale` is the layer's s, the factor from the host's symbols to the pulse amplitude;
    `reference` is the level of each quadrature of preamble and pilots, on the same axis.
    `angle` sends a table of beam-splitter angles (in units of π/2) instead of rows of weights.
    `coefficients` None means the pulse of the spec, or a hold in angle mode.
    """

    layout: FrameLayout = field(default_factory=FrameLayout)
    scale: float = 1.0
    reference: float = 0.7
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    angle: bool = False
    coefficients: tuple[int, ...] | None = None
    stop_on_fault: bool = True  # zero output after a symbol that could not be sent as asked
    stop_on_saturation: bool = True  # zero output after the DAC saturated


@dataclass(frozen=True)
class DriveRegisters:
    """Raw integers of `DriveSettings`.

    Arrays have shape (2,), one entry per quadrature; `coefficients` has shape (taps,).
    """

    layout: FrameLayout
    scale: int
    reference: int
    gain: IntArray
    half_wave: IntArray
    bias: IntArray
    angle: bool
    coefficients: IntArray
    stop_on_fault: bool
    stop_on_saturation: bool

    def ports(self) -> dict[str, int]:
        """Values of the drive's setting ports, by name; the taps have no such port."""
        values: dict[str, int] = {n: getattr(self.layout, n) for n in FrameLayout.names()}
        values |= {name: int(getattr(self, name)) for name in PLAIN}
        for name in PER_ARM:
            for arm, value in zip(ARMS, getattr(self, name), strict=True):
                values[f"{name}_{arm}"] = int(value)
        return values

    @classmethod
    def of_ports(cls, ports: Mapping[str, int], coefficients: IntArray) -> DriveRegisters:
        """The registers that give these values at the ports, with taps of shape (taps,)."""
        return cls(
            layout=FrameLayout(**{name: ports[name] for name in FrameLayout.names()}),
            coefficients=coefficients,
            scale=ports["scale"],
            reference=ports["reference"],
            angle=bool(ports["angle"]),
            stop_on_fault=bool(ports["stop_on_fault"]),
            stop_on_saturation=bool(ports["stop_on_saturation"]),
            **{name: np.array([ports[f"{name}_{arm}"] for arm in ARMS]) for name in PER_ARM},
        )


def registers(spec: DriveSpec, settings: DriveSettings) -> DriveRegisters:
    """Raw registers for physical settings.

    Raises `RangeError` with value and range for a setting that the drive cannot have.
    """
    layout = settings.layout
    require("row", layout.row, at_least=1, at_most=spec.row_capacity)
    # The pulse must have decayed before the next frame starts.
    require("guard", layout.guard, at_least=spec.span)
    require("scale", settings.scale, at_least=0)
    require("reference", settings.reference, at_least=0)
    for arm in settings.arms:
        require("half_wave", arm.half_wave, above=0)
        # The null must be within reach of the DAC.
        require("bias", arm.bias, above=-1 + spec.dac.lsb, below=1 - spec.dac.lsb)
        require("gain", arm.gain, above=0)
    if settings.coefficients is None:
        taps = spec.hold() if settings.angle else spec.pulse()
    else:
        taps = np.array(settings.coefficients, dtype=np.int64)
        if taps.shape != (spec.taps,):
            raise RangeError(f"coefficients has shape {taps.shape}; allowed: ({spec.taps},)")
        lowest, highest = spec.coefficient.lowest, spec.coefficient.highest
        require("coefficients", taps, at_least=lowest, at_most=highest)

    def per_arm(name: str, to: Q) -> IntArray:
        return quantise([getattr(arm, name) for arm in settings.arms], to, name=name)

    # Stored symbols of preamble and pilots have quadratures of ±½.
    twice = settings.reference * 2
    require("reference", settings.reference, at_most=(spec.scale.highest * spec.scale.lsb) / 2)
    return DriveRegisters(
        layout=layout,
        scale=int(quantise(settings.scale, spec.scale, name="scale")),
        reference=int(quantise(twice, spec.scale, name="reference")),
        gain=per_arm("gain", spec.gain),
        half_wave=per_arm("half_wave", spec.half_wave),
        bias=per_arm("bias", spec.bias),
        angle=settings.angle,
        coefficients=taps,
        stop_on_fault=settings.stop_on_fault,
        stop_on_saturation=settings.stop_on_saturation,
    )


@dataclass(frozen=True)
class ArcsineTable:
    """Chords of (2/π)·arcsin over equal segments of [0, 1).

    In segment k, at fraction f of it, the phase is
    value[k]·2^−value_bits + slope[k]·f·2^−(value_bits + slope_shift).
    """

    value: IntArray
    slope: IntArray
    value_bits: int
    slope_shift: int


@functools.cache
def arcsine_table(spec: DriveSpec) -> ArcsineTable:
    """The table that model and gateware use.

    Each chord is lowered by half of its largest distance from the curve, which halves the error.
    """
    value_bits = slope_bits = MULTIPLIER_WIDTH
    edges = np.arange(spec.arcsine_segments + 1) / spec.arcsine_segments
    curve = np.arcsin(edges) * 2 / np.pi
    chord = np.diff(curve)
    # A chord is furthest above the curve where the two are parallel: 1/√(1 − u²) = π/2·slope.
    slope = chord * spec.arcsine_segments
    touch = np.sqrt(np.maximum(1 - (2 / (np.pi * slope)) ** 2, 0))
    above = curve[:-1] + slope * (touch - edges[:-1]) - np.arcsin(touch) * 2 / np.pi
    drop = np.maximum(above, 0) / 2
    # The last chord must stay below 1, because the phase format cannot hold 1.
    start = np.minimum(curve[:-1] - drop, 1 - spec.phase.lsb - chord)
    # The steepest segment limits the resolution of the stored slopes; one bit is the sign.
    largest = chord.max() * 2**value_bits
    slope_shift = int(np.floor(np.log2((2 ** (slope_bits - 1) - 1) / largest)))
    return ArcsineTable(
        value=np.maximum(np.rint(start * 2**value_bits), 0).astype(np.int64),
        slope=np.rint(chord * 2 ** (value_bits + slope_shift)).astype(np.int64),
        value_bits=value_bits,
        slope_shift=slope_shift,
    )


def describe(spec: DriveSpec) -> dict[str, str]:
    """The spec's fields by name, as text; a stable summary for reports and hashes."""
    return {f.name: str(getattr(spec, f.name)) for f in dataclasses.fields(spec)}


def _require_power_of_two(name: str, value: int) -> None:
    require(name, value, at_least=1, integer=True)
    if value & (value - 1):
        raise RangeError(f"{name} = {value} is not a power of two")
