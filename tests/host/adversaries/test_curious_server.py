"""What a curious server sends, hears and keeps, at the end of a link that is played to it."""

from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.adversaries.curious_server import MOST_BATCHES, CuriousTransmitter
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.models.adversaries.counting_server import PhotonCounter
from shotveil.models.adversaries.homodyne_server import Homodyner
from shotveil.models.adversaries.squeezing_server import Squeezer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link

LINK = Link(1.3, 6.0, transmittance_back=0.64)


class Port:
    """A link that hands out all light, or sums alone."""

    def __init__(self, symbol_level=True):
        self.symbol_level = symbol_level
        self.dropped = []

    def drop(self, dropped):
        self.dropped.append(dropped)
        return SimpleNamespace(symbol_level=self.symbol_level)


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
