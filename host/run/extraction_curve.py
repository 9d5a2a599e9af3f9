"""How good a clone is after K inferences, as measured curves, and the curves that ship.

Accuracy of a clone depends on K and F². It depends on K·F² alone as soon as K unit vectors span
all axes that are worth measuring, so a grid over both is measured once, and continued by the
product where it ends in K. Curves of the shipped networks lie beside them in `models/networks/data`
with the digests of the network and of the images; `shotveil lab curves` writes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from shotveil.host.run.extraction import Extraction, clone_accuracy
from shotveil.host.run.shipped_curves import shipped_files
from shotveil.models.common.checks import require
from shotveil.models.networks.network import Network

METHOD = 1  # to be raised whenever the same network and images would give another curve
INFERENCES = (1, 3, 10, 17, 30, 55, 100, 173, 300, 1000)
F2 = (0.0625, 0.15, 0.4, 1.0, 2.5, 6.0, 15.0)

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExtractionCurve:
    """Measured accuracies of clones of one network.

    inferences: Numbers K, rising, shape (k,). f2: Values of F² > 0, rising, shape (f,).
    accuracy: Accuracy of a clone at each pair, shape (k, f).
    original: Accuracy of the network itself without noise, on the same images.
    images: Number of images behind each accuracy.
    """

    inferences: Real
    f2: Real
    accuracy: Real
    original: float
    images: int

    def at(self, inferences: int, f2: float) -> float:
        """Return the accuracy of a clone after K `inferences` ≥ 1 at F² > 0.

        Between measured points, it is linear in ln K and ln F². Beyond the most K, and below the
        least F², the product K·F² decides; above the most F², the noise no longer matters.
        Raises `RangeError` for a value out of range.
        """
        require("inferences", inferences, at_least=1)
        require("F²", f2, above=0)
        k, f = float(inferences), min(f2, float(self.f2[-1]))
        if f < self.f2[0]:
            k, f = max(k * f / self.f2[0], 1.0), float(self.f2[0])
        if k > self.inferences[-1]:
            f, k = min(k * f / self.inferences[-1], float(self.f2[-1])), float(self.inferences[-1])
        axes = np.log(self.inferences), np.log(self.f2)
        # More readings or more light never hurt a client, so the true accuracy never falls.
        rising = np.maximum.accumulate(np.maximum.accumulate(self.accuracy, axis=0), axis=1)
        return float(RegularGridInterpolator(axes, rising)([[math.log(k), math.log(f)]])[0])

    def inferences_for(self, accuracy: float, f2: float) -> int | None:
        """Return the least K with a clone of `accuracy` at F²; None where no K ≤ 10⁹ has one."""
        low, high = 0, 10**9
        if self.at(high, f2) < accuracy:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle, f2) >= accuracy else (middle, high)
        return high


def measured(
    network: Network,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    draws: int = 2,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExtractionCurve:
    """Clone a network at each K and F² of the grid, with axes from the first half of the images.

    The clones are judged on the second half. Raises `RangeError` for fewer than two images.
    """
    require("images", len(images), at_least=2)
    require("draws", draws, at_least=1, integer=True)
    half = len(images) // 2
    attack, rng = Extraction(network, images[:half]), np.random.default_rng(seed)
    accuracy = np.zeros((len(INFERENCES), len(F2)))
    for i, k in enumerate(INFERENCES):
        for j, f2 in enumerate(F2):
            found = [
                clone_accuracy(attack, images[half:], labels[half:], f2, k, rng)
                for _ in range(draws)
            ]
            accuracy[i, j] = np.mean(found)
            progress(1, len(INFERENCES) * len(F2))
    original = float((network.forward(images[half:]).argmax(axis=1) == labels[half:]).mean())
    return ExtractionCurve(
        np.array(INFERENCES, float), np.array(F2), accuracy, original, len(images) - half
    )


def written(curve: ExtractionCurve, network: Network, data: str) -> str:
    """Return the JSON text of a curve; `data` is the digest of the images and labels."""
    values: dict[str, Any] = {
        "method": METHOD,
        "digest": network.digest,
        "data": data,
        "images": curve.images,
        "original": curve.original,
        "inferences": curve.inferences.tolist(),
        "f2": curve.f2.tolist(),
        "accuracy": np.round(curve.accuracy, 5).tolist(),
    }
    return json.dumps(values) + "\n"


def shipped_curve(digest: str) -> ExtractionCurve | None:
    """Return the shipped extraction curve of the network of this digest, or None."""
    for path in shipped_files("extraction"):
        kept = json.loads(path.read_bytes())
        if kept["digest"] == digest and kept["method"] == METHOD:
            return ExtractionCurve(
                np.array(kept["inferences"]),
                np.array(kept["f2"]),
                np.array(kept["accuracy"]),
                kept["original"],
                kept["images"],
            )
    return None


def clone_line(digest: str, inferences: int, f2: float) -> str | None:
    """Return a sentence on the clone after K inferences; None where no curve ships."""
    curve = shipped_curve(digest)
    if curve is None:
        return None
    accuracy = curve.at(inferences, f2)
    after = "1 inference" if inferences == 1 else f"{inferences:,} inferences"
    return f"a clone of {accuracy:.1%} is possible after {after} (original {curve.original:.1%})"
