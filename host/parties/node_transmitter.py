"""The server's end of the light where it has a node: rows out of its drive, sums from its receiver.

A part is played as one batch of the node and is whole in its row buffer before it starts. Parts are
weights or decoys, in secret order, all of the same length; the sums of each are its own, so nothing
in the light tells decoys from weights and nothing in the sums mixes them.

What was sent and did not come back counts as lost: symbols that the receiver had to leave out enter
the sums as vacuum. So does light of a frame that somebody made unreadable.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import BatchResult, Node, of_role
from shotveil.host.parties.calibration import ServerCalibration
from shotveil.host.parties.transmitter import Sums
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.host.run.schedule import Part
from shotveil.host.verification.estimation import COLUMN
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.accumulators import MODE_SUMS
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.node.light import LEAD_IN, REFERENCE, layout_of, parts_of, receiver_settings

PAUSE = 1e-3  # seconds between two looks at a batch that is on


class NodeTransmitter:
    """A `host.parties.transmitter.Transmitter` that plays through a node. Threads may share it.

    `reach` opens the node; it is called again where the node was lost, so that a later session may
    find it back. rng: secret; draws which parts are decoys. Raises `RangeError` if the node there
    is no server's.
    """

    def __init__(
        self, reach: Callable[[], Node], rng: np.random.Generator, calibration: ServerCalibration
    ) -> None:
        self._reach, self._calibration, self._rng = reach, calibration, rng
        self._guard = threading.Lock()
        self._held: dict[str, EncodedRows] = {}
        self._set: tuple[int, float] | None = None  # modes and drive scale that the node has
        self._node: Node | None = of_role(reach(), "server")
        self.spec = self._node.spec

    def close(self) -> None:
        """Switch the light off and let go of the node."""
        with self._guard:
            self._let_go()

    def hold(self, key: str, rows: EncodedRows) -> None:
        try:
            layout_of(rows.modes, self.spec.digitiser)
            self._scale(rows)
        except RangeError as error:
            raise ProtocolError(Refusal.FAILED_PRECONDITION, str(error)) from None
        with self._guard:
            self._held[key] = rows

    def parts(self, rows: EncodedRows, decoys: int, images: int, checks: int) -> Iterator[Part]:
        if (images, checks) != (1, 0):
            raise ProtocolError(
                Refusal.FAILED_PRECONDITION,
                f"images of a batch = {images}, checks = {checks}; allowed: 1 and 0, since this "
                "server sends through a node, and a client's mesh stands still for a layer",
            )
        plan = parts_of(rows.rows, rows.modes, decoys, self.spec.drive)
        spare = plan.weights * plan.slots - rows.rows
        with self._guard:
            drawn = self._rng.permutation(decoys)[: spare + plan.decoys * plan.slots].tolist()
            alone = self._rng.permutation(plan.weights + plan.decoys)[: plan.decoys]
        first = 0
        for number in range(plan.weights + plan.decoys):
            rest = 0 if number in alone else min(plan.slots, rows.rows - first)
            filling = [drawn.pop() for _ in range(plan.slots - rest)]
            yield Part(first, first + rest, tuple(filling))
            first += rest

    def send(self, shot: pb.Shot) -> Sums:
        with self._guard:
            weights, decoys = self._held[shot.weights], self._held.get(shot.decoys)
            if decoys is None:
                raise ProtocolError(Refusal.FAILED_PRECONDITION, "the session has ended")
            # One scale for both, or their light would tell them apart.
            scale = max(self._scale(weights), self._scale(decoys))
            unit = self._unit(scale)
            slots = np.array(shot.slots, dtype=np.int64)
            amplitudes = [
                (weights.x[s], weights.p[s]) if s >= 0 else (decoys.x[-1 - s], decoys.p[-1 - s])
                for s in slots
            ]
            rows = np.rint(np.array(amplitudes) / unit).astype(np.int64)
            batch = self._play(rows, scale)
            if batch.faults:
                raise ProtocolError(
                    Refusal.UNAVAILABLE,
                    f"the server's node stopped early: {', '.join(sorted(batch.faults))}",
                )
            if (slots >= 0).any():
                return self._pooled(batch, rows, unit), None
            return SymbolStatistics(0, 0.0, 0.0, 0.0), self._per_mode(batch, rows, unit)

    def drop(self, dropped: pb.Dropped) -> None:
        with self._guard:
            for key in dropped.keys:
                self._held.pop(key, None)

    def _play(self, rows: IntArray, scale: float) -> BatchResult:
        try:
            if self._node is None:
                self._node = of_role(self._reach(), "server")
            self._configure(self._node, rows.shape[2], scale)
            return self._node.play(rows, lambda _: time.sleep(PAUSE))
        except (DeviceError, RangeError) as error:
            self._let_go()
            raise ProtocolError(Refusal.UNAVAILABLE, f"the server's node: {error}") from None

    def _let_go(self) -> None:
        node, self._node, self._set = self._node, None, None
        if node is not None:
            node.close()

    def _configure(self, node: Node, modes: int, scale: float) -> None:
        if self._set == (modes, scale):
            return
        spec, known = self.spec, self._calibration
        layout = layout_of(modes, spec.digitiser)
        node.configure(
            DriveSettings(layout=layout, scale=scale, reference=REFERENCE, arms=known.arms),
            receiver_settings(spec.digitiser, spec.drive, layout, known.receiver.scale[0]),
            loop_delay=known.delay + layout.length * spec.drive.samples_per_symbol,
            lead_in=LEAD_IN,
            offset=known.offset,
        )
        self._set = modes, scale

    def _scale(self, rows: EncodedRows) -> float:
        """The drive's scale at which the largest quadrature is within the format of symbols."""
        largest = float(max(np.abs(rows.x).max(), np.abs(rows.p).max()))
        drive = self.spec.drive
        steps = largest / (drive.symbol.highest * drive.symbol.lsb) / self._calibration.full_scale
        scale = math.ceil(steps / drive.scale.lsb) * drive.scale.lsb
        try:
            require("drive scale", scale, at_most=1)
        except RangeError:
            raise RangeError(
                f"largest quadrature = {largest:.4g} √SNU; allowed: [0, "
                f"{self._calibration.full_scale:.4g}], the full scale that was calibrated: "
                "attenuate less, or take fewer photons"
            ) from None
        return max(scale, drive.scale.lsb)

    def _unit(self, scale: float) -> float:
        """√SNU at the server's output per raw unit of a symbol."""
        return self._calibration.full_scale * scale * self.spec.drive.symbol.lsb

    def _pooled(self, batch: BatchResult, rows: IntArray, unit: float) -> SymbolStatistics:
        total = _totals(batch, self.spec.digitiser.segments)
        sent = rows.astype(object)
        qq, count = int((sent * sent).sum()), rows.size
        receiver = self._calibration.receiver
        missing = self._missing(count, 2 * total["count"])
        if not missing and total["qxqx"] + total["qpqp"] != qq:
            raise ProtocolError(
                Refusal.UNAVAILABLE, "the server's node compared the light with other rows"
            )
        vacuum = missing * receiver.vacuum_variance
        sums = SymbolStatistics(
            count, qq, total["qxx"] + total["qpp"], total["xx"] + total["pp"] + vacuum
        )
        return sums.in_units(unit, 1 / math.sqrt(receiver.shot_variance))

    def _per_mode(self, batch: BatchResult, rows: IntArray, unit: float) -> SymbolStatistics:
        """Modes that share their sums share them evenly."""
        modes, receiver = rows.shape[2], self._calibration.receiver
        shift = receiver_settings(
            self.spec.digitiser,
            self.spec.drive,
            layout_of(modes, self.spec.digitiser),
            receiver.scale[0],
        ).mode_shift
        group = np.arange(modes) >> shift
        members = np.bincount(group)[group]
        by = dict(zip(MODE_SUMS, batch.modes.T[:, group].astype(np.float64) / members, strict=True))
        qq = np.sum(rows.astype(np.float64) ** 2, axis=(0, 1))
        qq = np.bincount(group, qq)[group] / members
        count = np.full(modes, 2 * len(rows), dtype=np.int64)
        total = _totals(batch, self.spec.digitiser.segments)
        missing = self._missing(rows.size, 2 * total["count"])
        vacuum = missing / modes * receiver.vacuum_variance
        sums = SymbolStatistics(count, qq, by["re"], by["yy"] + vacuum)
        return sums.in_units(unit, 1 / math.sqrt(receiver.shot_variance))

    def _missing(self, sent: int, summed: int) -> int:
        if summed > sent:
            raise ProtocolError(
                Refusal.UNAVAILABLE,
                f"the server's node summed {summed} quadratures; allowed: {sent}, those sent",
            )
        return sent - summed


def _totals(batch: BatchResult, segments: int) -> dict[str, int]:
    """Session sums of the rows' symbols, by name."""
    rows = batch.session[:segments].astype(object).sum(axis=0)
    return {name: int(rows[index]) for name, index in COLUMN.items()}
