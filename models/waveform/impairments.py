"""What a real link does to the light, one setting for each cause; the default is the ideal link."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Detector, Link

_OF_A_WAY = ("transmittance", "delay", "unmatched", "drift", "phase")
LONGEST = 1 << 20  # samples of delay: 8 ms at 125 MS/s


@dataclass(frozen=True)
class Impairments:
    """Imperfections between DAC and ADC. Immutable; a bad value raises `RangeError`.

    driver_bandwidth: of the modulator's driver (3 dB, one pole), in DAC sample rates; inf for none.
    sampling: where in the DAC's hold the light is sampled, in [0, 1); it matters only while the
        driver settles.
    extinction: of each Mach-Zehnder, dB of optical power between its largest field and its null.
    bias_error: voltage by which the null of I and Q is off from what the drive is set to, fraction
        of the DAC's full scale.
    half_wave_error: relative error of Vπ of I and Q.
    imbalance: relative excess of the fields of I and Q.
    quadrature_error: rad by which I and Q are not at right angles.
    transmittance_out, transmittance_back: power transmittance of either way, in (0, 1].
    delay_out, delay_back: samples of either way's fibre.
    excess_noise: technical noise (SNU) added on the way back.
    linewidth: of the laser (FWHM) times the symbol time.
    unmatched_out, unmatched_back: symbols by which the local oscillator's path to the client, to
        the server, is shorter than the light's. The laser's phase wanders for that time.
    drift_out, drift_back: rad per symbol by which the fibres' phases move.
    phase_out, phase_back: rad at the first sample.
    angle_error: rms error (rad) of every angle of the client's mesh, drawn once for a chip, apart
        for U and U†.
    client_efficiency, server_efficiency: of the detectors, in (0, 1].
    client_electronic_noise, server_electronic_noise: SNU behind the detector, trusted.
    detector_bandwidth: 3 dB, one pole, in ADC sample rates; inf for none.
    adc_offset: of every ADC, in steps.
    """

    driver_bandwidth: float = math.inf
    sampling: float = 0.0
    extinction: float = math.inf
    bias_error: tuple[float, float] = (0.0, 0.0)
    half_wave_error: tuple[float, float] = (0.0, 0.0)
    imbalance: tuple[float, float] = (0.0, 0.0)
    quadrature_error: float = 0.0
    transmittance_out: float = 1.0
    transmittance_back: float = 1.0
    delay_out: int = 0
    delay_back: int = 0
    excess_noise: float = 0.0
    linewidth: float = 0.0
    unmatched_out: float = 0.0
    unmatched_back: float = 0.0
    drift_out: float = 0.0
    drift_back: float = 0.0
    phase_out: float = 0.0
    phase_back: float = 0.0
    angle_error: float = 0.0
    client_efficiency: float = 1.0
    server_efficiency: float = 1.0
    client_electronic_noise: float = 0.0
    server_electronic_noise: float = 0.0
    detector_bandwidth: float = math.inf
    adc_offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("driver_bandwidth", "detector_bandwidth", "extinction"):
            value = getattr(self, name)
            if value != math.inf:
                require(name, value, above=0)
        require("sampling", self.sampling, at_least=0, below=1)
        for name in ("bias_error", "half_wave_error", "imbalance"):
            pair = getattr(self, name)
            if len(pair) != 2:
                raise RangeError(f"{name} has {len(pair)} numbers; allowed: 2, for I and Q")
            require(name, pair, above=-1, below=1)
        require("quadrature_error", self.quadrature_error, above=-math.pi / 2, below=math.pi / 2)
        for way in ("out", "back"):
            given = {n: getattr(self, f"{n}_{way}") for n in _OF_A_WAY}
            require(f"transmittance_{way}", given["transmittance"], above=0, at_most=1)
            require(f"delay_{way}", given["delay"], at_least=0, at_most=LONGEST, integer=True)
            require(f"unmatched_{way}", given["unmatched"], at_least=0, at_most=LONGEST)
            require(f"drift_{way}", given["drift"])
            require(f"phase_{way}", given["phase"])
        for party in ("client", "server"):
            require(f"{party}_efficiency", getattr(self, f"{party}_efficiency"), above=0, at_most=1)
            noise = f"{party}_electronic_noise"
            require(noise, getattr(self, noise), at_least=0)
        require("excess_noise", self.excess_noise, at_least=0)
        require("linewidth", self.linewidth, at_least=0)
        require("angle_error", self.angle_error, at_least=0, at_most=math.pi)
        require("adc_offset", self.adc_offset)

    @property
    def transmittance(self) -> float:
        """Power transmittance of the whole loop."""
        return self.transmittance_out * self.transmittance_back

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the settings that differ from the ideal link's."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)

    def without(self, *names: str) -> Impairments:
        """The same with some of them switched off. `RangeError` for a name that is none."""
        ideal = Impairments()
        for name in names:
            if not hasattr(ideal, name):
                raise RangeError(f"impairment = {name!r} is none of {', '.join(vars(ideal))}")
        return replace(self, **{name: getattr(ideal, name) for name in names})

    @property
    def channel(self) -> Channel:
        """The symbol-level channel, with what it knows of these: loss, noise and detectors."""
        return Channel(
            transmittance_out=self.transmittance_out,
            transmittance_back=self.transmittance_back,
            excess_noise=self.excess_noise,
            client_detector=Detector(self.client_efficiency, self.client_electronic_noise),
            server_detector=Detector(self.server_efficiency, self.server_electronic_noise),
        )

    def link(self, gain: float, *, photons: float | None = None, f2: float | None = None) -> Link:
        """Light through that channel, see `Link.through`."""
        return Link.through(self.channel, gain, photons=photons, f2=f2)

    def over(self, channel: Channel) -> Impairments:
        """The same with loss, technical noise and detectors of a symbol-level channel.

        Raises `RangeError` for a phase error: here phase comes from laser and fibre.
        """
        if channel.phase_error:
            raise RangeError(
                f"phase error = {channel.phase_error:g} is outside [0, 0]: at waveform level phase "
                "comes from linewidth, unmatched paths and drift"
            )
        return replace(
            self,
            transmittance_out=channel.transmittance_out,
            transmittance_back=channel.transmittance_back,
            excess_noise=channel.excess_noise,
            client_efficiency=channel.client_detector.efficiency,
            server_efficiency=channel.server_detector.efficiency,
            client_electronic_noise=channel.client_detector.electronic_noise,
            server_electronic_noise=channel.server_detector.electronic_noise,
        )


# Effects that one thinks of as one, for budgets: each is switched off as a whole.
GROUPS: dict[str, tuple[str, ...]] = {
    "driver bandwidth": ("driver_bandwidth", "sampling"),
    "extinction": ("extinction",),
    "modulator bias": ("bias_error",),
    "modulator Vπ": ("half_wave_error",),
    "I/Q balance": ("imbalance",),
    "I/Q angle": ("quadrature_error",),
    "loss": ("transmittance_out", "transmittance_back"),
    "technical noise": ("excess_noise",),
    "laser linewidth": ("linewidth", "unmatched_out", "unmatched_back"),
    "fibre drift": ("drift_out", "drift_back"),
    "beam-splitter angles": ("angle_error",),
    "detector efficiency": ("client_efficiency", "server_efficiency"),
    "electronic noise": ("client_electronic_noise", "server_electronic_noise"),
    "detector bandwidth": ("detector_bandwidth",),
    "ADC offset": ("adc_offset",),
}
