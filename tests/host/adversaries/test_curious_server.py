"""What a curious server sends, hears and keeps, at the end of a link that is played to it."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.adversaries.curious_server import MOST_BATCHES, CuriousTransmitter
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import pack, unpack
from shotveil.models.adversaries.counting_server import PhotonCounter
from shotveil.models.adversaries.homodyne_server import Homodyner
from shotveil.models.adversaries.squeezing_server import Squeezer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.optics import Detector, Link

LINK = Link(1.3, 6.0, transmittance_back=0.64)


class Port:
    """A link that hands out all light, or sums alone."""

    def __init__(self, symbol_level=True):
        self.symbol_level = symbol_level

    def claim(self):
        return SimpleNamespace(symbol_level=self.symbol_level, epoch="1")


def transmitter(server, **options):
    return CuriousTransmitter(Port(**options), np.random.default_rng(1), server, LINK)


def shot(batch=0, layer=0, images=2, session="s"):
    return pb.Shot(session=session, batch=batch, layer=layer, images=images)


def test_it_needs_the_light_itself():
    with pytest.raises(RangeError, match="allowed: shotveil link --symbol-level"):
        transmitter(Homodyner(), symbol_level=False)


@pytest.mark.parametrize(
    ("server", "squeezing", "count"),
    [(Homodyner(), 0, False), (PhotonCounter(), 0, True), (Squeezer(10.0), 0.1, False)],
)
def test_it_asks_the_link_for_light_and_measurement_of_its_kind(server, squeezing, count):
    found = transmitter(server)
    assert found.squeezing == pytest.approx(squeezing) and found.count is count
    quadratures = found.local_oscillator((50, 20))
    assert quadratures.shape == (50, 20)
    # X is what is squeezed; who only homodynes measures either.
    assert quadratures.any() == (not squeezing)


def test_it_estimates_from_what_it_did_not_send():
    found, server = transmitter(Homodyner()), Homodyner()
    rng = np.random.default_rng(2)
    total = []
    for rows in (3, 5):
        q = rng.normal(size=(rows, 4))
        y = 0.8 * q + rng.normal(size=(rows, 4))  # √0.64 of what was sent
        assert found.received(shot(), 1, q, y) is y
        total.append((rows, server.power(LINK, y - 0.8 * q)))
    found.received(shot(), 0, np.zeros((2, 4)), np.ones((2, 4)))
    estimates = found.estimates("s", 0)
    assert estimates.shape == (2, 4)
    np.testing.assert_allclose(estimates[0], server.power(LINK, np.ones((2, 4))))
    np.testing.assert_allclose(estimates[1], sum(n * p for n, p in total) / 8)
    assert found.images == 2


def test_only_the_first_layer_has_the_data():
    found = transmitter(Homodyner())
    y = np.ones((2, 4))
    assert found.received(shot(layer=1), 0, y, y) is y
    assert found.images == 0


def test_who_counts_photons_tells_the_verifier_what_it_expects():
    found = transmitter(PhotonCounter())
    q, photons = np.full((2, 4), 3.0), np.array([[0.0, 1, 2, 3]] * 2)
    np.testing.assert_allclose(found.received(shot(images=1), 0, q, photons), 0.8 * q)
    np.testing.assert_allclose(found.estimates("s", 0)[0], PhotonCounter().power(LINK, photons))


def test_only_the_latest_batches_are_kept():
    found = transmitter(Homodyner())
    for batch in range(MOST_BATCHES + 1):
        found.received(shot(batch=batch, images=3), 0, np.zeros((1, 4)), np.zeros((1, 4)))
    with pytest.raises(KeyError):
        found.estimates("s", 0)
    assert found.images == 3 * MOST_BATCHES == 192


LINK_2 = Link(
    1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8, server_detector=Detector(0.7, 0.05)
)

SLOPE = np.sqrt(0.7 * 0.72)

ROWS = EncodedRows(np.arange(12.0).reshape(4, 3), -np.arange(12.0).reshape(4, 3), 1.0)


@dataclass
class Port_too:
    """Returns what was sent, attenuated, with `noise` on top, for every slot and repetition."""

    symbol_level: bool = True
    noise: np.ndarray | float = 0.5
    lights: list = field(default_factory=list)
    claims: int = 0

    def claim(self):
        self.claims += 1
        return pb.Loaded(symbol_level=self.symbol_level, epoch=f"epoch {self.claims}")

    def send(self, lights):
        for light in lights:
            self.lights.append(light)
            slots = len(light.measure_p)
            x, p = (unpack("x", part, (slots, light.modes)) for part in (light.x, light.p))
            measured = np.frombuffer(light.measure_p, np.uint8)[:, None]
            yield pb.Record(values=pack(SLOPE * np.where(measured, p, x) + self.noise))


@dataclass(frozen=True)
class Looker:
    """Estimates the mean of what it is given, and notes it."""

    variance: float = 1.0
    counts: bool = False
    seen: list = field(default_factory=list)

    def power(self, link, record):
        self.seen.append(record)
        return record.mean(axis=0)


def transmitter_too(server, port=None):
    made = CuriousTransmitter(port or Port_too(), np.random.default_rng(1), server, LINK_2)
    made.hold("weights", ROWS)
    return made


def shot_too(layer=0, batch=0, slots=(0, 1, 2, 3, -1), images=2, session="s", part=0):
    own = sum(slot < 0 for slot in slots)
    order = Order(np.tile(slots, (images, 1)), np.ones((images, len(slots)), int), False)
    return pb.Shot(
        version=4, session=session, batch=batch, layer=layer, part=part, images=images,
        weights="weights", first=0, stop=4, order=order.to_bytes(),
        decoy_x=pack(ROWS.x[:own]), decoy_p=pack(ROWS.p[:own]), last=True,
    )  # fmt: skip


def test_a_link_that_forms_the_sums_is_of_no_use():
    with pytest.raises(RangeError, match=r"hands out sums alone; allowed: .*--symbol-level"):
        transmitter_too(Looker(), Port_too(symbol_level=False))
    port = Port_too()
    assert transmitter_too(Looker(), port).epoch == "epoch 1" and port.claims == 1


def test_what_is_known_is_taken_away_before_it_looks():
    looker = Looker()
    made = transmitter_too(looker)
    weights, decoys = made.send(shot_too())
    assert len(looker.seen) == 2  # once a repetition
    for record in looker.seen:
        np.testing.assert_allclose(record, np.full((5, 3), 0.5), atol=1e-12)
    np.testing.assert_allclose(made.estimates("s", 0), np.full((2, 3), 0.5))
    # Verification is told what came, as of any honest server.
    assert (weights.count, decoys.count.tolist()) == (2 * 4 * 3, [2] * 3)
    assert weights.residual > 0 and weights.slope < 0.9


def test_estimates_are_means_over_rows_of_the_first_layer():
    port = Port_too()
    made = transmitter_too(Looker(), port)
    made.send(shot_too(slots=(0,)))
    port.noise = 2.0
    made.send(shot_too(slots=(1, 2, 3), part=1))
    np.testing.assert_allclose(made.estimates("s", 0), np.full((2, 3), (0.5 + 3 * 2.0) / 4))
    made.send(shot_too(layer=1, batch=5))
    with pytest.raises(KeyError):
        made.estimates("s", 5)
    made.send(shot_too(batch=1, images=3))
    made.send(shot_too(session="t"))
    assert made.estimates("s", 1).shape == (3, 3) and made.images == 2 + 3 + 2


def test_the_last_batches_are_kept():
    made = transmitter_too(Looker())
    for batch in range(MOST_BATCHES + 1):
        made.send(shot_too(batch=batch, images=1, slots=(0,)))
    assert MOST_BATCHES == 64 and made.images == 64
    with pytest.raises(KeyError):
        made.estimates("s", 0)
    for batch in (1, MOST_BATCHES):
        assert made.estimates("s", batch).shape == (1, 3)


def test_who_counts_photons_tells_verification_what_was_declared():
    port, looker = Port_too(noise=3.0), Looker(counts=True)
    made = transmitter_too(looker, port)
    weights, _ = made.send(shot_too())
    assert all(light.count for light in port.lights)
    assert weights.slope == pytest.approx(SLOPE) and weights.residual == pytest.approx(0, abs=1e-9)
    # It looks at the counts as they came.
    measured = np.frombuffer(port.lights[0].measure_p, np.uint8)[:, None]
    q = np.where(measured, ROWS.p[[0, 1, 2, 3, 0]], ROWS.x[[0, 1, 2, 3, 0]])
    np.testing.assert_allclose(looker.seen[0], SLOPE * q + 3.0)


@pytest.mark.parametrize(
    "server, squeezing, count",
    [(Homodyner(), 0.0, False), (PhotonCounter(), 0.0, True), (Squeezer(10.0), 0.1, False)],
)
def test_light_is_what_the_server_wants(server, squeezing, count):
    port = Port_too(noise=1.0)
    made = transmitter_too(server, port)
    made.send(shot_too(images=20))
    assert {light.count for light in port.lights} == {count}
    assert [light.squeezing for light in port.lights] == pytest.approx([squeezing] * 20)
    measured = np.concatenate([np.frombuffer(v.measure_p, np.uint8) for v in port.lights])
    # X is what is squeezed; who does not squeeze looks at either quadrature.
    assert measured.any() == (squeezing == 0) and not measured.all()


def test_threads_may_share_it():
    made = transmitter_too(Looker())
    threads = [
        threading.Thread(target=lambda: made.send(shot_too(images=1, slots=(0,)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(made.estimates("s", 0), np.full((1, 3), 0.5))
