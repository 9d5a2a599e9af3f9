"""A batch on a whole node: from rows to DAC codes, through the optics, to sums and values.

This is the integer model of `gateware.node.chain` for rows that arrive in time, so that frames
follow each other without a pause. Time is counted in samples from the end of the receiver's reset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser import chain as receiver
from shotveil.models.digitiser import phase_lock
from shotveil.models.digitiser.chain import Received
from shotveil.models.digitiser.spec import ROW, DigitiserSettings
from shotveil.models.digitiser.timing import PATIENCE, Frame
from shotveil.models.drive import chain as drive
from shotveil.models.drive.chain import DriveOutput
from shotveil.models.drive.spec import DriveRegisters, DriveSettings, registers
from shotveil.models.node import capture, replay
from shotveil.models.node.replay import Flights
from shotveil.models.node.spec import NodeSpec

# Codes after the last frame until the output is switched off; they hold the arms at their null.
NULL = 100

# A plant takes DAC codes of shape (2, n), one pair per clock, to ADC words of shape
# (quadratures, n). It is called again with each following block, and keeps what is still in flight.
Plant = Callable[[IntArray], IntArray]


class Loopback:
    """A plant that returns the DAC codes as ADC words `delay` samples later, as `looped` does.

    Raises `RangeError` for a delay that is negative, above 2^24 or not an integer.
    """

    def __init__(self, spec: NodeSpec, delay: int = 0):
        require("delay", delay, at_least=0, at_most=1 << 24, integer=True)
        self._spec = spec
        self._way: IntArray = np.zeros((2, delay), dtype=np.int64)

    def __call__(self, codes: IntArray) -> IntArray:
        """ADC words (quadratures, n) for the next codes (2, n)."""
        on = np.concatenate([self._way, codes], axis=1)
        self._way = on[:, codes.shape[1] :]
        return looped(self._spec, on[:, : codes.shape[1]])


def looped(spec: NodeSpec, codes: npt.ArrayLike) -> IntArray:
    """DAC codes of shape (2, n) as unsigned ADC words of shape (quadratures, n).

    If the DAC has more bits than the ADC, the lowest bits are dropped.
    """
    finer = spec.digitiser.adc_bits - spec.drive.dac_bits
    given = np.asarray(codes, dtype=np.int64)[: spec.digitiser.quadratures]
    scaled = given << finer if finer >= 0 else given >> -finer
    words: IntArray = scaled & ((1 << spec.digitiser.adc_bits) - 1)
    return words


@dataclass(frozen=True)
class NodeSetup:
    """Settings for a batch. `offset` and `taps` are those of `models.digitiser.chain.model`."""

    drive: DriveRegisters
    digitiser: DigitiserSettings = field(default_factory=DigitiserSettings)
    loop: phase_lock.PhaseLockSettings = field(default_factory=phase_lock.PhaseLockSettings)
    loop_delay: int = 0  # samples from a frame's first code to its first ADC word
    lead_in: int = 2  # frames of zeros before the rows
    offset: tuple[int, ...] | None = None
    taps: IntArray | None = None

    def validate(self, spec: NodeSpec) -> None:
        """Raise `RangeError` with value and range for a setting that the node cannot have."""
        self.digitiser.validate(spec.digitiser)
        if self.digitiser.layout != self.drive.layout:
            raise RangeError(
                f"layout = {self.digitiser.layout} of the digitiser is not the drive's "
                f"{self.drive.layout}"
            )
        if self.drive.angle and spec.store:
            raise RangeError("angle = True; allowed in a node that keeps rows: False")
        require("lead_in", self.lead_in, at_least=0, below=1 << 16, integer=True)
        frame = 2 * self.digitiser.period
        limit = min(spec.drive.samples_per_symbol * spec.replay - frame, replay.FLIGHTS * frame)
        require("loop_delay", self.loop_delay, at_least=0, at_most=max(limit, 0), integer=True)

    @classmethod
    def of(cls, spec: NodeSpec, settings: DriveSettings, **more: object) -> NodeSetup:
        """Make the setup from drive `settings` in physical units; `more` are the other fields."""
        return cls(registers(spec.drive, settings), **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Heard:
    """What a node computes from the ADC words.

    received: all results of the receiver; its `sums.session` and `sums.modes` are what the ports
        SESSION and MODES give.
    inference: values of mode 1, (quadratures, frames received); bad: whether they are unreliable,
        (frames received,).
    flights: which received frame is which sent frame (in a server only).
    shifter: codes of the phase shifter, one for each good frame (in a client only).
    """

    received: Received
    inference: IntArray
    bad: BoolArray
    flights: Flights
    shifter: IntArray


@dataclass(frozen=True)
class NodeRecord:
    """A batch that was played.

    codes: DAC codes (2, n), one pair per clock. adc: ADC words (quadratures, n).
    first: the clock of the first frame's first code; frames follow without a pause.
    drive: the drive's output, with counts of what it could not send as asked.
    heard: what the node computed from `adc`.
    """

    codes: IntArray
    adc: IntArray
    first: int
    drive: DriveOutput
    heard: Heard

    def capture(self, spec: NodeSpec, frame: int = 0) -> IntArray:
        """The words (capture,) of a raw ADC record that starts with the first code of `frame`."""
        period = self.drive.codes.shape[-1]
        return capture.model(self.adc, self.first + frame * period, spec.capture)


def emit(spec: NodeSpec, setup: NodeSetup, rows: npt.ArrayLike) -> DriveOutput:
    """The codes of a batch's frames, lead-in first; `rows` has shape (rows, 2, row).

    Raises `RangeError` for rows of another shape.
    """
    given = np.asarray(rows, dtype=np.int64)
    if given.ndim != 3:
        raise RangeError(f"rows have shape {given.shape}; allowed: (rows, 2, row)")
    zeros = np.zeros((setup.lead_in, 2, setup.drive.layout.row), dtype=np.int64)
    return drive.model(spec.drive, setup.drive, np.concatenate([zeros, given]))


def hear(
    spec: NodeSpec,
    setup: NodeSetup,
    adc: npt.ArrayLike,
    rows: npt.ArrayLike,
    sent: npt.ArrayLike,
) -> Heard:
    """What the node computes from ADC words `adc` of shape (quadratures, n).

    `sent` are the clocks at which the first codes of the frames left: the lead-in, then one for
    each row. A client's node does not know what the server sent and leaves no frame out, so its
    `rows` and `sent` are ignored.
    """
    given = np.asarray(rows, dtype=np.int64)
    left = np.asarray(sent, dtype=np.int64)
    words = np.asarray(adc, dtype=np.int64)
    server = spec.role == "server"
    found: list[Flights] = []
    # `skip` fills q once the frames are known, before the receiver's model reads it.
    row = setup.drive.layout.row
    q = np.zeros((2, (words.shape[1] // setup.digitiser.period + 2) * row), dtype=np.int64)

    def skip(frames: list[Frame]) -> BoolArray:
        if not server:
            found.append(Flights(np.full(len(frames), -1, dtype=np.int64), 0))
            return np.zeros(len(frames), dtype=np.bool_)
        delay, half = replay.window(spec.digitiser, setup.digitiser, setup.loop_delay)
        came = replay.arrivals(spec.digitiser, [frame.start for frame in frames])
        flights = replay.model(left, came, setup.lead_in, delay, half)
        found.append(flights)
        back = given[flights.belongs[flights.belongs >= 0] - setup.lead_in]
        q[:, : len(back) * row] = back.swapaxes(0, 1).reshape(2, -1)
        return flights.belongs < 0

    got = receiver.model(spec.digitiser, setup.digitiser, words, q, setup.offset, setup.taps, skip)
    wanted = (got.kind == ROW) & (got.index == setup.digitiser.mode)
    shifter = np.zeros(0, dtype=np.int64)
    if not server:
        shifter, _ = phase_lock.model(spec.digitiser, setup.loop, got.phases.angle, got.phases.bad)
    return Heard(
        received=got,
        inference=got.value[: spec.digitiser.quadratures, wanted],
        bad=(got.over | got.saturated | got.lost)[wanted],
        flights=found[0],
        shifter=shifter,
    )


def play(
    spec: NodeSpec,
    setup: NodeSetup,
    rows: npt.ArrayLike,
    plant: Plant | None = None,
    lead: int = 1024,
) -> NodeRecord:
    """Play a batch of `rows`, shape (rows, 2, row) in `spec.drive.symbol`, through a plant.

    The default plant is the loopback without delay. `lead` is the time in samples from the
    receiver's reset to the first code. After the last frame the node listens until the receiver has
    given up. Raises `RangeError` for a setup that the node cannot have, and for a plant that
    returns words of the wrong shape.
    """
    setup.validate(spec)
    require("lead", lead, at_least=0, integer=True)
    out = emit(spec, setup, rows)
    frames = len(out.codes)
    n = frames * out.codes.shape[-1]
    # Time for the receiver to lose frames until it searches again, and for samples in flight.
    tail = (PATIENCE + 4) * setup.digitiser.period + setup.loop_delay + spec.digitiser.delay
    codes = np.zeros((2, lead + n + tail), dtype=np.int64)
    codes[:, lead : lead + n] = out.codes.swapaxes(0, 1).reshape(2, n)
    if n and not out.tripped:
        codes[:, lead + n : lead + n + NULL] = out.codes[-1, :, -1:]
    adc = np.asarray((plant or Loopback(spec))(codes), dtype=np.int64)
    if adc.shape != (spec.digitiser.quadratures, codes.shape[1]):
        raise RangeError(
            f"plant gave words of shape {adc.shape}; allowed: "
            f"{(spec.digitiser.quadratures, codes.shape[1])}"
        )
    sent = lead + setup.digitiser.period * np.arange(frames)
    return NodeRecord(codes, adc, lead, out, hear(spec, setup, adc, rows, sent))
