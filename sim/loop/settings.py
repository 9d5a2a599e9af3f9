"""The settings of a loop of two nodes, and how a network's layer becomes light in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, to_float
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive import chain
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers
from shotveil.models.link.encoding import encode_rows
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer
from shotveil.models.node.light import (
    LEAD_IN,
    LOCK,
    REFERENCE,
    layout_of,
    receiver_settings,
    row_symbols,
    symbol_unit,
)
from shotveil.models.node.spec import CLOCK_HZ, LARGEST_STORE
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.optics import OpticsSetup
from shotveil.sim.loop.pace import paced

REALISTIC = Impairments.realistic()


@dataclass(frozen=True)
class LoopSettings:
    """Both nodes and the optics between them.

    `link` sets gain and light, which a `Loop` replaces by those of each layer; its losses and
    detectors must be those of `impairments` (`of` makes sure of it). `arms` and `electrodes` are
    the settings of the server's and the client's drive. `lead_in` is the number of frames of zeros
    in front of a layer, in which receivers lock. `store` is the number of row symbols that stay at
    the server's node (`NodeSpec.store`); 0 sends all rows over the host link. `step` is the number
    of ADC steps per √SNU. With `vacuum` False there is no quantum noise, which shows distortions
    alone. With `paced`, frames wait for a host link of a byte a clock (`sim.loop.pace`), which the
    compiled nodes have. `clock_hz` is the clock of both nodes, for what is told in seconds.
    """

    link: Link
    impairments: Impairments = field(default_factory=Impairments)
    drive: DriveSpec = field(default_factory=DriveSpec)
    server: DigitiserSpec = field(default_factory=lambda: DigitiserSpec(quadratures=2))
    client: DigitiserSpec = field(default_factory=lambda: DigitiserSpec(quadratures=1))
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    electrodes: tuple[Arm, Arm] = (Arm(), Arm())
    reference: float = REFERENCE
    lead_in: int = LEAD_IN
    store: int = LARGEST_STORE
    step: float = 256.0
    lock: PhaseLockSettings = LOCK
    vacuum: bool = True
    seed: int = 1
    paced: bool = False
    clock_hz: int = CLOCK_HZ

    def __post_init__(self) -> None:
        for receiver in (self.server, self.client):
            if receiver.samples_per_symbol != self.drive.samples_per_symbol:
                raise RangeError(
                    f"samples_per_symbol is {self.drive.samples_per_symbol} in the drive and "
                    f"{receiver.samples_per_symbol} in a receiver; allowed: one for all"
                )
        require("photons", self.link.photons, above=0)
        require("lead_in", self.lead_in, at_least=4, at_most=4096, integer=True)
        require("reference", self.reference, above=0, at_most=1)
        require("step", self.step, at_least=32)
        require("seed", self.seed, at_least=0, integer=True)
        self.lock.validate(self.client)

    @classmethod
    def of(cls, link: Link, impairments: Impairments | None = None, **more: Any) -> LoopSettings:
        """Settings whose optics have the link's losses and detectors, and other impairments."""
        return cls(link=link, impairments=(impairments or Impairments()).over(link), **more)

    def with_samples(self, samples: int) -> LoopSettings:
        """The same optics between nodes whose symbols last so many samples, 2 or 4.

        Raises `RangeError` for any other number.
        """
        DigitiserSpec(samples_per_symbol=samples)
        ratio = samples / self.drive.samples_per_symbol
        return replace(
            self,
            drive=replace(self.drive, samples_per_symbol=samples),
            server=replace(self.server, samples_per_symbol=samples),
            client=replace(self.client, samples_per_symbol=samples),
            impairments=self.impairments.with_symbols(ratio),
        )

    def with_impairments(self, impairments: Impairments) -> LoopSettings:
        """The same light and gain through other optics."""
        gain, photons = self.link.gain, self.link.photons
        return replace(self, impairments=impairments, link=impairments.link(gain, photons=photons))


def realistic(gain: float, f2: float, impairments: Impairments | None = None) -> LoopSettings:
    """Realistic, calibrated optics with the light that gives the client this F²."""
    impairments = impairments or REALISTIC.calibrated()
    return LoopSettings(link=impairments.link(gain, f2=f2), impairments=impairments)


@dataclass(frozen=True, eq=False)
class LayerLight:
    """A layer ready to be sent: everything that does not depend on the client's data.

    `rows` are the raw symbols (frames, 2, modes), the lead-in first. `codes` (2, samples) are those
    of all frames, then of darkness until the last frame has come back. `unit` is √SNU at the
    server's output per raw unit.
    """

    setup: OpticsSetup
    drive: DriveSettings
    rows: IntArray
    codes: IntArray
    starts: list[int]
    unit: float
    scale: float
    server: DigitiserSettings
    client: DigitiserSettings

    @property
    def q(self) -> IntArray:
        """Row symbols of all frames in order, shape (2, frames · modes)."""
        return np.ascontiguousarray(self.rows.transpose(1, 0, 2).reshape(2, -1))


def prepare(settings: LoopSettings, layer: Layer) -> LayerLight:
    """Encode a layer, and set up drives and receivers for it.

    Raises `RangeError` if light or weights exceed what converters and registers hold.
    """
    s, spec = settings, settings.drive
    layout = layout_of(layer.modes, s.server)
    if s.paced:
        layout = paced(layout, spec.samples_per_symbol)
    encoded = encode_rows(layer.weights, s.link.modulation_variance)
    # The light is attenuated so far that the largest weight is the largest symbol.
    largest = encoded.scale * float(np.abs(layer.weights).max())
    unit = symbol_unit(spec, largest / (spec.symbol.highest * spec.symbol.lsb))
    symbols = row_symbols(spec, np.stack([encoded.x, encoded.p], axis=1), unit)
    drive = DriveSettings(layout=layout, reference=s.reference, arms=s.arms)
    raw = registers(spec, drive)
    energy = float(np.sum(to_float(raw.coefficients, spec.coefficient) ** 2))
    amplitude = unit * 2.0**spec.symbol.fraction / (drive.scale * math.sqrt(energy))
    dark = np.zeros((s.lead_in, 2, layer.modes), np.int64)
    rows = np.concatenate([dark, symbols])
    sent = chain.model(spec, raw, rows)
    if sent.clipped or sent.refused or sent.saturated:
        raise RangeError(
            f"drive clipped {sent.clipped}, refused {sent.refused} and saturated {sent.saturated} "
            "samples; allowed: none, lower the scale or the gains of the arms"
        )
    setup = OpticsSetup(
        layout=layout,
        gain=s.link.gain,
        amplitude=amplitude,
        mode=layer.modes // 2,
        impairments=s.impairments,
        drive=spec,
        server=s.server,
        client=s.client,
        arms=s.arms,
        step=s.step,
        span=s.lock.span,
        vacuum=s.vacuum,
    )
    frames = sent.codes.transpose(1, 0, 2).reshape(2, -1)
    # The modulator stays at its null until the last frame has left the receivers.
    after = np.broadcast_to(sent.codes[-1, :, -1:], (2, setup.to_server + 1024))
    level = s.reference * 2.0**spec.symbol.fraction * unit  # √SNU of a reference's quadratures
    require(
        "largest symbol at the server's detectors in √SNU",
        math.sqrt(s.impairments.server_efficiency * s.impairments.transmittance / 2)
        * max(level, unit * float(np.abs(symbols).max())),
        below=s.server.symbol.highest * s.server.symbol.lsb,
    )

    def receiver(digitiser: DigitiserSpec) -> DigitiserSettings:
        scale = round(2.0**digitiser.scale.fraction / s.step)
        return receiver_settings(digitiser, spec, layout, scale, s.reference)

    return LayerLight(
        setup=setup,
        drive=drive,
        rows=rows,
        codes=np.concatenate([frames, after], axis=1),
        starts=[k * setup.period for k in range(len(rows))],
        unit=unit,
        scale=encoded.scale,
        server=receiver(s.server),
        client=receiver(s.client),
    )


def electrode_voltages(settings: LoopSettings, layout: FrameLayout, table: NDArray[Any]) -> Any:
    """What the client's drive makes of an angle table: (2, modes) over full scale.

    Raises `RangeError` for angles that switch the drive off.
    """
    spec = settings.drive
    raw = registers(
        spec,
        DriveSettings(layout=layout, angle=True, reference=0.0, arms=settings.electrodes),
    )
    driven = chain.model(spec, raw, table[None])
    if driven.tripped:
        raise RangeError(
            f"angles from {table.min()} to {table.max()} are beyond the reach of the client's "
            f"drive; allowed: [{-spec.symbol.highest}, {spec.symbol.highest}]"
        )
    (codes,) = driven.codes
    return to_float(angles_in(codes, layout, spec.samples_per_symbol), spec.dac)


def angles_in(codes: IntArray, layout: FrameLayout, samples_per_symbol: int) -> IntArray:
    """The codes (2, modes) that the mesh samples of a frame (2, samples), in mid-symbol."""
    slots = layout.slots()
    (row,) = np.nonzero(slots == Slot.ROW)
    return codes[:, row * samples_per_symbol + samples_per_symbol // 2]
