"""A server that grants more gain than serves its client."""

from shotveil.models.adversaries.greedy_server import GREEDY_SERVER, GreedyServer
from shotveil.models.link.optics import Link


def test_only_the_gain_is_another():
    true = GreedyServer(1e4).link(Link(1.3, 6.0, transmittance_out=0.9))
    assert (true.gain, true.photons, true.transmittance_out) == (1e4, 6.0, 0.9)
    assert GREEDY_SERVER.of() == GreedyServer(1e4)
