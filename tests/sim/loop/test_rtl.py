"""The compiled gateware of both nodes in the loop, against the bit-true models."""

import numpy as np
import pytest

from models.encoding import directions
from models.mnist import load_mnist
from models.network import Layer, Network, load_network
from sim.loop import rtl
from sim.loop.session import Loop
from sim.loop.settings import realistic

pytest.importorskip("sim.node_device")


def test_gateware_and_models_agree_in_every_bit_around_the_loop():
    weights = load_network("mnist-paper").layers[0].weights[:12]
    loop = Loop(Network("part", (Layer(weights),)), realistic(1.3, 2.4))
    image = load_mnist(None, "test")[0][:1]
    (xi,), norms = directions(image)
    got = rtl.play(loop, 0, xi, np.random.default_rng(1), record=True)
    assert got.server.rows_sent == 12
    assert got.server.counters["frames_matched"] == 12
    found = rtl.agreement(loop, 0, xi, got)
    assert found.complete, found
    # A bit less in one of them, and they would not.
    got.server.session[0, 4] ^= 1
    assert not rtl.agreement(loop, 0, xi, got).sums
    # From the same seed the models get the same light, and make the same of it.
    records = loop.records(40)
    got = rtl.play(loop, 0, xi, np.random.default_rng(2), records.offsets[0])
    own = loop.play(0, xi, records, np.random.default_rng(2))
    assert np.array_equal(got.server.session, own.sums.sum(axis=0))
    assert np.array_equal(got.values, own.client.received.inference[0][-12:])
    # And it is the inner products that the client reads.
    link = loop.settings.link
    factor = np.sqrt(link.client_detector.efficiency * link.transmittance_out * (link.gain - 1))
    carried = factor * loop.layers[0].scale * weights @ image[0] / norms[0]
    unit = 2.0**loop.settings.client.symbol.fraction
    error = (got.values / unit - carried) / factor
    assert np.mean(error**2) < 4 * link.inference_noise
    assert np.mean(carried**2) / factor**2 > link.inference_noise
