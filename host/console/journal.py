"""The journal of a client's questions: what `shotveil ask --journal` writes for its own console.

A file holds lines of JSON: `progress` as images are done, `answers` with the last images and what
the network said of them, and what the checks of the server's light found. It holds the client's
data, so that only its owner may read the file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

KINDS = ("progress", "answers", "checks")
LAST = 12  # images that are shown
MOST_BYTES = 1 << 26


class Journal:
    """Adds lines to the journal at `path`. Raises `OSError` where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w")
        self._start, self._done = time.monotonic(), 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def progress(self, done: int, total: int) -> None:
        """Write that `done` more of `total` images are done."""
        self._done += done
        seconds = time.monotonic() - self._start
        rate = self._done / seconds if seconds else 0.0
        self._write("progress", {"done": self._done, "of": total, "images_per_second": rate})

    def answers(
        self,
        images: npt.NDArray[np.floating],
        outputs: npt.NDArray[np.floating],
        predictions: npt.NDArray[Any],
        network: str,
    ) -> None:
        """Write the last images, shape (n, inputs), with outputs and predictions.

        Square images are kept as pictures, of 0 to 255.
        """
        side = round(images.shape[1] ** 0.5)
        last = images[-LAST:]
        pictures: list[list[int]] = [[] for _ in last]
        if side * side == images.shape[1]:
            low, high = float(last.min()), float(last.max())
            grey = (last - low) / (high - low or 1.0) * 255
            pictures = np.rint(grey).astype(int).tolist()
        self._write("answers", {
            "network": network,
            "side": side,
            "pictures": pictures,
            "outputs": np.round(outputs[-LAST:].astype(float), 4).tolist(),
            "predictions": np.asarray(predictions)[-LAST:].tolist(),
        })  # fmt: skip

    def checks(self, values: Mapping[str, Any]) -> None:
        """Write what the checks of the server's light found."""
        self._write("checks", dict(values))

    def _write(self, kind: str, values: dict[str, Any]) -> None:
        line = json.dumps({"kind": kind, "time": time.time(), **values}, allow_nan=False)
        self._file.write(line + "\n")
        self._file.flush()


def last_entries(path: Path) -> dict[str, Any]:
    """Return the last entry of each kind in a journal. Raises `RangeError` for another file."""
    file = ForeignFile("journal", path)
    text = file.read(MOST_BYTES)
    found: dict[str, Any] = {}
    for line in reversed(text[: text.rfind(b"\n") + 1].splitlines()):
        entry = file.decoded_json(line)
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if kind not in KINDS:
            raise RangeError(f"{path} is no journal of `shotveil ask`")
        found.setdefault(kind, entry)
        if len(found) == len(KINDS):
            break
    return found
