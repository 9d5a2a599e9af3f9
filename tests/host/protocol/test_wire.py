"""What every message is checked against, to the last byte and to the end of each range."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol import wire
from shotveil.host.protocol.wire import (
    VERSION,
    ProtocolError,
    Refusal,
    check_name,
    check_range,
    check_version,
    invalid,
    pack,
    unpack,
)


def test_what_is_spoken_between_versions_of_this_software():
    """Limits that the other party relies on: a change of one is a change of the protocol."""
    assert (VERSION, wire.MOST_BYTES, wire.MOST_IMAGES) == (4, 16 * 1024**2, 1024)
    assert (wire.MOST_MODES, wire.MOST_ROWS, wire.MOST_REASON) == (65536, 1048576, 1000)
    assert wire.MOST_MAGNITUDE == 1e15
    assert all(refusal.name == refusal.value for refusal in Refusal)
    grpc = pytest.importorskip("grpc")
    assert {refusal.value for refusal in Refusal} <= {code.name for code in grpc.StatusCode}


def test_a_refusal_says_why():
    error = invalid("it makes no sense")
    assert error.refusal is Refusal.INVALID_ARGUMENT and str(error) == "it makes no sense"
    assert ProtocolError(Refusal.ABORTED, "x").refusal is Refusal.ABORTED


def test_one_version_is_spoken():
    check_version(pb.Hello(version=4))
    for version in (0, 2, 3, 5):
        with pytest.raises(ProtocolError, match=f"version {version} is not spoken; allowed: 4"):
            check_version(pb.Hello(version=version))


def test_a_range_holds_both_of_its_ends():
    for value in (2, 2.5, 3):
        check_range("rows", value, 2, 3)
    for value in (1.999, 3.001, math.nan, math.inf, -math.inf):
        with pytest.raises(ProtocolError, match=r"rows = .* is outside \[2, 3\]") as found:
            check_range("rows", value, 2, 3)
        assert found.value.refusal is Refusal.INVALID_ARGUMENT


def test_a_name_is_a_short_printable_word():
    for good in ("a", "x" * 128, "alice-1", "with space"):
        check_name("client", good)
    for bad in ("", "x" * 129, "é", "a\nb", "\x7f"):
        with pytest.raises(ProtocolError, match="client is not a printable word of 1 to 128"):
            check_name("client", bad)


@given(
    arrays.arrays(
        np.float64, arrays.array_shapes(min_dims=1, max_dims=3), elements=st.floats(-1e15, 1e15)
    )
)
def test_arrays_come_as_they_went(array):
    np.testing.assert_array_equal(unpack("x", pack(array), array.shape), array)
    # In whatever order they lie in memory, and of whatever type.
    np.testing.assert_array_equal(unpack("x", pack(np.asfortranarray(array)), array.shape), array)


def test_arrays_travel_as_little_endian_doubles_row_by_row():
    assert (
        pack(np.array([[1, 2], [3, 4]], dtype=">i2")) == np.array([1.0, 2, 3, 4], "<f8").tobytes()
    )
    assert unpack("x", bytes(16), (1, 2)).shape == (1, 2)
    assert unpack("x", b"", (0, 5)).shape == (0, 5)


@pytest.mark.parametrize("length", [0, 8, 47, 49, 56])
def test_a_wrong_length_is_refused(length):
    with pytest.raises(
        ProtocolError, match=rf"sums has {length} bytes; allowed: 48, for shape \(2, 3\)"
    ):
        unpack("sums", bytes(length), (2, 3))


def test_a_shape_too_large_to_count_is_refused_too():
    with pytest.raises(ProtocolError, match="allowed: 147573952589676412928"):
        unpack("x", b"", (2**32, 2**32))  # whose product is 0 in 64 bits


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1.0001e15, -1.0001e15])
def test_an_impossible_number_is_refused(number):
    with pytest.raises(ProtocolError, match="sums hold a number outside"):
        unpack("sums", pack(np.array([1.0, number, 2.0])), (3,))


def test_the_largest_numbers_pass():
    np.testing.assert_array_equal(unpack("x", pack(np.array([1e15, -1e15])), (2,)), [1e15, -1e15])
