"""A network's layers through the loop, on the bit-true models of both nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from shotveil.host.leakage.certificate import estimated_channel, standard_errors
from shotveil.host.verification.estimation import (
    Calibration,
    Estimate,
    Quantity,
    estimate,
    segment_angles,
    statistics,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser import chain
from shotveil.models.digitiser.chain import Received
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.link.encoding import directions, unpair
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.networks.layers import through_layers
from shotveil.models.networks.network import Layer, Network
from shotveil.models.waveform.intruders import Intruder
from shotveil.models.waveform.mesh import Mesh, angle_table, at_electrodes
from shotveil.models.waveform.optics import Complex, Optics
from shotveil.sim.loop.client_lock import Locked, index_of, margin, receive
from shotveil.sim.loop.settings import LayerLight, LoopSettings, electrode_voltages, prepare

NULL_FRAMES = 100
PIECE = 1 << 14  # samples that go through a stage at once; they fit a processor's cache


@dataclass(frozen=True)
class Records:
    """What the calibration records give.

    The shot-noise units of both receivers come from vacuum and dark records. For each layer, the
    server's offset comes from a null record (light on, modulator at its null), and its response
    from a run back to back.
    """

    server: Calibration
    client: Calibration
    offsets: tuple[tuple[int, ...], ...]
    responses: tuple[float, ...]

    def of_layer(self, number: int) -> Calibration:
        """The server's calibration, with a layer's response in its efficiency."""
        efficiency = min(1.0, self.server.efficiency * self.responses[number])
        return replace(self.server, efficiency=efficiency)


@dataclass(frozen=True)
class BackToBack:
    """What the server receives of a layer's light without loss and noise.

    `response` is the power that arrives correctly, divided by the intended power. Since modulator,
    detectors and pulse are the server's own, it belongs to the trusted receiver. `excess` is excess
    noise in SNU at the returned mode.
    """

    response: float
    excess: float


@dataclass(frozen=True, eq=False)
class Played:
    """One layer of one image: what both nodes give to their hosts.

    `values` (rows,) is what the client read, in √SNU at its detector. `sums` are the server's sums
    (frames, words, 16); the models give a frame for each row, the gateware one for all rows.
    `angles` (frames, segments) are those by which each run was rotated back, 0 if not known.
    """

    values: NDArray[np.float64]
    sums: IntArray
    angles: IntArray


@dataclass(frozen=True, eq=False)
class ModelPlayed(Played):
    """What only the models know besides.

    That is everything that each receiver made of the light, the direction ξ that the mesh has, and
    the words of the server's ADCs (2, samples).
    """

    server: Received
    client: Locked
    direction: Complex
    words: IntArray


class Loop:
    """Both nodes and the optics between them, for one network.

    `light` is what each layer is sent with: one link for all, or a sequence with one for each, of
    which gain and photon number are taken. By default it is the link of the settings. An `intruder`
    may sit on the fibre, and the client may amplify every layer by a `true_gain` other than the one
    it is granted.
    """

    def __init__(
        self,
        network: Network,
        settings: LoopSettings,
        intruder: Intruder | None = None,
        true_gain: float | None = None,
        light: Light | None = None,
    ) -> None:
        self.network, self.settings = network, settings
        self._intruder, self._gain = intruder, true_gain
        self.links = tuple(
            replace(settings.link, gain=link.gain, photons=link.photons)
            for link in links_of(light or settings.link, len(network.layers))
        )
        self.layers = [
            prepare(self._settings_of(number), layer) for number, layer in enumerate(network.layers)
        ]
        self._light: dict[int, Complex] = {}
        chip = np.random.default_rng([settings.seed, 1])
        most = max(layer.modes for layer in network.layers)
        # There is one chip for the whole run, so its errors stay the same.
        self._chip = settings.impairments.angle_error * chip.standard_normal((2, 2, most))

    def __reduce__(self) -> tuple[Any, ...]:
        # The loop is pickled as its arguments, which are small.
        return Loop, (self.network, self.settings, self._intruder, self._gain, self.links)

    def _settings_of(self, number: int) -> LoopSettings:
        """The settings with the light of one layer."""
        return replace(self.settings, link=self.links[number])

    def records(self, frames: int = 400) -> Records:
        """Vacuum and dark records of both receivers, each of `frames` frames of the first layer."""
        light, s = self.layers[0], self.settings
        offsets = tuple(self._null(number) for number in range(len(self.layers)))
        if not s.vacuum:
            ones = (1.0,) * len(self.layers)
            return Records(_nominal(s.server, s.step), _nominal(s.client, s.step), offsets, ones)
        kinds = (VACUUM_RECORD, DARK_RECORD)
        words = [self._record(light, frames, kind == VACUUM_RECORD) for kind in kinds]
        found = []
        for party, (spec, settings, efficiency) in enumerate(
            (
                (s.server, light.server, s.impairments.server_efficiency),
                (s.client, light.client, s.impairments.client_efficiency),
            )
        ):
            vacuum, dark = (
                record(spec, replace(settings, record=kind, free_run=1), words[k][party])
                for k, kind in enumerate(kinds)
            )
            found.append(
                Calibration.from_sums(
                    spec, settings, vacuum.sums.session, dark.sums.session, efficiency
                )
            )
        responses = tuple(each.response for each in self.back_to_back())
        return Records(found[0], found[1], offsets, responses)

    def _null(self, number: int) -> tuple[int, ...]:
        light = self.layers[number]
        optics = Optics(
            light.setup,
            _straight(light.setup.layout.row),
            np.random.default_rng([self.settings.seed, 4, number]),
        )
        null = np.broadcast_to(light.codes[:, -1:], (2, light.setup.period))
        pieces = []
        for _ in range(NULL_FRAMES):
            _, returned = optics.hold(optics.way_out(optics.modulate(null)), [])
            pieces.append(optics.way_back(returned))
        words = np.concatenate(pieces[2:], axis=1)
        settings = replace(light.server, record=VACUUM_RECORD, free_run=1)
        return record(self.settings.server, settings, words).offset

    def _record(
        self, light: LayerLight, frames: int, oscillator: bool
    ) -> tuple[IntArray, IntArray]:
        setup = replace(light.setup, signal=False, oscillator=oscillator)
        rng = np.random.default_rng([self.settings.seed, 2, oscillator])
        optics = Optics(setup, _straight(light.setup.layout.row), rng)
        homodyne = optics.homodyne()
        pieces = []
        for _ in range(frames):
            dark = np.zeros(setup.period, np.complex128)
            pieces.append((optics.way_back(dark), homodyne(dark, 0.0)))
        server, client = (np.concatenate(part, axis=1) for part in zip(*pieces, strict=True))
        return server, client

    def back_to_back(self, rows: int | None = None) -> tuple[BackToBack, ...]:
        """What happens to each layer's light without loss and without any noise.

        Technical noise and the noise of light and electronics are off. The result is for the first
        `rows` rows of each layer, or for all if None.
        """
        s = self.settings
        quiet = s.impairments.distortions()
        found = []
        for number, layer in enumerate(self.network.layers):
            part = Network("part", (Layer(layer.weights[:rows], layer.bias),))
            own = self._settings_of(number)
            still = Loop(part, replace(own.with_impairments(quiet), vacuum=False))
            xi, _ = directions(np.ones((1, layer.columns)))
            offsets = Records(
                _nominal(s.server, s.step), _nominal(s.client, s.step), (still._null(0),), (1.0,)
            )
            seen = still.returned(0, xi[0], offsets, np.random.default_rng([s.seed, 5]))
            sums = still.statistics(0, seen.sums.frames[-part.layers[0].rows :], offsets)
            share = s.impairments.server_efficiency / s.server.quadratures
            found.append(
                BackToBack(
                    float(sums.slope**2) / share,
                    float(sums.residual / sums.count) / share * s.impairments.transmittance,
                )
            )
        return tuple(found)

    def mesh(self, number: int, xi: Complex) -> Mesh:
        """The client's mesh as its drive sets it for the direction ξ (N,)."""
        light = self.layers[number]
        table = angle_table(xi, self.settings.drive.symbol)
        voltages = electrode_voltages(self.settings, light.setup.layout, table)
        angles = at_electrodes(voltages, self.settings.electrodes)
        errors = self._chip[:, :, : len(xi)]
        return Mesh(angles + errors[0], angles + errors[1])

    def optics(self, number: int, xi: Complex, rng: np.random.Generator) -> Optics:
        """Everything between both nodes' converters, for layer `number` and a client's ξ."""
        setup = self.layers[number].setup
        if self._gain is not None:
            setup = replace(setup, gain=self._gain)
        return Optics(setup, self.mesh(number, xi), rng, self._intruder)

    def play(
        self, number: int, xi: Complex, records: Records, rng: np.random.Generator
    ) -> ModelPlayed:
        """Send layer `number` to a client of direction ξ (N,)."""
        light = self.layers[number]
        optics, tapped, words = self._light_of(number, xi, rng)
        client = receive(
            optics,
            tapped,
            [start + light.setup.to_client for start in light.starts],
            light.client,
            self.settings.lock,
        )
        server = self._serve(light, words, records.offsets[number])
        rows = self.network.layers[number].rows
        values = client.received.inference[0][-rows:] / np.sqrt(records.client.shot_variance)
        return ModelPlayed(
            values,
            server.sums.frames[-rows:],
            segment_angles(
                self.settings.server, light.server, server.phases.angle, len(server.frames)
            )[-rows:],
            server,
            client,
            optics.mesh.direction,
            words,
        )

    def returned(
        self, number: int, xi: Complex, records: Records, rng: np.random.Generator
    ) -> Received:
        """What the server receives of the same light, whether the client sees any or not."""
        _, _, words = self._light_of(number, xi, rng)
        return self._serve(self.layers[number], words, records.offsets[number])

    def statistics(
        self, number: int, sums: IntArray, records: Records, images: int = 1
    ) -> SymbolStatistics:
        """Sums of a layer sent for `images`, shape (…, words, 16), as the verifier takes them.

        The result is in SNU; light that is in no sum counts as lost. Raises `RangeError` for sums
        of other rows.
        """
        light, lead_in = self.layers[number], self.settings.lead_in
        session = sums.reshape(-1, *sums.shape[-2:]).sum(axis=0)
        return statistics(
            self.settings.server, session, records.server, light.unit, light.rows[lead_in:], images
        )

    def _light_of(
        self, number: int, xi: Complex, rng: np.random.Generator
    ) -> tuple[Optics, Complex, IntArray]:
        light = self.layers[number]
        optics = self.optics(number, xi, rng)
        if number not in self._light:  # the same for every image
            self._light[number] = optics.modulate(light.codes)
        return optics, *through(optics, self._light[number], light.starts)

    def _serve(self, light: LayerLight, words: IntArray, offset: tuple[int, ...]) -> Received:
        spec, modes = self.settings.server, light.setup.layout.row
        arrivals = [start + light.setup.to_server for start in light.starts]
        words = words[:, : arrivals[-1] + light.setup.period + margin(spec)]
        first = 1  # the first frame only starts the receiver
        for _ in range(2):
            q = light.q[:, first * modes :]
            got = chain.model(spec, light.server, words, q, offset)
            found = index_of(
                got.frames, arrivals, light.server.samples_per_symbol * light.setup.layout.preamble
            )
            if found is None:
                raise RangeError("server's receiver found no frame, or not all that followed")
            if found == first:
                return got
            first = found
        raise RangeError("server's receiver does not find the same frames twice")


@dataclass(frozen=True, eq=False)
class LoopInference:
    """The results for all images; `outputs` has shape (images, classes).

    The other fields have an entry for each layer: the server's frame sums and angles of all images,
    and what the client read next to what an ideal link would have carried (√SNU).
    """

    outputs: NDArray[np.float64]
    sums: tuple[IntArray, ...]
    angles: tuple[IntArray, ...]
    read: tuple[NDArray[np.float64], ...]
    carried: tuple[NDArray[np.float64], ...]
    records: Records

    @property
    def predictions(self) -> NDArray[np.int64]:
        return self.outputs.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Seen:
    """One image, layer by layer, as in `LoopInference`; `outputs` has shape (classes,)."""

    outputs: NDArray[np.float64]
    sums: tuple[IntArray, ...]
    angles: tuple[IntArray, ...]
    read: tuple[NDArray[np.float64], ...]
    carried: tuple[NDArray[np.float64], ...]


Player = Callable[[int, Complex, Records, np.random.Generator], Played]


def infer(
    loop: Loop,
    images: NDArray[np.floating],
    records: Records,
    progress: Callable[[int], None] = lambda done: None,
    player: Player | None = None,
) -> LoopInference:
    """Run images (n, inputs) through every layer; a `player` takes the place of `Loop.play`."""
    seen = []
    for index, image in enumerate(images):
        seen.append(infer_one(loop, index, image, records, player or loop.play))
        progress(1)
    return collect(seen, records)


def infer_one(
    loop: Loop, index: int, image: NDArray[np.floating], records: Records, play: Player
) -> Seen:
    """Run one image (inputs,) through every layer; `index` chooses its noise."""
    sums, angles, read, carried = [], [], [], []

    def read_layer(number: int, xi: Complex) -> NDArray[np.float64]:
        layer, light, link = loop.network.layers[number], loop.layers[number], loop.links[number]
        signal = link.signal_at(link.gain)
        patches = []
        for patch, direction in enumerate(xi):
            # The first patch has the seed that a layer without patches has.
            seed = [loop.settings.seed, 3, index, number, *([patch] if patch else [])]
            patches.append(play(number, direction, records, np.random.default_rng(seed)))
        sums.append(np.concatenate([played.sums for played in patches]))
        angles.append(np.concatenate([played.angles for played in patches]))
        values = np.array([played.values for played in patches])
        read.append(values.ravel())
        products = unpair(xi, layer.columns) @ layer.weights.T
        carried.append(signal * light.scale * products.ravel())
        return values * link.inference_scale(light.scale)

    outputs = through_layers(loop.network.plan, image[None], read_layer)[0]
    return Seen(outputs, tuple(sums), tuple(angles), tuple(read), tuple(carried))


def collect(seen: Sequence[Seen], records: Records) -> LoopInference:
    """All images together, in their order."""

    def layers(name: str) -> Iterator[tuple[NDArray[Any], ...]]:
        return zip(*(getattr(one, name) for one in seen), strict=True)

    return LoopInference(
        np.array([one.outputs for one in seen]),
        tuple(np.concatenate(of_layer) for of_layer in layers("sums")),
        tuple(np.concatenate(of_layer) for of_layer in layers("angles")),
        tuple(np.array(of_layer) for of_layer in layers("read")),
        tuple(np.array(of_layer) for of_layer in layers("carried")),
        records,
    )


def channel(
    loop: Loop,
    seen: LoopInference,
    number: int,
    frames: int | None = None,
    confidence: float = 0.99,
) -> Estimate:
    """T̂ and ε̂ of a layer from its first frames (all if None), with phase noise kept apart."""
    light = loop.layers[number]
    return estimate(
        loop.settings.server, light.server, seen.sums[number][:frames],
        seen.angles[number][:frames], seen.records.of_layer(number), light.unit, confidence,
    )  # fmt: skip


@dataclass(frozen=True)
class PooledChannel:
    """T̂ and ε̂ from sums of many frames together, as the verdict takes them.

    Phase noise counts as excess noise. Errors and limits include those of symbols and calibration.
    """

    transmittance: Quantity
    excess_noise: Quantity


def pooled_channel(
    loop: Loop, sums: IntArray, number: int, records: Records, confidence: float = 0.99
) -> PooledChannel:
    """T̂ and ε̂ of a layer from its sums alone, shape (images, words, 16)."""
    calibration = records.of_layer(number)
    receiver = calibration.receiver
    statistics = loop.statistics(number, sums, records, len(sums))
    t, excess = (float(v) for v in estimated_channel(statistics, receiver))
    errors = [float(e) for e in standard_errors(statistics, receiver)]
    errors[0] = float(np.hypot(errors[0], t * calibration.shot_error))
    errors[1] = float(np.hypot(errors[1], calibration.vacuum_error / receiver.efficiency))
    room = float(-ndtri((1 - confidence) / 2))
    return PooledChannel(
        *(
            Quantity(v, e, v - room * e, v + room * e)
            for v, e in zip((t, excess), errors, strict=True)
        )
    )


def verified(loop: Loop, seen: LoopInference, number: int) -> SymbolStatistics:
    """The sums of a layer over all images as the verifier takes them, in SNU."""
    sent = len(seen.outputs) * loop.network.layers[number].patches
    return loop.statistics(number, seen.sums[number], seen.records, sent)


def through(optics: Optics, modulated: Complex, starts: list[int]) -> tuple[Complex, IntArray]:
    """The client's tapped output (n,) and the server's words (2, n) of a batch, in pieces."""
    n = len(modulated)
    light = np.empty(n, np.complex128)
    for at in range(0, n, PIECE):
        light[at : at + PIECE] = optics.way_out(modulated[at : at + PIECE])
    delay = optics.setup.impairments.delay_out
    tapped, returned = optics.hold(light, [start + delay for start in starts])
    words = np.empty((2, n), np.int64)
    for at in range(0, n, PIECE):
        words[:, at : at + PIECE] = optics.way_back(returned[at : at + PIECE])
    return tapped, words


def record(spec: DigitiserSpec, settings: DigitiserSettings, words: IntArray) -> Received:
    """What the receiver makes of a calibration record."""
    return chain.model(spec, settings, words, np.zeros((2, 0), np.int64))


def _straight(modes: int) -> Mesh:
    return Mesh(np.zeros((2, modes)), np.zeros((2, modes)))


def _nominal(spec: DigitiserSpec, step: float) -> Calibration:
    """The units that converters and scales imply, for runs without noise to calibrate with."""
    scale = round(2.0**spec.scale.fraction / step)
    unit = step * scale * 2.0 ** (spec.symbol.fraction - spec.scale.fraction)
    huge = 1 << 50
    return Calibration(unit**2, 0.0, huge, huge, (scale,) * spec.quadratures, spec.quadratures)
