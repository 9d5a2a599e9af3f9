"""What a client accepts of what a server declares."""

import math

import pytest

from shotveil.host.parties.client_checks import (
    MOST_BITS,
    MOST_GAIN,
    check_image_bits,
    check_welcome,
    used_gains,
)
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.models.link.optics import inference_noise

LAYER = {"rows": 3, "columns": 4, "scale": 0.5, "gain": 1.3, "photons": 6.0}


def welcome(layer=None, **changes):
    good = {
        "version": 4, "session": "s", "network": "small", "digest": "ab" * 32,
        "transmittance_out": 1.0, "decoy_rate": 0.1,
    }  # fmt: skip
    return pb.Welcome(layers=[pb.LayerShape(**{**LAYER, **(layer or {})})], **{**good, **changes})


def test_what_is_in_range_is_accepted():
    check_welcome(welcome())
    check_welcome(welcome(digest=""))  # a server that does not tell it


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"network": "mnist\x1b]0;pwned\x07"},
            r"network = 'mnist\\x1b\]0;pwned\\x07' cannot be sh",
        ),
        ({"network": ""}, "network"),
        ({"network": "x" * 200}, "200 letters"),
        ({"digest": "a\nb"}, "digest"),
        ({"transmittance_out": 1.5}, "transmittance out"),
        ({"decoy_rate": -0.1}, "decoy rate"),
        ({"layer": {"photons": math.nan}}, "photons"),
        ({"layer": {"photons": -1.0}}, "photons"),
        ({"layer": {"gain": 1.0}}, "gain"),
        ({"layer": {"scale": 0.0}}, "scale"),
    ],
)
def test_what_is_not_is_refused_in_one_printable_line(changes, message):
    with pytest.raises(ProtocolError, match=message) as found:
        check_welcome(welcome(**changes))
    assert found.value.refusal is Refusal.INVALID_ARGUMENT and str(found.value).isprintable()


def test_the_cap_is_where_readings_are_best():
    least = inference_noise(MOST_GAIN)
    assert least < inference_noise(MOST_GAIN * 0.99) and least < inference_noise(MOST_GAIN * 1.01)


def test_a_gain_beyond_the_cap_is_refused_unless_the_client_limits_it():
    assert used_gains([1.3, MOST_GAIN], None) == [1.3, MOST_GAIN]
    with pytest.raises(ProtocolError, match=r"grants gain 10000; allowed: at most 3\.414") as found:
        used_gains([1.3, 1e4], None)
    assert found.value.refusal is Refusal.FAILED_PRECONDITION
    assert used_gains([1.3, 1e4], 1.5) == [1.3, 1.5]
    assert used_gains([1.3, 5.0], 10.0) == [1.3, 5.0]


def test_bits_of_an_image():
    check_image_bits(8 * 784, 784, None, "holevo")
    with pytest.raises(ProtocolError, match=r"6273 bits in an inference \(holevo\).* most 6272"):
        check_image_bits(MOST_BITS * 784 + 1, 784, None, "holevo")
    check_image_bits(1e9, 784, 1e9, "qcrb")
    with pytest.raises(ProtocolError, match=r"2 bits in an inference \(qcrb\); allowed: at most 1"):
        check_image_bits(2, 784, 1, "qcrb")
