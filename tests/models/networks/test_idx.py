import gzip
import struct

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.idx import read_idx

ARRAYS = [
    (0x08, np.array([0, 255], ">u1")),
    (0x09, np.array([[-128], [127]], ">i1")),
    (0x0B, np.array([[-2, 300, 32767]], ">i2")),
    (0x0C, np.array([[[1 - 2**31]]], ">i4")),
    (0x0D, np.array([0.1, -3.3e38], ">f4")),
    (0x0E, np.array([np.pi], ">f8")),
]


def encode(code, array):
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("code, array", ARRAYS, ids=lambda a: str(getattr(a, "dtype", a)))
def test_reads_every_type(tmp_path, code, array, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(encode(code, array)))
    result = read_idx(path)
    np.testing.assert_array_equal(result, array)
    assert result.dtype == array.dtype.newbyteorder("=") and result.dtype.isnative
    assert result.flags.writeable


GOOD = encode(0x08, np.arange(12, dtype="u1").reshape(3, 4))


@pytest.mark.parametrize(
    "data, message",
    [
        (GOOD[:-1], r"is truncated: 23 bytes where its header \(3, 4\) says 24"),
        (GOOD + b"\0", "is too long: 25 bytes"),
        (GOOD[:9], "is truncated: 9 of 12 header bytes"),
        (GOOD[:3], "has 3 bytes"),
        (b"", "has 0 bytes"),
        (b"\1" + GOOD[1:], "starts with 0x01000802"),
        (b"\0\0\x07" + GOOD[3:], "starts with 0x00000702"),
        (b"\0\0\x08\0", "starts with 0x00000800"),
        (gzip.compress(GOOD, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:15] + b"\xff" * 20, "truncated: .* at most"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "damaged gzip"),
        (struct.pack(">HBB70I", 0, 8, 70, *[1] * 70) + b"1", "starts with 0x00000846"),
        (struct.pack(">HBB4I", 0, 8, 4, 0, *[2**32 - 1] * 3), "has a header"),
        (struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3) + bytes(10), "has a header"),
        (gzip.compress(struct.pack(">HBB3I", 0, 8, 3, *[2**11] * 3)), "allowed: at most 6"),
    ],
)
def test_refuses_damaged_files(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(RangeError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_names_a_missing_file(tmp_path):
    with pytest.raises(RangeError, match=r"absent cannot be read: No such file"):
        read_idx(tmp_path / "absent")
