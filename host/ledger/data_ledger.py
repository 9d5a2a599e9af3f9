"""The client's ledger: what left of each image, over all sessions, under one bound by name.

An image is known by a keyed hash, so the file does not tell which images were asked about. Every
row that meets an image adds to what a server may have learned of it: rows accumulate, per image and
layer, and a bound is taken of their sum (`host.leakage.data`). What leaks of a hidden layer's
activations leaks of the image they come from, so the layers' bits are added (chain rule) and
divided by the elements of the image. Charged are the rows that the server declared, decoys
included, before any light is set; nothing is ever credited back.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.catalogue import DATA_BOUND, DATA_BOUNDS, data_bound
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.optics import noise_quantum


class DataBudgetExhausted(RangeError):
    """An image would leak more than its owner allows."""


class DataLedger:
    """Open the ledger at `path`; `budget` in bits per data element under `bound`, None: no limit.

    Images asked about at other gains count at the highest gain so far. Raises `RangeError` as
    `EventLog`, for a negative budget or an unknown bound.
    """

    def __init__(self, path: Path, budget: float | None = None, bound: str = DATA_BOUND) -> None:
        if budget is not None:
            require("data budget", budget, at_least=0)
        data_bound(bound)
        self.budget, self.bound = budget, bound
        self._lock = threading.Lock()
        self._log = EventLog(path)
        # Per image: the highest gain, and rows by layer's place and columns.
        self._images: dict[str, tuple[float, dict[tuple[int, int], int]]] = {}
        try:
            for event in self._log.events():
                if event.kind == "asked":
                    body = event.body
                    self._count(body["images"], body["gain"], body["rows"], body["columns"])
        except (KeyError, TypeError, ValueError) as error:
            self._log.close()
            raise RangeError(f"ledger {path} is no data ledger: {error}") from None

    def charge(
        self,
        images: NDArray[np.floating],
        gain: float,
        rows: Sequence[int],
        columns: Sequence[int],
    ) -> None:
        """Charge a batch (n, inputs) for `rows` of each layer of so many `columns`, durably.

        Raises `DataBudgetExhausted`, and charges nothing, if any image would exceed the budget.
        """
        require("gain", gain, above=1)
        with self._lock:
            names = [self._name(image) for image in images]
            if self.budget is not None:
                before = dict(self._images)
                self._count(names, gain, rows, columns)
                after, self._images = self._images, before
                worst = max(_bits(*after[name], self.bound) for name in set(names))
                if worst > self.budget:
                    raise DataBudgetExhausted(
                        f"data budget exhausted: an image would leak {worst:.4g} bits per element "
                        f"({self.bound}) of {self.budget:g}; what has leaked stays leaked, so more "
                        "is possible only with a lower gain or a higher budget"
                    )
            self._log.append(
                "asked",
                {"images": names, "gain": gain, "rows": list(rows), "columns": list(columns)},
            )
            self._count(names, gain, rows, columns)

    def leakage(self) -> dict[str, dict[str, float]]:
        """By bound, bits per data element of the images so far: the mean and the most."""
        found = {}
        for bound in DATA_BOUNDS:
            # Few histories occur, each of many images.
            histories = {
                (gain, tuple(sorted(rows.items()))) for gain, rows in self._images.values()
            }
            bits = {history: _bits(history[0], dict(history[1]), bound) for history in histories}
            each = [
                bits[gain, tuple(sorted(rows.items()))] for gain, rows in self._images.values()
            ] or [0.0]
            found[bound] = {"mean": float(np.mean(each)), "most": float(np.max(each))}
        return found

    @property
    def images(self) -> int:
        """Different images so far."""
        return len(self._images)

    def close(self) -> None:
        self._log.close()

    def _name(self, image: NDArray[np.floating]) -> str:
        data = np.ascontiguousarray(image, dtype="<f4").tobytes()
        return hmac.new(self._log.secret, data, hashlib.sha256).hexdigest()[:32]

    def _count(
        self, names: Sequence[str], gain: float, rows: Sequence[int], columns: Sequence[int]
    ) -> None:
        for name in names:
            highest, old = self._images.get(name, (gain, {}))
            new = dict(old)
            for place, (number, width) in enumerate(zip(rows, columns, strict=True)):
                new[place, int(width)] = new.get((place, int(width)), 0) + int(number)
            self._images[name] = max(highest, gain), new


def _bits(gain: float, rows: dict[tuple[int, int], int], bound: str) -> float:
    """Bits per element of the image: bits of all layers over the first one's columns."""
    g, total, elements = noise_quantum(gain), 0.0, 1
    for (place, columns), number in rows.items():
        bits = float(DATA_BOUNDS[bound](g, number, modes_of(columns)))
        total += columns * bits
        if place == 0:
            elements = columns
    return total / elements
