"""A simple simulation of the way from drive to ADC, sample by sample.

It covers pulses, delay, loss, phase, noise and converter, for tests and measurements of the
receiver. `models.link.optics` has the physics of the link symbol by symbol; this module adds what
happens within a symbol. All is in shot-noise units with the convention of
`models.link.optics.Detector`: a phase-diverse receiver counts as half its efficiency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import upfirdn

from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSpec, fractional_delay
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout, Slot

FloatArray = npt.NDArray[np.float64]

PAD = 32  # samples by which a delayed pulse may exceed the designed one at each end


@dataclass(frozen=True)
class SimulatedChannel:
    """Optical channel and detector.

    transmittance: power transmittance. excess_noise, electronic_noise: in SNU.
    delay: in samples.
    linewidth: the laser's linewidth (FWHM) times the symbol time; the phase is a Wiener process of
        variance 2π·linewidth per symbol.
    phase: phase in rad at the first sample.
    shot_noise: standard deviation of a sample of vacuum, in ADC steps. adc_offset: in ADC steps.
    noise: whether there is any noise.

    Raises `RangeError` for a value out of range.
    """

    transmittance: float = 1.0
    excess_noise: float = 0.0
    efficiency: float = 1.0
    electronic_noise: float = 10**-1.5
    delay: float = 0.0
    linewidth: float = 0.0
    phase: float = 0.0
    shot_noise: float = 256.0
    adc_offset: float = 0.0
    noise: bool = True

    def __post_init__(self) -> None:
        require("transmittance", self.transmittance, at_least=0, at_most=1)
        require("excess_noise", self.excess_noise, at_least=0)
        require("efficiency", self.efficiency, above=0, at_most=1)
        require("electronic_noise", self.electronic_noise, at_least=0)
        require("delay", self.delay, at_least=0)
        require("linewidth", self.linewidth, at_least=0)
        require("shot_noise", self.shot_noise, above=0)


def framed(
    layout: FrameLayout, rows: npt.ArrayLike, reference: float
) -> npt.NDArray[np.complex128]:
    """Symbols of frames, shape (frames, layout.length), from `rows` (frames, layout.row).

    `reference` is the quadrature of preamble and pilots in √SNU, like the rows.
    """
    given = np.asarray(rows, dtype=np.complex128)
    frames = np.empty((len(given), layout.length), dtype=np.complex128)
    signs = layout.references() * reference
    frames[:] = signs[0] + 1j * signs[1]
    frames[:, layout.slots() == Slot.ROW] = given
    return frames


def waveform(
    spec: DigitiserSpec, symbols: npt.ArrayLike, delay: float
) -> npt.NDArray[np.complex128]:
    """Samples (n,) of a stream of symbols as pulses of unit energy, `delay` samples late.

    The pulse of symbol k begins at sample L·k + delay, with L samples a symbol.
    """
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    whole = int(np.floor(delay))
    padded = np.concatenate([np.zeros(PAD), designed, np.zeros(PAD)])
    taps = fractional_delay(padded, delay - whole) if delay != whole else padded
    sent = upfirdn(taps, np.asarray(symbols).ravel(), up=spec.samples_per_symbol)
    return np.concatenate([np.zeros(whole), sent])[PAD:]


def detect(
    spec: DigitiserSpec,
    channel: SimulatedChannel,
    samples: npt.NDArray[np.complex128],
    rng: np.random.Generator,
    light: bool = True,
) -> FloatArray:
    """Voltages in ADC steps before conversion, shape (quadratures, n).

    If `light` is False, the record is dark: it has electronic noise but no shot noise.
    """
    share = channel.efficiency / spec.quadratures
    field = samples * np.sqrt(share * channel.transmittance)
    if channel.linewidth > 0:
        step = np.sqrt(2 * np.pi * channel.linewidth / spec.samples_per_symbol)
        field = field * np.exp(1j * np.cumsum(rng.normal(0, step, len(field))))
    field = field * np.exp(1j * channel.phase)
    voltage = np.stack([field.real, field.imag][: spec.quadratures])
    if channel.noise:
        optical = 1 + share * channel.excess_noise if light else 0.0
        deviation = np.sqrt(optical + channel.electronic_noise)
        voltage = voltage + rng.normal(0, deviation, voltage.shape)
    return voltage * channel.shot_noise + channel.adc_offset


def convert(spec: DigitiserSpec, voltage: npt.ArrayLike) -> IntArray:
    """ADC words in two's complement, as unsigned integers, of the shape of `voltage` (ADC steps).

    Like a converter, this saturates at the ends of the range.
    """
    code = np.rint(np.asarray(voltage)).astype(np.int64)
    code = np.clip(code, spec.sample.lowest, spec.sample.highest)
    return code & ((1 << spec.adc_bits) - 1)
