"""Curves that ship beside the networks, and what bounds and resumes the calibration of others."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import UserDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically
from shotveil.models.networks.network import NETWORK_FOLDER, Network

SHIPPED_POINTS = 512
LEAST_POINTS = 32
LEAST_IMAGES = 256
# Outputs of layers that a calibration may draw: about half a minute on two cores. So many products
# of two numbers take the time of one output, and an input of a later layer takes this share of it.
MOST_OUTPUTS = 3e9
PRODUCTS_OF_OUTPUT = 200
INPUT_OF_OUTPUT = 0.25
SECONDS_BETWEEN_COPIES = 3.0


def shipped_files(kind: str) -> list[Path]:
    """Return the files that ship with curves of a kind, "accuracy" or "extraction"."""
    return sorted(NETWORK_FOLDER.glob(f"*.{kind}.json"))


def data_digest(images: NDArray[np.floating], labels: NDArray[Any]) -> str:
    """Return the SHA-256, in hex, of images and labels, which are numbers or names of classes."""
    digest = hashlib.sha256(np.ascontiguousarray(images, "<f4").tobytes())
    if labels.dtype.kind in "iub":
        digest.update(np.ascontiguousarray(labels, "<i8").tobytes())
    else:
        digest.update("\n".join(map(str, labels)).encode())
    return digest.hexdigest()


def outputs_of(network: Network) -> float:
    """Return the work of one point of a curve for one image, in outputs of layers.

    The products of the first layer are the same at every point, and do not count.
    """
    work = 0.0
    for number, layer in enumerate(network.layers):
        each = float(layer.rows)
        if number:
            each += layer.columns * (layer.rows / PRODUCTS_OF_OUTPUT + INPUT_OF_OUTPUT)
        work += layer.patches * each
    return work


def points_within(network: Network, images: int) -> int:
    """Return the number of points of a calibration that is bounded in time, from 32 to 512."""
    points = MOST_OUTPUTS / (images * outputs_of(network))
    return int(min(SHIPPED_POINTS, max(LEAST_POINTS, points)))


def images_within(network: Network, points: int) -> int:
    """Return the most images of a calibration that is bounded in time, at least 256."""
    return int(max(LEAST_IMAGES, MOST_OUTPUTS / (points * outputs_of(network))))


class PartialCounts(UserDict[int, NDArray[np.int64]]):
    """The counts of a calibration so far, which a file keeps until the calibration is done.

    path: The file. key: What the counts belong to; a file with another key is ignored.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        super().__init__()
        self._path, self._key = path, key
        self._guard, self._copied = threading.Lock(), time.monotonic()
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            kept = json.loads(path.read_bytes())
            found = {int(n): np.array(c, dtype=np.int64) for n, c in kept.pop("counts").items()}
            if kept == key and all(c.shape == (key["points"],) for c in found.values()):
                self.data.update(found)

    def __setitem__(self, number: int, counts: NDArray[np.int64]) -> None:
        with self._guard:
            self.data[number] = counts
            late = time.monotonic() - self._copied > SECONDS_BETWEEN_COPIES
        if late:
            self.keep()

    def keep(self) -> None:
        """Write all counts to the file, where the cache is writable."""
        with self._guard:
            counts = {str(number): c.tolist() for number, c in self.data.items()}
            with suppress(RangeError):
                write_atomically(self._path, json.dumps({**self._key, "counts": counts}))
            self._copied = time.monotonic()
