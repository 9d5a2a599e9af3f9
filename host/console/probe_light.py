"""Test light: random rows through a node, and what returns of them.

The rows are drawn afresh and hold no weights, so the light tells nobody anything. They are judged
as a server judges a client's light, by `host.verification`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shotveil.host.devices.node import BatchResult, Node, unpack_marked
from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.estimation import Calibration, statistics
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.host.verification.tolerance import tolerated
from shotveil.host.verification.verdict import Verification, verify
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import Arm, DriveSettings
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.node.light import (
    LEAD_IN,
    REFERENCE,
    layout_of,
    receiver_settings,
    symbol_unit,
)
from shotveil.models.node.ports import ReadPort
from shotveil.models.signal.frame import FrameLayout

MOST_PHASES = 4096
DECLARED = ChannelEstimate(0.96, 0.003)


@dataclass(frozen=True)
class BenchSettings:
    """What a bench is told of its light, and how much of it a measurement takes.

    full_scale: Quadrature in √SNU at the node's output of a symbol of 1 at drive scale 1, > 0; it
        needs a power meter.
    declared: Transmittance in (0, 1] and excess noise (SNU, ≥ 0) that the light should have.
    efficiency: Efficiency of the detectors in (0, 1].
    level: Size of the rows relative to the largest field, in (0, 1].
    rows, modes: Rows of a batch, and modes of a row, ≥ 1.
    batches: Batches over which the estimates are taken, ≥ 1.

    Raises `RangeError` for a value out of range.
    """

    full_scale: float = 24.0
    declared: ChannelEstimate = DECLARED
    efficiency: float = 1.0
    level: float = 0.3
    rows: int = 30
    modes: int = 120
    batches: int = 24

    def __post_init__(self) -> None:
        require("full scale", self.full_scale, above=0)
        require("transmittance", self.declared.transmittance, above=0, at_most=1)
        require("excess noise", self.declared.excess_noise, at_least=0)
        require("efficiency", self.efficiency, above=0, at_most=1)
        require("level", self.level, above=0, at_most=1)
        for name in ("rows", "modes", "batches"):
            require(name, getattr(self, name), at_least=1, integer=True)


@dataclass(frozen=True)
class Measured:
    """What one batch of test light showed.

    batch: The node's own results.
    phases: Phase of the pilots in the order in which they came, in rad, unwrapped.
    drift: Their mean slope, in rad/s; None with fewer than two.
    verdict: The judgement over the last batches; None without a calibration.
    limits: The channel that the verdict compares with; None without a calibration.
    """

    batch: BatchResult
    phases: npt.NDArray[np.float64]
    drift: float | None
    verdict: Verification | None
    limits: ChannelEstimate | None


@dataclass(eq=False)
class ProbeLight:
    """Test light through one node.

    receiver, arms, delay: What a calibration found; None and defaults before the first one.
    overrides: Settings of the node, by register, that a person chose instead of the usual ones.
    """

    node: Node
    settings: BenchSettings
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    receiver: Calibration | None = None
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    delay: int | None = None
    scale: int = 1 << 14
    overrides: dict[str, Any] = field(default_factory=dict)
    _sums: deque[SymbolStatistics] = field(default_factory=deque)

    @property
    def layout(self) -> FrameLayout:
        """The frame of the test light."""
        return layout_of(self.settings.modes, self.node.spec.digitiser)

    def digitiser(self) -> DigitiserSettings:
        """Return the receiver's settings, at the scale that is calibrated."""
        spec = self.node.spec
        return receiver_settings(spec.digitiser, spec.drive, self.layout, self.scale)

    def forget(self) -> None:
        """Begin the estimates anew, as after a change of settings."""
        self._sums.clear()

    def configure(self) -> None:
        """Set the node for test light. The delay of the light is measured where it is unknown."""
        level = self.settings.level
        self.node.configure(
            DriveSettings(layout=self.layout, scale=level, reference=REFERENCE, arms=self.arms),
            self.digitiser(),
            loop_delay=self.delay or 0,
            lead_in=LEAD_IN,
        )
        if self.delay is None:
            self.delay = self.node.find_loop_delay(self.rng)
        if self.overrides:
            self.node.registers.set(**self.overrides)

    def measure(self, progress: Callable[[int], None] | None = None) -> Measured:
        """Play a batch of random rows and judge what returned.

        Raises `DeviceError` if the node fails or no light comes back.
        """
        self.configure()
        spec, high = self.node.spec, self.node.spec.drive.symbol.highest
        shape = (self.settings.rows, 2, self.layout.row)
        rows = self.rng.integers(-high, high + 1, shape)
        batch = self.node.play(rows, progress, capture=True)
        phases = self._phases()
        verdict = limits = None
        if self.receiver is not None and spec.role == "server" and not batch.refusals:
            verdict, limits = self._judge(batch, rows, self.receiver)
        return Measured(batch, phases, self._drift(phases), verdict, limits)

    def _phases(self) -> npt.NDArray[np.float64]:
        words = self.node.device.receive(ReadPort.PHASES, MOST_PHASES)
        bits = self.node.spec.digitiser.phase_bits
        angles, bad = unpack_marked(words, bits)
        turns = angles[~bad] * 2.0**-bits
        return np.unwrap(2 * np.pi * turns)

    def _drift(self, phases: npt.NDArray[np.float64]) -> float | None:
        """Return the slope of the phases over time, in rad/s, once the loop has settled."""
        settled = phases[len(phases) // 2 :]
        if len(settled) < 2:
            return None
        layout = self.layout
        symbols = layout.length / (layout.groups * layout.pilots)
        spec = self.node.spec
        seconds = symbols * spec.drive.samples_per_symbol / spec.clock_hz
        places = np.arange(len(settled)) - (len(settled) - 1) / 2
        return float(places @ settled / (places @ places) / seconds)

    def _judge(
        self, batch: BatchResult, rows: IntArray, receiver: Calibration
    ) -> tuple[Verification, ChannelEstimate]:
        scale = self.node.registers.drive_scale.get()
        assert isinstance(scale, float)
        unit = symbol_unit(self.node.spec.drive, self.settings.full_scale, scale)
        spec = self.node.spec.digitiser
        self._sums.append(statistics(spec, batch.session, receiver, unit, rows))
        while len(self._sums) > self.settings.batches:
            self._sums.popleft()
        total = self._sums[0]
        for more in list(self._sums)[1:]:
            total += more
        limits = tolerated(self.settings.declared, receiver, FALSE_ALARM_PROBABILITY / 2)
        found = verify(
            total,
            declared=limits,
            modulation_variance=float(total.qq / total.count),
            receiver=receiver.receiver,
            false_alarm_probability=FALSE_ALARM_PROBABILITY / 2,
        )
        return found, limits
