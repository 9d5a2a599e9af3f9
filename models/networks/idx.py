"""IDX, the array file format of MNIST: a magic number, big-endian dimensions, then the elements.

Bytes 0 and 1 are zero, byte 2 names the element type, byte 3 the number of dimensions; each
dimension follows as an unsigned 32-bit integer. Source: the format's description at
http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import struct
import sys
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 8  # data sets have 1 to 4


def read_idx(path: str | Path) -> NDArray[Any]:
    """Return the array that the IDX file `path`, gzipped or not, holds.

    The result owns its memory, is in native byte order and has the shape the header states.
    Raises `RangeError` when the file does not exist, is not IDX, or is shorter or longer than its
    header says.
    """
    path = Path(path)
    file = ForeignFile("IDX file", path)
    with file.gunzipped() as (stream, most):
        start = stream.read(4)
        if len(start) < 4:
            raise file.refused(f"has {len(start)} bytes", "at least 4, the header")
        zero, code, dimensions = struct.unpack(">HBB", start)
        if zero != 0 or code not in _TYPES or not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise file.refused(
                f"starts with 0x{start.hex()}",
                f"0x0000, an element type of {', '.join(f'0x{c:02x}' for c in _TYPES)}, and a "
                f"number of dimensions from 1 to {_MOST_DIMENSIONS}",
            )
        header = 4 + 4 * dimensions
        sizes = stream.read(4 * dimensions)
        if len(sizes) < 4 * dimensions:
            raise RangeError(
                f"IDX file {path} is truncated: {4 + len(sizes)} of {header} header bytes"
            )
        shape = struct.unpack(f">{dimensions}I", sizes)
        dtype = np.dtype(_TYPES[code])
        expected = header + prod(shape) * dtype.itemsize
        # NumPy counts the bytes of an empty array as if no dimension were 0.
        if prod(n or 1 for n in shape) * dtype.itemsize > sys.maxsize:
            raise file.refused(f"has a header {shape}", f"at most {sys.maxsize:,} bytes")
        said = f"bytes where its header {shape} says {expected}"
        if expected > most:
            raise file.refused(f"is truncated: {most} {said}", f"at most {most}")
        data = stream.read(expected - header)
        found = header + len(data) + len(stream.read(1))
        if found != expected:
            kind = "truncated" if found < expected else "too long"
            raise RangeError(f"IDX file {path} is {kind}: {found} {said}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
