"""The client's end of the link through a node: angles go to its drive, values come from its tap.

The node is armed before the server is asked for a layer. Each frame of the server triggers one
frame of the node, which sets the mesh to ξ. The number of frames in a layer is public
(`models.node.light`). Between two parts there is no light, and the receiver marks the frames in
which it saw none. These marks separate the values of one part from those of the next.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import BatchResult, Node, of_role
from shotveil.host.parties.calibration import ClientCalibration
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import (
    ProtocolError,
    Refusal,
    check_range,
    check_version,
    invalid,
    unpack,
)
from shotveil.host.protocol.wire import pack as packed
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import BoolArray
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.link.encoding import modes_of
from shotveil.models.node.light import LEAD_IN, LOCK, Parts, layout_of, parts_of, receiver_settings
from shotveil.models.waveform.mesh import angle_table

PAUSE = 5e-3  # seconds between two polls of a node that waits for light


class _Abandoned(Exception):
    """The caller no longer waits for this light."""


class NodePort:
    """A `host.parties.client.ClientPort` that measures through a node.

    It measures one layer of one image at a time. `prepare` has to be called first, with the
    server's welcome. Raises `RangeError` if the node that `reach` opens is not a client's node.
    """

    def __init__(self, reach: Callable[[], Node], calibration: ClientCalibration) -> None:
        self._node = of_role(reach(), "client")
        self._calibration = calibration
        self._busy = threading.Lock()
        self._plans: list[tuple[int, Parts]] = []  # number of modes and parts of each layer
        self._set: int | None = None  # number of modes that the node is configured for

    def hang_up(self) -> None:
        """Close the connection to the node."""
        with self._busy:
            self._node.close()

    def prepare(self, welcome: pb.Welcome) -> None:
        """Learn the shapes of the layers. Raises `RangeError` for a layer that fits no frame."""
        self._plans = []
        for layer in welcome.layers:
            modes, decoys = modes_of(layer.columns), math.ceil(welcome.decoy_rate * layer.rows)
            layout_of(modes, self._node.spec.digitiser)
            self._plans.append((modes, parts_of(layer.rows, modes, decoys, self._node.spec.drive)))

    def measure(self, settings: pb.Settings) -> Iterator[pb.Reading]:
        """Set the mesh and arm the node; return an iterator over the readings, part by part.

        The call returns once the node is armed. The caller has to close the iterator, which frees
        the node for the next layer. Raises `ProtocolError` for settings that a node cannot have,
        and where the node fails.
        """
        check_version(settings)
        if (settings.images, settings.checks) != (1, 0):
            raise invalid(
                f"images = {settings.images} and checks = {settings.checks} of a batch; allowed: "
                "1 and 0 through a node, whose mesh stands still for a layer"
            )
        if not math.isclose(settings.gain, self._calibration.gain, rel_tol=1e-9):
            raise invalid(
                f"gain = {settings.gain:g}; allowed: {self._calibration.gain:g}, which the "
                "amplifier is set to"
            )
        check_range("layer", settings.layer, 0, len(self._plans) - 1)
        modes, plan = self._plans[settings.layer]
        check_range("modes", settings.modes, modes, modes)
        xi = unpack("real parts", settings.real, (modes,)) + 1j * unpack(
            "imaginary parts", settings.imaginary, (modes,)
        )
        # Acquired in the caller's thread, so a second layer waits until the first is over.
        self._busy.acquire()
        try:
            return _Layer(self._listen(modes, xi, plan), plan, self._calibration, self._busy)
        except BaseException:
            self._busy.release()
            raise

    def _listen(self, modes: int, xi: NDArray[np.complex128], plan: Parts) -> _Listening:
        node = self._node
        try:
            if self._set != modes:
                self._set = None
                spec, known = node.spec, self._calibration
                layout = layout_of(modes, spec.digitiser)
                node.configure(
                    DriveSettings(layout=layout, angle=True, reference=0.0, arms=known.arms),
                    receiver_settings(spec.digitiser, spec.drive, layout, known.receiver.scale[0]),
                    LOCK,
                    lead_in=0,
                    triggered=True,
                )
                self._set = modes
            node.load_angles(angle_table(xi, node.spec.drive.symbol))
            return _Listening(node, plan.frames)
        except (DeviceError, RangeError) as error:
            raise _lost(error) from None


class _Listening:
    """A batch of the node in a thread of its own.

    The node is armed when the constructor returns; `result` waits until the light is over.
    """

    def __init__(self, node: Node, frames: int) -> None:
        self._node, self._frames = node, frames
        self._armed, self._abandoned = threading.Event(), threading.Event()
        self._batch: BatchResult | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._armed.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._batch = self._node.play_angles(self._frames, self._look)
        except BaseException as error:
            self._error = error
            with suppress(DeviceError):  # the node is gone; its watchdog disarms it as well
                self._node.device.write(arm=0)
        finally:
            self._armed.set()

    def _look(self, _: int) -> None:
        self._armed.set()
        if self._abandoned.wait(PAUSE):
            raise _Abandoned

    def result(self) -> BatchResult:
        """Wait until the light is over and return all that was received.

        Raises `ProtocolError` where the node failed, stopped early or was told to stop.
        """
        self._thread.join()
        if self._error is not None:
            raise _lost(self._error)
        assert self._batch is not None
        if self._batch.refusals:
            why = ", ".join(self._batch.refusals)
            raise ProtocolError(Refusal.UNAVAILABLE, f"the client's node stopped early: {why}")
        return self._batch

    def stop(self) -> None:
        """Stop waiting for light and end the thread."""
        self._abandoned.set()
        self._thread.join()


class _Layer:
    """An iterator over the readings of a layer."""

    def __init__(
        self, light: _Listening, plan: Parts, known: ClientCalibration, busy: threading.Lock
    ) -> None:
        self._light, self._plan, self._known, self._busy = light, plan, known, busy
        self._readings: Iterator[pb.Reading] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[pb.Reading]:
        return self

    def __next__(self) -> pb.Reading:
        if self._readings is None:
            self._readings = iter(self._all())
        return next(self._readings)

    def _all(self) -> list[pb.Reading]:
        batch, slots = self._light.result(), self._plan.slots
        found = values_of_parts(batch, self._plan)
        unit = 1 / math.sqrt(self._known.receiver.shot_variance)
        return [
            pb.Reading(part=part, slots=slots, values=packed(values[None] * unit))
            for part, values in enumerate(found)
        ]

    def close(self) -> None:
        """Free the node for the next layer."""
        if not self._closed:
            self._closed = True
            self._light.stop()
            self._busy.release()

    def __del__(self) -> None:
        self.close()


def values_of_parts(batch: BatchResult, plan: Parts) -> list[NDArray[np.int64]]:
    """Return the raw values (slots,) of each part, taken from all frames that a receiver gave.

    Raises `ProtocolError` unless there are as many parts as planned, each with all its frames.
    """
    ends = part_ends(batch.bad)
    number = plan.weights + plan.decoys
    if len(ends) != number:
        raise ProtocolError(
            Refusal.UNAVAILABLE,
            f"the client's receiver saw light {len(ends)} times; allowed: {number}, the parts of "
            "the layer",
        )
    found = []
    begin = 0
    for part, end in enumerate(ends):
        frames, slots = end - begin, slice(end - plan.slots, end)
        # The first frame only starts the receiver. If one more is missing, it may be the last, and
        # then the values would be assigned to the wrong rows.
        if frames != LEAD_IN + plan.slots - 1:
            raise ProtocolError(
                Refusal.UNAVAILABLE,
                f"the client's receiver read {frames} frames of part {part}; allowed: "
                f"{LEAD_IN + plan.slots - 1}: is there too little light, or too much?",
            )
        if unread := int(batch.bad[slots].sum()):
            raise ProtocolError(
                Refusal.UNAVAILABLE,
                f"{unread} of {plan.slots} values of part {part} are lost, or beyond the range of "
                "the client's receiver: is there too much light for its gain?",
            )
        found.append(batch.inference[slots, 0])
        begin = end + PATIENCE
    return found


def part_ends(bad: BoolArray) -> list[int]:
    """Return the index just behind the last frame of each part.

    A part ends where the receiver marks `PATIENCE` frames in a row as bad, since no light came.
    """
    ends = []
    run = 0
    for place, lost in enumerate(bad.tolist()):
        run = run + 1 if lost else 0
        if run == PATIENCE:
            ends.append(place + 1 - PATIENCE)
            run = 0
    return ends


def _lost(error: BaseException) -> ProtocolError:
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, (DeviceError, RangeError, _Abandoned)):
        return ProtocolError(Refusal.UNAVAILABLE, f"the client's node: {error}")
    raise error
