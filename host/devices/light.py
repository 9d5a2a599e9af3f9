"""A server's node with simulated light, so that a bench can be tried without optics.

The models of the node play, and what their drive sends comes back through a lossy fibre: with shot
noise, excess noise, a phase that wanders, and the detectors' electronic noise. It is the light of
one node alone, without a client; `shotveil lab light` simulates two nodes with all their optics.

The URL is light:server, or light:server?SETTING=VALUE&SETTING=VALUE with the fields of
`FibreSettings`: light:server?transmittance=0.9&excess_noise=0.02. `samples_per_symbol` sets how
long a symbol of the node lasts, 2 or 4 samples, unless the node's spec is given.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl

import numpy as np

from shotveil.host.devices.device import require_no_plant, spec_of_role
from shotveil.host.devices.model import ModelDevice
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, to_float
from shotveil.models.node.chain import Plant
from shotveil.models.node.spec import NodeSpec

SAMPLES = "samples_per_symbol"


@dataclass(frozen=True)
class FibreSettings:
    """The light between a node's drive and its own receiver.

    transmittance: Power transmittance in [0, 1].
    excess_noise: Excess noise in SNU at the returned mode, ≥ 0.
    full_scale: Quadrature in √SNU of a symbol of 1 at the drive's full scale, > 0.
    drift: Standard deviation of the phase's steps in rad per √sample, ≥ 0.
    efficiency: Efficiency of the detectors in (0, 1].
    electronic_noise: Electronic noise of the detectors in SNU, ≥ 0.
    step: ADC steps per √SNU, > 0.
    half_wave: Half-wave voltage Vπ of both arms over the DAC's full scale, in [0.5, 1.5].
    bias: Voltage of both arms' null over the DAC's full scale, in [-0.5, 0.5].
    delay: Samples from a DAC code to its light at the ADC, 0 to 4096.
    seed: Seed of the noise, ≥ 0.

    Raises `RangeError` for a value out of range.
    """

    transmittance: float = 0.96
    excess_noise: float = 0.003
    full_scale: float = 24.0
    drift: float = 5e-6
    efficiency: float = 1.0
    electronic_noise: float = 0.03
    step: float = 128.0
    half_wave: float = 0.92
    bias: float = 0.02
    delay: int = 100
    seed: int = 1

    def __post_init__(self) -> None:
        require("transmittance", self.transmittance, at_least=0, at_most=1)
        for name in ("excess_noise", "drift", "electronic_noise"):
            require(name, getattr(self, name), at_least=0)
        require("full_scale", self.full_scale, above=0)
        require("efficiency", self.efficiency, above=0, at_most=1)
        require("step", self.step, above=0)
        require("half_wave", self.half_wave, at_least=0.5, at_most=1.5)
        require("bias", self.bias, at_least=-0.5, at_most=0.5)
        require("delay", self.delay, at_least=0, at_most=4096, integer=True)
        require("seed", self.seed, at_least=0, integer=True)


class SimulatedFibre:
    """A `Plant` for a server's node. Settings and shutters may change between two batches."""

    def __init__(self, spec: NodeSpec, settings: FibreSettings | None = None) -> None:
        self.settings = settings or FibreSettings()
        self.signal = self.oscillator = True  # whether their light is let through
        self._spec = spec
        self._rng = np.random.default_rng(self.settings.seed)
        self._phase = 0.3
        self._way: IntArray = np.zeros((2, self.settings.delay), np.int64)

    def __call__(self, codes: IntArray) -> IntArray:
        """ADC words (2, n) for the next DAC codes (2, n)."""
        now, count = self.settings, codes.shape[1]
        on = np.concatenate([self._way, codes], axis=1)
        self._way = on[:, count:]
        field = np.zeros(count, np.complex128)
        phase = self._phase + np.cumsum(now.drift * self._rng.standard_normal(count))
        self._phase = float(phase[-1]) if count else self._phase
        if self.signal:
            drive = self._spec.drive
            voltages = to_float(on[:, :count], drive.dac)
            arms = np.sin(np.pi / 2 * (voltages - now.bias) / now.half_wave)
            size = now.full_scale / np.sqrt(np.sum(to_float(drive.pulse(), drive.coefficient) ** 2))
            field = (arms[0] + 1j * arms[1]) * size * np.exp(1j * phase)
        # Both quadratures are measured at once, each on half of the light.
        share = now.efficiency / 2
        variance = now.electronic_noise
        seen = np.zeros_like(field)
        if self.oscillator:
            seen = np.sqrt(share * now.transmittance) * field
            variance += 1 + share * now.excess_noise * self.signal
        noise = np.sqrt(variance) * self._rng.standard_normal((2, count))
        digitiser = self._spec.digitiser
        half = 1 << (digitiser.adc_bits - 1)
        values = np.rint(now.step * (np.stack([seen.real, seen.imag]) + noise))
        words: IntArray = np.clip(values, -half, half - 1).astype(np.int64) & (2 * half - 1)
        return words


class LightDevice(ModelDevice):
    """The models of a server's node with simulated light, and shutters for its calibration."""

    def __init__(
        self, spec: NodeSpec, settings: FibreSettings | None = None, name: str = ""
    ) -> None:
        self.fibre = SimulatedFibre(spec, settings)
        super().__init__(spec, self.fibre, name or "light:server")

    def shutter(self, *, signal: bool, oscillator: bool) -> None:
        """Let the light of the signal and of the local oscillator through, or block it."""
        self.fibre.signal, self.fibre.oscillator = signal, oscillator

    def change(self, **values: float) -> None:
        """Change settings of the fibre. Raises `RangeError` for a value out of range."""
        self.fibre.settings = replace(self.fibre.settings, **values)  # type: ignore[arg-type]


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> LightDevice:
    """Open a node with simulated light, for light:server or light:server?SETTING=VALUE.

    Raises `RangeError` for a client's node and for settings that do not exist or are out of range.
    """
    url = f"light:{where}"
    require_no_plant(url, plant)
    role, _, query = where.partition("?")
    if role != "server":
        raise RangeError(
            f"device = {url!r} is no node with light of its own; allowed: light:server"
        )
    usual = FibreSettings()
    known = {field.name: type(getattr(usual, field.name)) for field in fields(usual)}
    known[SAMPLES] = int
    given: dict[str, float] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise RangeError(f"device = {url!r} sets {name!r}; allowed: {', '.join(known)}")
        try:
            given[name] = known[name](text)
        except ValueError:
            raise RangeError(f"{name} = {text!r} of {url!r} is no number") from None
    samples = given.pop(SAMPLES, None)
    if samples is not None:
        if spec is not None:
            raise RangeError(f"device = {url!r} sets {SAMPLES!r} and is given a spec, which has it")
        spec = NodeSpec.chosen("server", samples_per_symbol=int(samples))
    return LightDevice(spec_of_role(url, role, spec), FibreSettings(**given), url)  # type: ignore[arg-type]
