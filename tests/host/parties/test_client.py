"""The data owner's side against a world without noise, and against one that makes no sense."""

import math

import numpy as np
import pytest

from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.host.parties.client import DataClient
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, Refusal, pack, unpack
from shotveil.host.verification.probe_check import check_mask, interleave
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import encode_rows
from shotveil.models.link.optics import Detector
from shotveil.models.networks.network import Layer, Network

RNG = np.random.default_rng(1)
NETWORK = Network(
    "small",
    (Layer(RNG.normal(size=(8, 6)), bias=True), Layer(RNG.normal(size=(4, 8)))),
)
IMAGES = RNG.uniform(size=(12, 5)).astype(np.float32)
RATE = 0.25


def packed(names):
    """An order without a mixing, as bytes."""
    return Order(np.array(names), np.ones_like(names), False).to_bytes()


class World:
    """A model server and a link at once, exact: no noise but in the client's own checks.

    `spoil(kind, index, message)` may change what is said, or return None to say nothing.
    """

    def __init__(self, spoil=lambda kind, index, message: message, **welcome):
        self._rows = [encode_rows(layer.weights, 12.0) for layer in NETWORK.layers]
        self._rng = np.random.default_rng(2)
        self._spoil = spoil
        self.settings, self.requests, self.closed, self.events = [], [], [], []
        shapes = [
            pb.LayerShape(
                rows=layer.rows,
                columns=layer.columns,
                bias=layer.bias,
                scale=rows.scale,
                gain=1.3,
                photons=6.0,
            )
            for layer, rows in zip(NETWORK.layers, self._rows, strict=True)
        ]
        self.welcome = pb.Welcome(
            version=4, session="secret", network="small", layers=shapes,
            transmittance_out=0.8, decoy_rate=RATE,
        )  # fmt: skip
        for name, value in welcome.items():
            setattr(self.welcome, name, value)
        self.detector = Detector(0.9, 0.05)

    def open(self, hello):
        self.hello = hello
        return self.welcome

    def close(self, goodbye):
        self.closed.append(goodbye)
        return pb.Receipt(network="small", images=7)

    def slots(self, layer):
        """Of each part: four rows and a decoy, in any order."""
        rng = np.random.default_rng(layer)
        rows = range(0, self._rows[layer].rows, 4)
        return [rng.permutation([*range(first, first + 4), -1]) for first in rows]

    def turns(self, part, repetitions, slots):
        """In each repetition the slots come in another order."""
        drawn = np.random.default_rng([part, repetitions])
        return drawn.permuted(np.tile(np.arange(len(slots)), (repetitions, 1)), axis=1)

    def measure(self, settings):
        self.settings.append(settings)
        self.events.append("measure")
        return self._readings(settings)

    def _readings(self, settings):
        try:
            shape = (settings.images, settings.modes)
            xi = unpack("real", settings.real, shape) + 1j * unpack("i", settings.imaginary, shape)
            rows, first = self._rows[settings.layer], 0
            amplitude = math.sqrt(
                self.detector.efficiency * self.welcome.transmittance_out * (settings.gain - 1)
            )
            for part, slots in enumerate(self.slots(settings.layer)):
                x = np.where(slots[:, None] >= 0, rows.x[slots], 3.0)
                p = np.where(slots[:, None] >= 0, rows.p[slots], -3.5)
                values = amplitude * (xi.real @ x.T + xi.imag @ p.T)
                if settings.checks:
                    one = (settings.modes,)
                    direction = unpack("r", settings.check_real, one) + 1j * unpack(
                        "i", settings.check_imaginary, one
                    )
                    assert np.linalg.norm(direction) == pytest.approx(1)
                    g = settings.gain
                    spread = (2 * g**2 - 3 * g + 2) / (g * (g - 1)) + 0.15 / 0.9 / (g - 1)
                    spread = math.sqrt(0.9 * (g - 1) * spread)
                    mean = amplitude * (x @ direction.real + p @ direction.imag)
                    checks = mean + spread * self._rng.normal(size=(settings.checks, len(slots)))
                    places = np.frombuffer(settings.places, "<i4").reshape(-1, settings.checks)
                    mask = check_mask(places[first].astype(np.int64), len(values) + len(checks))
                    values = interleave(np.concatenate([values, checks]), mask)
                first += len(slots)
                values = np.take_along_axis(values, self.turns(part, len(values), slots), axis=1)
                reading = pb.Reading(part=part, slots=len(slots), values=pack(values))
                reading = self._spoil("reading", part, reading)
                if reading is not None:
                    yield reading
        finally:
            self.events.append("light off")

    def run_layer(self, request):
        self.requests.append(request)
        for part, slots in enumerate(self.slots(request.layer)):
            self.events.append("named")
            repetitions = request.images + request.checks
            order = packed(slots[self.turns(part, repetitions, slots)])
            progress = self._spoil("progress", part, pb.Progress(part=part, order=order))
            if progress is not None:
                yield progress


def client(world, **options):
    options.setdefault("detector", world.detector)
    return DataClient(world, world, np.random.default_rng(3), **options)


def expected(images=IMAGES):
    return NETWORK.forward(images)


@pytest.mark.parametrize("options", [{}, {"check_rate": 0.5}, {"late": True}, {"in_flight": 1}])
@pytest.mark.parametrize("batch", [1, 5, 256])
def test_without_noise_the_result_is_the_networks(batch, options):
    world, done = World(), []
    asked = client(world, **options)
    assert asked.inputs == 5
    outputs = asked.classify(IMAGES, batch, done.append)
    np.testing.assert_allclose(outputs, expected(), rtol=1e-5, atol=1e-5)
    assert sum(done) == 12 and max(done) == min(batch, 12)
    assert asked.warnings == []
    np.testing.assert_allclose(asked.classify(IMAGES[:2]), expected(IMAGES[:2]), atol=1e-5)


def test_layers_and_batches_are_asked_for_in_turn_and_named_alike():
    world = World()
    asked = client(world, in_flight=1, network="small", check_rate=0.5)
    asked.classify(IMAGES, 5)
    asked.classify(IMAGES[:3], 5)
    assert (world.hello.version, world.hello.network) == (4, "small")
    named = [(m.version, m.session, m.batch, m.layer, m.images, m.checks) for m in world.requests]
    batches = [(0, 5, 2), (1, 5, 2), (2, 2, 2), (3, 3, 2)]
    assert named == [(4, "secret", b, layer, n, c) for b, n, c in batches for layer in (0, 1)]
    assert named == [
        (m.version, m.session, m.batch, m.layer, m.images, m.checks) for m in world.settings
    ]
    # Each batch has simulated noise of its own: the same noise again would add up in the evidence.
    assert [m.stream for m in world.settings[::2]] == [0, 1, 2, 3]
    assert {m.gain for m in world.settings} == {1.3}
    assert [m.modes for m in world.settings[:2]] == [3, 4]
    # Checks lie elsewhere and look elsewhere each time.
    for name in ("places", "check_real"):
        assert len({getattr(m, name) for m in world.settings}) == 8
    first = np.frombuffer(world.settings[0].places, "<i4").reshape(-1, 2)
    assert first.shape == (10, 2) and (np.diff(first) > 0).all() and first.max() < 7


def test_late_readings_are_asked_for_when_the_server_has_spoken():
    for late, order in ((False, ["measure", "named", "named"]), (True, ["measure", "named"])):
        world = World()
        client(world, late=late, in_flight=1).classify(IMAGES[:1])
        assert world.events[: len(order)] == order
    del world.events[:]
    refused = World(lambda kind, i, m: refuse() if (kind, i) == ("progress", 1) else m)
    with pytest.raises(ProtocolError, match="the budget"):
        client(refused, late=True).classify(IMAGES[:1])
    # Whoever measures is told to stop: nobody waits for light that does not come.
    assert "light off" not in refused.events or refused.events[-1] == "light off"


def refuse():
    raise ProtocolError(Refusal.RESOURCE_EXHAUSTED, "the budget is spent")


def test_light_is_turned_off_whatever_goes_wrong():
    world = World(lambda kind, i, m: refuse() if (kind, i) == ("progress", 1) else m)
    with pytest.raises(ProtocolError, match="the budget is spent"):
        client(world).classify(IMAGES[:2])
    assert world.events[-1] == "light off"


def changed(message, **fields):
    copy = type(message)()
    copy.CopyFrom(message)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy


def named(progress):
    return np.frombuffer(progress.order, "<i4").reshape(2, -1) >> 1  # of two images


def resized(kind):
    """One slot more, in the name and in the reading alike."""

    def spoil(name, index, message):
        if index != 1:
            return message
        if name == "progress":
            order = named(message)
            more = np.tile(kind, (len(order), 1))
            return changed(message, order=packed(np.concatenate([order, more], axis=1)))
        values = np.frombuffer(message.values).reshape(2, -1)
        values = np.concatenate([values, np.zeros((2, len(kind)))], axis=1)
        return changed(message, slots=message.slots + len(kind), values=pack(values))

    return spoil


def one(kind, index, **fields):
    def spoil(name, number, message):
        return changed(message, **fields) if (name, number) == (kind, index) else message

    return spoil


def without(kind, index):
    return lambda name, number, message: None if (name, number) == (kind, index) else message


def renamed(old, new):
    """A row of the first part by another name."""

    def spoil(name, index, message):
        if name == "progress" and old in named(message):
            order = named(message)
            return changed(message, order=packed(np.where(order == old, new, order)))
        return message

    return spoil


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (one("progress", 1, part=2), "part 1 of layer 0 is missing or out of order"),
        (one("reading", 0, part=1), "part 0 of layer 0 is missing or out of order"),
        (without("reading", 1), "part 1 of layer 0 is missing or out of order"),
        (without("progress", 1), "4 rows of layer 0 never came"),
        (one("reading", 1, slots=4), "5 slots are named but 4 were read"),
        (one("progress", 1, order=packed(np.tile([4, 5, 6], (2, 1)))), "3 slots are named but"),
        (one("progress", 1, order=b""), "an order has 0 bytes"),
        (resized([-2]), "the server sends more rows than it declared"),
        (one("reading", 1, values=b"short"), "readings has 5 bytes"),
        (renamed(1, 2), "the same rows and decoys once in each repetition"),
        (renamed(5, 1), "a row is named that does not exist or came twice"),  # in another
        (renamed(1, 8), "a row is named that does not exist or came twice"),
        (renamed(1, -3), "the same rows and decoys once in each repetition"),
        (renamed(1, -2), "1 rows of layer 0 never came"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(spoil, reason):
    with pytest.raises(ProtocolError, match=reason) as found:
        client(World(spoil)).classify(IMAGES[:2])
    assert found.value.refusal is Refusal.INVALID_ARGUMENT


def test_warnings_are_kept():
    world = World(one("progress", 1, warning=True, reason="more noise than declared"))
    asked = client(world)
    np.testing.assert_allclose(asked.classify(IMAGES[:2]), expected(IMAGES[:2]), atol=1e-5)
    assert asked.warnings == ["more noise than declared"]  # of the layer that has two parts


def test_light_that_is_not_coherent_ends_the_session():
    world = World()
    world.detector = Detector(0.9, 0.05)
    asked = client(world, check_rate=1.0, detector=Detector(0.9, 5.0))
    with pytest.raises(ProtocolError, match="the server's light is refused: its quad") as found:
        asked.classify(np.repeat(IMAGES, 20, axis=0))
    assert found.value.refusal is Refusal.ABORTED


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"version": 2}, "version 2"),
        ({"transmittance_out": 0.0}, "transmittance out = 0 "),
        ({"transmittance_out": 1.01}, r"transmittance out = 1\.01"),
        ({"decoy_rate": -0.1}, r"decoy rate = -0\.1"),
        ({"decoy_rate": 1.1}, r"decoy rate = 1\.1"),
        ({"most_images": 10**6}, r"most images of a batch = 1e\+06"),
    ],
)
def test_a_welcome_that_makes_no_sense_is_refused(fields, reason):
    with pytest.raises(ProtocolError, match=reason):
        client(World(**fields))


@pytest.mark.parametrize(
    "layer, fields, reason",
    [
        (0, {"rows": 0}, "rows = 0"),
        (0, {"rows": (1 << 20) + 1}, r"rows = 1\.0"),
        (0, {"columns": 1}, r"columns = 1 is outside \[2, 131072\]"),
        (1, {"columns": 0}, r"columns = 0 is outside \[1,"),
        (0, {"columns": (1 << 17) + 1}, "columns = 131073"),
        (0, {"scale": 0.0}, "scale = 0"),
        (1, {"scale": math.inf}, "scale = inf"),
        (1, {"scale": -1.0}, "scale = -1"),
        (0, {"gain": 1.0}, "gain = 1 "),
        (1, {"gain": 1.1e6}, "gain = 1"),
        (1, {"gain": math.nan}, "gain = nan"),
        (1, {"columns": 9}, "8 outputs do not fit 9 columns"),
        (1, {"columns": 9, "bias": True}, None),
    ],
)
def test_layers_that_make_no_sense_are_refused(layer, fields, reason):
    world = World()
    for name, value in fields.items():
        setattr(world.welcome.layers[layer], name, value)
    if reason is None:
        client(world)
        return
    with pytest.raises(ProtocolError, match=reason):
        client(world)


def test_a_network_without_layers_is_refused():
    world = World()
    del world.welcome.layers[:]
    with pytest.raises(ProtocolError, match=r"number of layers = 0 is outside \[1, 1000\]"):
        client(world)


def test_what_does_not_fit_is_refused_before_any_light():
    world = World()
    asked = client(world)
    for images in (IMAGES[:, :4], IMAGES[0], IMAGES[:0], IMAGES[None]):
        with pytest.raises(RangeError, match=r"do not fit; allowed: \(n, 5\), n ≥ 1"):
            asked.classify(images)
    for batch in (0, 1025, 2.5):
        with pytest.raises(RangeError, match="batch"):
            asked.classify(IMAGES, batch)
    for name, bad in {"check_rate": (-0.1, 1.1), "in_flight": (0, 1.5)}.items():
        for value in bad:
            with pytest.raises(RangeError):
                client(World(), **{name: value})
    client(World(), check_rate=1.0, in_flight=1)
    assert not world.settings and not world.requests


def test_the_client_amplifies_no_more_than_either_wants():
    for most, gain in ((math.inf, 1.3), (1.2, 1.2), (1.3, 1.3), (2.0, 1.3)):
        assert client(World(), max_gain=most).gain == gain
    world = World()
    np.testing.assert_allclose(client(world, max_gain=1.1).classify(IMAGES), expected(), atol=1e-5)
    assert {m.gain for m in world.settings} == {1.1}


def granting(gain):
    world = World()
    for layer in world.welcome.layers:
        layer.gain = gain
    return world


def test_a_server_that_grants_far_too_much_is_refused_before_any_light():
    world = granting(1e4)
    with pytest.raises(ProtocolError, match=r"grants gain 10000; allowed: at most 3\.414"):
        client(world)
    assert [goodbye.session for goodbye in world.closed] == ["secret"]
    assert not world.settings and not world.requests
    assert client(granting(1e4), max_gain=1.2).gain == 1.2


def test_an_image_tells_no_more_than_its_owner_allows():
    told = client(World()).image_bits
    world = World()
    with pytest.raises(ProtocolError, match=r"bits in an inference \(qcrb\); allowed: at most 1,"):
        client(world, max_image_bits=1.0, data_bound="qcrb")
    assert world.closed and not world.settings
    client(World(), max_image_bits=told["qcrb"], data_bound="qcrb")
    # Rows without end would tell all of an image: 8 bits of each of its 5 elements by default.
    greedy = World(decoy_rate=1.0)
    greedy.welcome.layers[0].rows = 2000
    greedy.welcome.layers[1].columns = 2000
    with pytest.raises(ProtocolError, match=r"\(holevo\); allowed: at most 40,"):
        client(greedy)


def test_what_prepares_may_refuse_and_the_session_is_closed():
    def refuse(welcome):
        raise RangeError(f"not {welcome.network}")

    world = World()
    with pytest.raises(RangeError, match="not small"):
        client(world, prepare=refuse)
    assert world.closed and not world.settings


def test_light_brighter_than_declared_is_refused():
    honest, loud = World(), World()
    asked = client(honest, check_rate=0.5)
    asked.classify(np.repeat(IMAGES, 5, axis=0), 5)
    assert asked.brightness.layers == 24 and 0.3 < asked.brightness.ratio < 3
    for layer in loud.welcome.layers:
        layer.photons = 6e-4
    with pytest.raises(ProtocolError, match=r"light is refused: it is .* times as bright") as found:
        client(loud, check_rate=0.5).classify(np.repeat(IMAGES, 10, axis=0), 5)
    assert found.value.refusal is Refusal.ABORTED


def test_what_a_server_says_commands_no_terminal():
    def spoil(kind, index, message):
        if kind == "progress":
            message.warning, message.reason = True, "\x1b[31mred\nalert"
        return message

    asked = client(World(spoil))
    asked.classify(IMAGES[:1])
    assert asked.warnings and set(asked.warnings) == {"\\x1b[31mred alert"}


def test_the_ledger_is_charged_for_decoys_too_and_before_any_light(tmp_path):
    world, told = World(), []

    class Watched(DataLedger):
        def charge(self, images, gain, rows, columns, coherent):
            told.append((len(images), gain, rows, columns, len(world.settings)))
            super().charge(images, gain, rows, columns, coherent)

    ledger = Watched(tmp_path / "data.db")
    client(world, ledger=ledger, in_flight=1).classify(IMAGES[:7], 4)
    ledger.close()
    # 8 rows and 2 decoys, 4 rows and 1.
    gains = [1.3, 1.3]
    assert told == [(4, gains, [10, 5], [6, 8], 0), (3, gains, [10, 5], [6, 8], 2)]


def test_a_session_is_prepared_for_and_closed():
    world, seen = World(), []
    asked = client(world, prepare=lambda welcome: seen.append((welcome.session, world.settings[:])))
    assert seen == [("secret", [])]
    assert asked.close().images == 7
    (goodbye,) = world.closed
    assert (goodbye.version, goodbye.session) == (4, "secret")
