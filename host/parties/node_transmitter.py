"""The server's end of the link through a node: its drive sends rows, its receiver returns sums.

A part is sent as one batch of the node, whose row buffer holds the whole part before it starts. A
part holds weights or decoys. All parts have the same length and their order is secret, so nothing
in the light tells decoys from weights. Each part has sums of its own, so the sums of the two are
never mixed.

Where the node keeps rows, a layer's weights are loaded when it is first sent and stay there; its
decoys are loaded before each of its layers, those of all parts at once. What is sent between two
parts is then a list of slots, as long for a part of decoys as for a part of weights: if decoys were
loaded before their own part, a client could tell that part by the pause.

Light that was sent and did not come back counts as lost: symbols that the receiver had to leave out
enter the sums as vacuum. So does the light of a frame that somebody made unreadable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import BatchResult, Node, StoredRows, of_role
from shotveil.host.ledger.accounts import Reserve
from shotveil.host.parties.calibration import ServerCalibration
from shotveil.host.parties.transmitter import Sums, decoys_of
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.host.run.schedule import Part
from shotveil.host.verification.estimation import mode_statistics, statistics
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.node.light import (
    LEAD_IN,
    REFERENCE,
    drive_scale,
    layout_of,
    mode_shift,
    parts_of,
    receiver_settings,
    row_symbols,
    symbol_unit,
)

PAUSE = 1e-3  # seconds between two polls of a running batch


@dataclass(frozen=True)
class _Expected:
    """A layer whose rows are all at the node.

    layer: The session, batch and layer that it is sent for.
    weights: Its rows.
    decoys: Its decoys in the order of the parts, none if there are none.
    first: How many of the decoys belong to parts before each part.
    """

    layer: tuple[str, int, int]
    weights: StoredRows
    decoys: StoredRows | None
    first: tuple[int, ...]

    def slots(self, part: int, names: NDArray[np.int32]) -> IntArray:
        """Return the slots of a part's rows: s ≥ 0 names weights, −1 − d the part's own decoys."""
        found = np.empty(len(names), dtype=np.int64)
        found[names >= 0] = self.weights.slots(names[names >= 0])
        if (own := names < 0).any():
            assert self.decoys is not None
            found[own] = self.decoys.slots(self.first[part] - 1 - names[own])
        return found


class NodeTransmitter:
    """A `host.parties.transmitter.Transmitter` that sends through a node. Threads may share it.

    reach: Function that opens the node. It is called again after the node was lost, so that a later
        session can use it.
    rng: Secret generator. It draws which parts are decoys.
    calibration: Calibration of the server's optics.

    Raises `RangeError` if the node is not a server's node.
    """

    mixes = False  # a node sums what it sends, and could not tell decoys from weights in its sums

    def __init__(
        self, reach: Callable[[], Node], rng: np.random.Generator, calibration: ServerCalibration
    ) -> None:
        self._reach, self._calibration, self._rng = reach, calibration, rng
        self._guard = threading.Lock()
        self._held: dict[str, EncodedRows] = {}
        self._set: tuple[int, float] | None = None  # modes and drive scale it is configured for
        self._stored: dict[str, StoredRows] = {}  # weights at the node, one behind the other
        self._expected: _Expected | None = None
        self._node: Node | None = of_role(reach(), "server")
        self.spec = self._node.spec
        self._keeps = self.spec.store > 0  # whether rows may stay there

    def close(self) -> None:
        """Switch the light off and close the connection to the node."""
        with self._guard:
            self._let_go()

    def hold(self, key: str, rows: EncodedRows) -> None:
        try:
            layout_of(rows.modes, self.spec.digitiser)
            self._scale(_largest(rows))
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

    def expect(
        self, request: pb.LayerRequest, key: str, plan: Sequence[Part], decoys: EncodedRows
    ) -> None:
        with self._guard:
            self._expected = None
            weights = self._held[key]
            scale = self._scale(_largest(weights))
            if not self._keeps or self._scale(_largest(decoys)) > scale:
                return  # the weights at the node would not have the scale of this layer
            layer = (request.session, request.batch, request.layer)
            own = [tuple(part.decoys or ()) for part in plan]
            numbers = [number for part in own for number in part]
            unit = self._unit(scale)
            symbols = [
                row_symbols(self.spec.drive, np.stack([rows.x, rows.p], axis=1), unit)
                for rows in (weights, decoys)
            ]
            try:
                node = self._reached()
                if key not in self._stored:
                    behind = self._last_stored()
                    if node.room_behind(behind) < symbols[0][:, 0].size:
                        return
                    self._stored[key] = node.load_rows(symbols[0], behind)
                behind, drawn = self._last_stored(), symbols[1][numbers]
                if node.room_behind(behind) < drawn[:, 0].size:
                    return
                loaded = node.load_rows(drawn, behind) if numbers else None
            except (DeviceError, RangeError) as error:
                self._let_go()
                raise ProtocolError(Refusal.UNAVAILABLE, f"the server's node: {error}") from None
            before = (0, *accumulate(len(part) for part in own))
            self._expected = _Expected(layer, self._stored[key], loaded, before)

    def _last_stored(self) -> StoredRows | None:
        return next(reversed(self._stored.values()), None)

    def send(self, shot: pb.Shot) -> Sums:
        with self._guard:
            weights = self._held[shot.weights]
            (slots,) = Order.from_bytes(shot.order, shot.images, shot.mixed).names
            x, p = decoys_of(shot, weights)
            amplitudes = [
                (weights.x[s], weights.p[s]) if s >= 0 else (x[-1 - s], p[-1 - s]) for s in slots
            ]
            try:
                # All parts of a layer share one scale, or decoys would be distinguishable.
                scale = max(self._scale(_largest(weights)), self._scale(shot.decoy_peak))
                unit = self._unit(scale)
                rows = row_symbols(self.spec.drive, np.array(amplitudes), unit)
            except RangeError as error:
                raise ProtocolError(Refusal.FAILED_PRECONDITION, str(error)) from None
            known = self._expected
            stored = known and known.layer == (shot.session, shot.batch, shot.layer)
            places = known.slots(shot.part, slots) if known and stored else None
            batch = self._play(rows, scale, places, modes=not (slots >= 0).any())
            if batch.refusals:
                self._keeps &= "store_unreadable" not in batch.spoilt
                raise ProtocolError(
                    Refusal.UNAVAILABLE,
                    f"the server's node stopped early: {', '.join(batch.refusals)}",
                )
            try:
                if (slots >= 0).any():
                    return self._statistics(batch, rows, unit), None
                return SymbolStatistics(0, 0.0, 0.0, 0.0), self._per_mode(batch, rows, unit)
            except RangeError as error:
                raise ProtocolError(Refusal.UNAVAILABLE, f"the server's node: {error}") from None

    # Light of a node leaves whether a client is there or not, and there is no link to say more.

    epoch = ""

    def renew(self) -> None:
        return

    def begin(self, session: str, client: str) -> None:
        return

    def await_optics(self, session: str, batch: int, layer: int) -> None:
        return

    def never_sent(self, reserve: Reserve) -> None:
        return None

    def drop(self, dropped: pb.Dropped) -> None:
        with self._guard:
            for key in dropped.keys:
                self._held.pop(key, None)
            if not self._stored.keys() <= self._held.keys():
                self._stored.clear()  # what is behind the rows that went moves to their place

    def _reached(self) -> Node:
        if self._node is None:
            self._node = of_role(self._reach(), "server")
        return self._node

    def _play(
        self, rows: IntArray, scale: float, slots: IntArray | None, modes: bool
    ) -> BatchResult:
        """Play rows, from the node's own store if their slots are given."""
        try:
            node = self._reached()
            self._configure(node, rows.shape[2], scale)
            wait = lambda _: time.sleep(PAUSE)  # noqa: E731
            if slots is not None:
                return node.play_slots(slots, wait, modes=modes)
            return node.play(rows, wait, modes=modes)
        except (DeviceError, RangeError) as error:
            self._let_go()
            raise ProtocolError(Refusal.UNAVAILABLE, f"the server's node: {error}") from None

    def _let_go(self) -> None:
        node, self._node, self._set = self._node, None, None
        self._stored.clear()
        self._expected = None
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

    def _scale(self, largest: float) -> float:
        """Return the drive scale at which the largest quadrature fits the format of symbols."""
        return drive_scale(self.spec.drive, largest, self._calibration.full_scale)

    def _unit(self, scale: float) -> float:
        return symbol_unit(self.spec.drive, self._calibration.full_scale, scale)

    def _statistics(self, batch: BatchResult, rows: IntArray, unit: float) -> SymbolStatistics:
        """Return the sums (SNU) over all symbols of a part that holds weights."""
        known = self._calibration.receiver
        return statistics(self.spec.digitiser, batch.session, known, unit, rows)

    def _per_mode(self, batch: BatchResult, rows: IntArray, unit: float) -> SymbolStatistics:
        """Return the sums (SNU) of a part of decoys for each mode, arrays (modes,)."""
        spec, known = self.spec.digitiser, self._calibration.receiver
        shift = mode_shift(rows.shape[2], spec)
        return mode_statistics(spec, batch.session, batch.modes, known, unit, rows, shift)


def _largest(rows: EncodedRows) -> float:
    return float(max(np.abs(rows.x).max(), np.abs(rows.p).max()))
