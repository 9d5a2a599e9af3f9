"""A server that counts photons to guess digits."""

from shotveil.models.adversaries.counting_classifier import (
    COUNTING_CLASSIFIER,
    CountingClassifier,
)
from shotveil.models.link.optics import Link


def test_it_keeps_to_the_protocol():
    link, server = Link(1.3, 6.0), CountingClassifier()
    assert server.link(link) is link
    data = server.data(392, None)
    assert server.aim(data).max() == server.aim(data).min() == 1 / 392
    assert COUNTING_CLASSIFIER.of() == server and COUNTING_CLASSIFIER.covered_by == "holevo"
