"""The client's ledger: what leaked of each image over all sessions, under one chosen bound.

The ledger identifies an image by a keyed hash, so the file does not tell which images were used.
Every row that meets an image adds to what a server may have learned of it. The ledger therefore
counts rows for each image and layer, and takes the bound at their total (`host.leakage.data`). The
activations of a hidden layer come from the image, so what leaks of them leaks of the image: the
bits of all layers are added (chain rule). Per element, they are divided by the image's elements. An
image is charged before the optics are set to it, for all rows that the server declared, decoys
included. Nothing is ever credited back.
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
from shotveil.host.leakage.data import bits_of_vector
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.amplifier import noise_quantum, require_gain
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.light import one_or_each

_Rows = dict[tuple[int, int], tuple[float, float, int]]


class DataBudgetExhausted(RangeError):
    """An image would leak more than its owner allows."""


class DataLedger:
    """The client's ledger at `path`, which is made if neither it nor its key exists.

    budget: Limit in bits per data element of an image, ≥ 0; None sets no limit.
    bound: Name of the data bound that both budgets are compared with.
    image_budget: Limit in bits of a whole image, ≥ 0; None sets no limit.
    writable: Whether images can be charged; without it the ledger is only read, and has to exist.

    A layer that met an image at several gains counts at the highest of them, and with the most
    coherent light that ever returned of a row. Raises `RangeError`
    for a file that `EventLog` refuses or that is no data ledger, a negative budget or an unknown
    bound.
    """

    def __init__(
        self,
        path: Path,
        budget: float | None = None,
        bound: str = DATA_BOUND,
        image_budget: float | None = None,
        *,
        writable: bool = True,
    ) -> None:
        for name, bits in (("data budget", budget), ("image budget", image_budget)):
            if bits is not None:
                require(name, bits, at_least=0)
        data_bound(bound)
        self.budget, self.bound, self.image_budget = budget, bound, image_budget
        self._lock = threading.Lock()
        self._log = EventLog(path, writable=writable, create=writable)
        # For each image and (number of the layer, columns): the highest gain and the most coherent
        # photons so far, and rows.
        self._images: dict[str, _Rows] = {}
        try:
            for event in self._log.events():
                if event.kind == "asked":
                    body = event.body
                    # Most optics return no coherent light, and most events do not name it.
                    coherent = body.get("coherent", [0.0] * len(body["rows"]))
                    self._count(
                        body["images"], body["gain"], body["rows"], body["columns"], coherent
                    )
        except (KeyError, TypeError, ValueError) as error:
            self._log.close()
            raise RangeError(f"ledger {path} is no data ledger: {error}") from None

    def charge(
        self,
        images: NDArray[np.floating],
        gain: float | Sequence[float],
        rows: Sequence[int],
        columns: Sequence[int],
        coherent: Sequence[float] | None = None,
    ) -> None:
        """Charge a batch of images, shape (n, inputs); on return the charge is on disk.

        gain: Power gain G > 1 of the client's amplifier, for all layers or one for each.
        rows, columns: Number of rows that are sent, and of columns, of each layer.
        coherent: Photons ≥ 0 of each layer that a loss imbalance of the client's optics returns of
            a row at most (`Channel.coherent_photons_at`). None stands for optics without one.

        Raises `DataBudgetExhausted`, and charges nothing, if any image would exceed the budget, and
        `RangeError` for another gain or number of photons.
        """
        require_gain(gain)
        returned = [0.0] * len(rows) if coherent is None else [float(c) for c in coherent]
        require("coherent photons", returned, at_least=0)
        with self._lock:
            names = [self._name(image) for image in images]
            if self.budget is not None or self.image_budget is not None:
                before = dict(self._images)
                self._count(names, gain, rows, columns, returned)
                after, self._images = self._images, before
                leaked = np.array([_bits(after[name], self.bound) for name in set(names)])
                for budget, bits, unit in zip(
                    (self.budget, self.image_budget),
                    leaked.max(axis=0),
                    ("bits per element", "bits in all"),
                    strict=True,
                ):
                    if budget is not None and bits > budget:
                        raise DataBudgetExhausted(
                            f"data budget exhausted: an image would leak {bits:.4g} {unit} "
                            f"({self.bound}) of {budget:g}; what has leaked stays leaked, so more "
                            "is possible only with a lower gain or a higher budget"
                        )
            each = one_or_each(gain) if isinstance(gain, Sequence) else gain
            body = {"images": names, "gain": each, "rows": list(rows), "columns": list(columns)}
            if any(returned):
                body["coherent"] = returned
            self._log.append("asked", body)
            self._count(names, gain, rows, columns, returned)

    def leakage(self) -> dict[str, dict[str, float]]:
        """Return, for each bound, the mean and the largest leakage of an image so far.

        Leakage is in bits per data element under the keys "mean" and "most", and in bits of the
        whole image under "image_mean" and "image_most".
        """
        found = {}
        for bound in DATA_BOUNDS:
            # Many images share a history, so the bits are computed once for each history.
            histories = [tuple(sorted(rows.items())) for rows in self._images.values()]
            bits = {history: _bits(dict(history), bound) for history in set(histories)}
            each = np.array([bits[history] for history in histories] or [(0.0, 0.0)])
            (mean, image_mean), (most, image_most) = each.mean(axis=0), each.max(axis=0)
            found[bound] = {
                "mean": float(mean),
                "most": float(most),
                "image_mean": float(image_mean),
                "image_most": float(image_most),
            }
        return found

    @property
    def events(self) -> int:
        """Number of events in the file, where others may write."""
        return self._log.head.sequence

    @property
    def images(self) -> int:
        """Number of different images so far."""
        return len(self._images)

    def close(self) -> None:
        """Close the ledger file."""
        self._log.close()

    def _name(self, image: NDArray[np.floating]) -> str:
        data = np.ascontiguousarray(image, dtype="<f4").tobytes()
        return hmac.new(self._log.secret, data, hashlib.sha256).hexdigest()[:32]

    def _count(
        self,
        names: Sequence[str],
        gain: float | Sequence[float],
        rows: Sequence[int],
        columns: Sequence[int],
        coherent: Sequence[float],
    ) -> None:
        gains = gain if isinstance(gain, Sequence) else [gain] * len(rows)
        for name in names:
            new = dict(self._images.get(name, {}))
            for place, (own, number, width, light) in enumerate(
                zip(gains, rows, columns, coherent, strict=True)
            ):
                highest, most, before = new.get((place, int(width)), (own, light, 0))
                new[place, int(width)] = max(highest, own), max(most, light), before + int(number)
            self._images[name] = new


def _bits(rows: _Rows, bound: str) -> tuple[float, float]:
    """Return the bits of an image that all layers together tell, per element and in all.

    The elements are those of the narrowest first layer that the image met.
    """
    counted = DATA_BOUNDS[bound]
    total = sum(
        float(bits_of_vector(counted, noise_quantum(gain), number, modes_of(columns), coherent))
        for (_, columns), (gain, coherent, number) in rows.items()
    )
    elements = min((columns for place, columns in rows if place == 0), default=1)
    return total / elements, total
