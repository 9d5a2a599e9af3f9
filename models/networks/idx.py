"""IDX, the array file format of MNIST: a magic number, big-endian dimensions, then the elements.

Bytes 0 and 1 are zero, byte 2 names the element type, byte 3 the number of dimensions; each
dimension follows as an unsigned 32-bit integer. Source: the format's description at
http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path) -> NDArray[Any]:
    """Return the array that the IDX file `path`, gzipped or not, holds.

    The result owns its memory, is in native byte order and has the shape the header states.
    Raises `RangeError` when the file does not exist, is not IDX, or is shorter or longer than its
    header says.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP_MAGIC):
            data = gzip.decompress(data)
    except OSError as error:  # gzip.BadGzipFile is one
        raise RangeError(f"IDX file {path} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise RangeError(f"IDX file {path} is a damaged gzip stream: {error}") from None

    if len(data) < 4:
        raise RangeError(f"IDX file {path} has {len(data)} bytes; allowed: at least 4, the header")
    zero, code, dimensions = struct.unpack_from(">HBB", data)
    if zero != 0 or code not in _TYPES or dimensions == 0:
        raise RangeError(
            f"IDX file {path} starts with 0x{data[:4].hex()}; allowed: 0x0000, an element type of "
            f"{', '.join(f'0x{c:02x}' for c in _TYPES)}, and a number of dimensions of at least 1"
        )
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise RangeError(f"IDX file {path} is truncated: {len(data)} of {start} header bytes")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    dtype = np.dtype(_TYPES[code])
    expected = start + prod(shape) * dtype.itemsize
    if len(data) != expected:
        kind = "truncated" if len(data) < expected else "too long"
        raise RangeError(
            f"IDX file {path} is {kind}: {len(data)} bytes where its header {shape} says {expected}"
        )
    array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))
