"""The data owner's side of an inference.

The client normalises its data, sets its optics to them, reads its detector and applies the
activation. It knows the data and never the weights. Several batches run at once, so that the light
of one fills the time in which the messages of another are on their way.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.leakage.data import image_bits
from shotveil.host.leakage.default_bounds import DATA_BOUND
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.host.parties.client_checks import check_image_bits, check_welcome, used_gains
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import (
    MOST_BYTES,
    MOST_IMAGES,
    VERSION,
    ProtocolError,
    Refusal,
    check_range,
    invalid,
    pack,
    unpack,
)
from shotveil.host.run.schedule import IMAGES_IN_BATCH
from shotveil.host.verification.brightness import BrightnessCheck
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.host.verification.probe_check import (
    ProbeCheck,
    check_mask,
    checks_for,
    draw_places,
    separate,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.text import one_line
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.encoding import Complex, Real, modes_of
from shotveil.models.link.optics import noise_quantum
from shotveil.models.networks.layers import through_layers
from shotveil.models.networks.plan import ClientPlan, LayerShape, chain

IN_FLIGHT = 3  # batches


class ModelPort(Protocol):
    """The client's end of the classical channel, to a server in this process or another.

    `open` begins a session, `run_layer` asks for the light of a layer and tells, part by part,
    which slot of which repetition carried which row, and `close` ends the session. All raise
    `ProtocolError` where the server refuses.
    """

    def open(self, hello: pb.Hello) -> pb.Welcome: ...

    def run_layer(self, request: pb.LayerRequest) -> Iterator[pb.Progress]: ...

    def close(self, goodbye: pb.Goodbye) -> pb.Receipt: ...


class ClientPort(Protocol):
    """The client's end of the optical link, in this process or another.

    `measure` sets the optics for a layer of a batch and yields the readings (√SNU), part by part.
    It raises `ProtocolError` where the link refuses.
    """

    def measure(self, settings: pb.Settings) -> Iterator[pb.Reading]: ...


class DataClient:
    """A session of a data owner with a model server.

    rng: Secret generator. It draws which repetitions of a part are checks, and their direction.
    network: Name of the network that is asked for, or at least the first 8 digits of its digest;
        "" accepts any.
    plan: The client's steps, from its part of the network. None means that the layers follow each
        other with ReLU between them.
    max_gain: Largest gain that this client uses in any layer, even if the server grants more. It
        limits how much of the data leaks. None means 2 + √2; then a server that grants more is
        refused.
    max_image_bits: Most bits that one inference may tell of an image, under the bound `data_bound`;
        a server under which it tells more is refused. None means 8 bits for each element of an
        image, under `holevo`.
    loss_imbalance: Share of its amplitude, in [0, 1), that the client's tapped light loses on its
        way back against the rest of a row. It returns light along the data, which is charged.
    ledger: Account of what leaked of each image. An image is charged before the optics are set to
        it. None keeps no account.
    check_rate: Number of extra repetitions of each row for each image, in [0, 1], by which the
        client checks that the server's light is coherent and no brighter than declared. Unless the
        rate is 0, every batch has at least two.
    false_alarm_probability: Probability, in (0, 1), that either of these two checks refuses an
        honest server.
    in_flight: Number of batches that are sent at the same time, ≥ 1.
    prepare: Function that is called with the server's welcome before any optics are set.
    checkpoint: The last checkpoint that a receipt of this server's ledger had; the server refuses
        if its ledger does not hold it.
    late: Whether `light` gives its readings only after the last part of a layer, not after each.

    Raises `RangeError` for a setting out of range, and `ProtocolError` where the server refuses or
    its welcome makes no sense.
    """

    def __init__(
        self,
        model: ModelPort,
        light: ClientPort,
        rng: np.random.Generator,
        *,
        network: str = "",
        plan: ClientPlan | None = None,
        max_gain: float | None = None,
        max_image_bits: float | None = None,
        data_bound: str = DATA_BOUND,
        detector: Detector | None = None,
        loss_imbalance: float = 0.0,
        ledger: DataLedger | None = None,
        check_rate: float = 0.0,
        false_alarm_probability: float = FALSE_ALARM_PROBABILITY,
        in_flight: int = IN_FLIGHT,
        prepare: Callable[[pb.Welcome], None] = lambda welcome: None,
        late: bool = False,
        checkpoint: str = "",
    ) -> None:
        require("check rate", check_rate, at_least=0, at_most=1)
        require("batches in flight", in_flight, at_least=1, integer=True)
        self._in_flight, self._late = in_flight, late
        self._model, self._light, self._rng, self._ledger = model, light, rng, ledger
        self._detector = detector or Detector()
        self._check_rate = check_rate
        self._loss_imbalance = Channel(loss_imbalance=loss_imbalance).loss_imbalance  # in range
        self.welcome = model.open(pb.Hello(version=VERSION, network=network, checkpoint=checkpoint))
        try:
            check_welcome(self.welcome)
            self._plan = self._plan_for(self.welcome, plan)
            self.gains = used_gains([layer.gain for layer in self.welcome.layers], max_gain)
            bound = DATA_BOUND if max_image_bits is None else data_bound
            check_image_bits(self.image_bits[bound], self.inputs, max_image_bits, bound)
            prepare(self.welcome)
        except BaseException:
            with suppress(ProtocolError):
                self.close()
            raise
        # The client knows only this much of the channel; the rest does not affect its readings.
        self._channel = Channel(
            transmittance_out=self.welcome.transmittance_out, client_detector=self._detector
        )
        self.check = ProbeCheck(self.gains, self._detector, false_alarm_probability)
        photons = [layer.photons for layer in self.welcome.layers]
        self.brightness = BrightnessCheck(
            self._channel, self.gains, photons, false_alarm_probability
        )
        self._secret = threading.Lock()
        self.warnings: list[str] = []
        self._next_batch = 0

    @property
    def gain(self) -> float:
        """Largest gain that this client uses in any layer."""
        return max(self.gains)

    @property
    def inputs(self) -> int:
        """Number of values in an image, as the network takes it."""
        return self._plan.inputs

    @property
    def image_bits(self) -> dict[str, float]:
        """Bits that one inference tells of an image, over all layers, decoys included, by bound."""
        found = dict.fromkeys(DATA_BOUNDS, 0.0)
        for layer, gain, light in zip(
            self._plan.layers, self.gains, self._coherent_photons(), strict=True
        ):
            rows, modes = self._most_slots(layer.rows), modes_of(layer.columns)
            for name, bits in image_bits(noise_quantum(gain), rows, modes, light).items():
                found[name] += layer.patches * float(bits)
        return found

    def _coherent_photons(self) -> list[float]:
        """Most photons of each layer that the client's optics return of a row along the data."""
        channel = Channel(
            transmittance_out=self.welcome.transmittance_out, loss_imbalance=self._loss_imbalance
        )
        return [
            float(channel.coherent_photons_at(light.photons, modes_of(layer.columns)))
            for layer, light in zip(self._plan.layers, self.welcome.layers, strict=True)
        ]

    def classify(
        self,
        images: NDArray[np.floating],
        batch: int = IMAGES_IN_BATCH,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Real:
        """Return the network's outputs, shape (n, classes), for `images`, shape (n, inputs).

        batch: Number of images that are sent together, 1 to `MOST_IMAGES`. Fewer are where a layer
            meets many patches of each, or where the server says so.
        progress: Function that is called with the number of images in each batch that is done.

        Raises `RangeError` for images that do not fit, and `ProtocolError` when the server refuses,
        when an answer makes no sense or when the server's light is found not to be coherent.
        """
        require("batch", batch, at_least=1, at_most=MOST_IMAGES, integer=True)
        if images.ndim != 2 or images.shape[1] != self.inputs or not len(images):
            raise RangeError(
                f"images of shape {images.shape} do not fit; allowed: (n, {self.inputs}), n ≥ 1"
            )
        most = max(layer.patches for layer in self._plan.layers)
        batch = max(1, min(batch, MOST_IMAGES // most, self.welcome.most_images or MOST_IMAGES))
        chunks = [images[i : i + batch] for i in range(0, len(images), batch)]
        jobs = [(self._number(), chunk) for chunk in chunks]

        def run(job: tuple[int, NDArray[np.floating]]) -> Real:
            number, chunk = job
            outputs = self._batch(number, np.asarray(chunk, dtype=np.float32))
            progress(len(chunk))
            return outputs

        with ThreadPoolExecutor(min(self._in_flight, len(jobs))) as pool:
            futures = [pool.submit(run, job) for job in jobs]
            try:
                return np.concatenate([future.result() for future in futures])
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def close(self) -> pb.Receipt:
        """End the session and return the server's receipt. Raises `ProtocolError`."""
        return self._model.close(pb.Goodbye(version=VERSION, session=self.welcome.session))

    def _number(self) -> int:
        self._next_batch += 1
        return self._next_batch - 1

    def _batch(self, number: int, chunk: NDArray[np.float32]) -> Real:
        if self._ledger is not None:
            # Each patch is data of its own, which meets all rows.
            met = [
                (self._most_slots(layer.rows), layer.columns, gain, light)
                for layer, gain, light in zip(
                    self._plan.layers, self.gains, self._coherent_photons(), strict=True
                )
                for _ in range(layer.patches)
            ]
            rows, columns, gains, coherent = map(list, zip(*met, strict=True))
            self._ledger.charge(chunk, gains, rows, columns, coherent)

        def read(index: int, xi: Complex) -> Real:
            scale = self._channel.inference_scale_at(
                self.gains[index], self.welcome.layers[index].scale
            )
            return self._layer(number, index, xi) * scale

        return through_layers(self._plan, chunk, read)

    def _layer(self, number: int, index: int, xi: Complex) -> Real:
        """Return the quadratures (images, rows) of one layer; judge the checks among them."""
        session, shape = self.welcome.session, self.welcome.layers[index]
        checks = checks_for(len(xi), self._check_rate)
        repetitions = len(xi) + checks
        settings = pb.Settings(
            version=VERSION,
            session=session,
            batch=number,
            layer=index,
            gain=self.gains[index],
            images=len(xi),
            modes=xi.shape[1],
            real=pack(xi.real),
            imaginary=pack(xi.imag),
            stream=number,  # light that is sent later has noise of its own
        )
        slots = self._most_slots(shape.rows)
        places = np.zeros((slots, 0), dtype=np.int64)
        if checks:
            check_range("slots × checks", slots * checks, 1, MOST_BYTES // 8)
            with self._secret:
                rng = self._rng.spawn(1)[0]
            places = draw_places(slots, repetitions, checks, rng)
            direction = _random_direction(xi.shape[1], rng)
            settings.checks = checks
            settings.check_real, settings.check_imaginary = (
                pack(direction.real),
                pack(direction.imag),
            )
            settings.places = places.astype("<i4").tobytes()
        readings = self._light.measure(settings)
        request = pb.LayerRequest(
            version=VERSION,
            session=session,
            batch=number,
            layer=index,
            images=len(xi) // self._plan.layers[index].patches,
            checks=checks,
        )
        try:
            return self._read(request, readings, places)
        finally:
            # Also after an error: the measuring side must not go on waiting for light.
            if (close := getattr(readings, "close", None)) is not None:
                close()

    def _read(
        self, request: pb.LayerRequest, readings: Iterator[pb.Reading], places: NDArray[np.int64]
    ) -> Real:
        """Ask the server for a layer's light; return the quadratures read, (images, rows)."""
        index, checks = request.layer, request.checks
        shape = self._plan.layers[index]
        images = request.images * shape.patches
        repetitions = images + checks
        slots = self._most_slots(shape.rows)
        values = np.empty((images, shape.rows))
        missing = np.ones(shape.rows, dtype=bool)
        seen, squares, checked_readings = 0, 0.0, 0
        named_parts = self._model.run_layer(request)
        if self._late:  # hear the server out first: it may refuse, and then no reading comes
            named_parts = iter(list(named_parts))
        for part, progress in enumerate(named_parts):
            reading = next(readings, None)
            if reading is None or reading.part != part or progress.part != part:
                raise invalid(f"part {part} of layer {index} is missing or out of order")
            order = Order.from_bytes(progress.order, repetitions, progress.mixed)
            named = order.listed
            if reading.slots != len(named):
                raise invalid(f"{len(named)} slots are named but {reading.slots} were read")
            if seen + len(named) > slots:
                raise invalid("the server sends more rows than it declared")
            read = unpack("readings", reading.values, (repetitions, len(named)))
            used, checked = separate(order.named(read), check_mask(places[seen], repetitions))
            seen += len(named)
            if checks and (found := self.check.add(checked, index)):
                raise ProtocolError(Refusal.ABORTED, f"the server's light is refused: {found}")
            squares += float(np.sum(checked**2))
            checked_readings += checked.size
            rows = named[named >= 0]
            if np.any(rows >= shape.rows) or not missing[rows].all():
                raise invalid("a row is named that does not exist or came twice")
            missing[rows] = False
            values[:, rows] = used[:, named >= 0]
            if progress.warning:
                self.warnings.append(one_line(progress.reason))
        if checked_readings:
            bright = self.brightness.add(squares, checked_readings, index)
            if bright:
                raise ProtocolError(Refusal.ABORTED, f"the server's light is refused: {bright}")
        if missing.any():
            raise invalid(f"{int(missing.sum())} rows of layer {index} never came")
        return values

    def _most_slots(self, rows: int) -> int:
        return int(rows) + math.ceil(self.welcome.decoy_rate * rows)

    def _plan_for(self, welcome: pb.Welcome, plan: ClientPlan | None) -> ClientPlan:
        """Return this client's plan, which has to fit the layers that the server declares."""
        shapes = tuple(
            LayerShape(int(layer.rows), int(layer.columns), layer.bias, int(layer.patches) or 1)
            for layer in welcome.layers
        )
        if plan is not None:
            if plan.layers != shapes:
                raise invalid(f"the layers of {welcome.network} are not those of the client's part")
            return plan
        if welcome.planned:
            raise ProtocolError(
                Refusal.FAILED_PRECONDITION,
                f"{welcome.network} has steps at the client; name the client's part of it",
            )
        for before, after in pairwise(shapes):
            if before.rows != after.inputs:
                raise invalid(f"{before.rows} outputs do not fit {after.columns} columns")
        return chain(shapes)


def _random_direction(modes: int, rng: np.random.Generator) -> Complex:
    """Return a complex unit vector, shape (modes,), drawn uniformly from all of them."""
    parts = rng.standard_normal((2, modes))
    direction = parts[0] + 1j * parts[1]
    return np.asarray(direction / np.linalg.norm(direction))
