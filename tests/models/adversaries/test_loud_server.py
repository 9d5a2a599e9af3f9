"""A server that sends more light than it declares."""

from shotveil.models.adversaries.loud_server import LOUD_SERVER, LoudServer
from shotveil.models.link.optics import Detector, Link


def test_only_the_light_is_other_than_declared():
    narrow = Detector(converter_range=32.0)
    link = Link(1.3, 6.0, loss_imbalance=0.01, client_detector=narrow, server_detector=narrow)
    true = LoudServer(1e4).link(link)
    assert true.photons == 6e4 and true.gain == 1.3 and true.loss_imbalance == 0.01
    assert LOUD_SERVER.of(1) == LoudServer(1)
