"""How good a clone is after K inferences, as measured curves, and the curves that ship.

Accuracy of a clone depends on K and F². It depends on K·F² alone as soon as K unit vectors span
all axes that are worth measuring, so a grid over both is measured once, and continued by the
product where it ends in K. Curves of the shipped networks lie beside them in `models/networks/data`
with the digests of the network and of the images; `shotveil lab curves` writes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from shotveil.host.run.extraction import Extraction, accuracy_of
from shotveil.host.run.shipped_curves import shipped_files
from shotveil.models.common.checks import require
from shotveil.models.common.search import last_fitting
from shotveil.models.networks.network import Network
from shotveil.models.networks.plan import Values

METHOD = 2  # to be raised whenever the same network and images would give another curve
INFERENCES = (1, 3, 10, 17, 30, 55, 100, 173, 300, 1000)
F2 = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
ERROR = 0.003  # standard error of an accuracy at which no more clones are drawn
MOST_DRAWS = 16
MARGIN = 0.01  # a clone that falls this short of the original is as good as the original

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

        Between measured points, it is a monotone cubic in ln K and in ln F². Beyond the most K, and
        below the least F², the product K·F² decides; above the most F², the noise no longer
        matters.
        Raises `RangeError` for a value out of range.
        """
        require("inferences", inferences, at_least=1)
        require("F²", f2, above=0)
        k, f = float(inferences), min(f2, float(self.f2[-1]))
        if f < self.f2[0]:
            k, f = max(k * f / self.f2[0], 1.0), float(self.f2[0])
        if k > self.inferences[-1]:
            f, k = min(k * f / self.inferences[-1], float(self.f2[-1])), float(self.inferences[-1])
        # More readings or more light never hurt a client, so the true accuracy never falls.
        rising = np.maximum.accumulate(np.maximum.accumulate(self.accuracy, axis=0), axis=1)
        lit = PchipInterpolator(np.log(self.f2), rising, axis=1)(math.log(f))
        return float(PchipInterpolator(np.log(self.inferences), lit)(math.log(k)))

    def inferences_for(self, accuracy: float, f2: float) -> int | None:
        """Return the least K with a clone of `accuracy` at F²; None where no K ≤ 10⁹ has one."""
        most = 10**9
        if self.at(most, f2) < accuracy:
            return None
        return 1 + last_fitting(lambda count: self.at(count, f2) < accuracy, 0, most)


def measured(
    network: Network,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    draws: int = 4,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExtractionCurve:
    """Clone a network at each K and F² of the grid, with axes from the first half of the images.

    The clones are judged on the second half. An accuracy is the mean of at least `draws` clones,
    and of more, up to `MOST_DRAWS`, until its standard error is at most `ERROR`. Raises
    `RangeError` for fewer than two images or draws.
    """
    require("images", len(images), at_least=2)
    require("draws", draws, at_least=2, at_most=MOST_DRAWS, integer=True)
    half = len(images) // 2
    attack, rng = Extraction(network, images[:half]), np.random.default_rng(seed)
    judged, truth = network.plan.begin(images[half:].astype(np.float32)), labels[half:]
    accuracy = np.zeros((len(INFERENCES), len(F2)))
    for i, k in enumerate(INFERENCES):
        for j, f2 in enumerate(F2):
            accuracy[i, j] = mean_accuracy(attack, judged, truth, f2, k, rng, draws)
            progress(1, len(INFERENCES) * len(F2))
    original = accuracy_of(network, network.products, judged, truth)
    return ExtractionCurve(
        np.array(INFERENCES, float), np.array(F2), accuracy, original, len(images) - half
    )


def mean_accuracy(
    attack: Extraction,
    judged: Values,
    labels: NDArray[np.integer],
    f2: float,
    inferences: int,
    rng: np.random.Generator,
    draws: int,
) -> float:
    """Return the mean accuracy of at least `draws` clones, to `ERROR` (see `measured`).

    judged: What the plan begins with for the images that clones are judged on.
    """
    found: list[float] = []
    while len(found) < draws or (
        len(found) < MOST_DRAWS and np.var(found, ddof=1) > ERROR**2 * len(found)
    ):
        found.append(
            accuracy_of(attack.network, attack.clone(f2, inferences, rng).products, judged, labels)
        )
    return float(np.mean(found))


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


@dataclass(frozen=True)
class PossibleClone:
    """What clone is possible after a number of `inferences`, by the curve of a network.

    accuracy, original: Accuracy of the clone and of the network itself.
    as_good_after: Number of inferences after which a clone falls short of the original by no more
        than `MARGIN`; None where none does.
    hedge: What to say before the accuracy, such as "at least ", where F² is not known exactly.
    """

    inferences: int
    accuracy: float
    original: float
    as_good_after: int | None
    hedge: str = ""

    def __str__(self) -> str:
        """A sentence for people."""
        said = (
            f"a clone of {self.hedge}{self.accuracy:.1%} is possible after "
            f"{_counted(self.inferences)} (original {self.original:.1%})"
        )
        if self.as_good_after is not None:
            said += f", one within {100 * MARGIN:g} point of it after {self.as_good_after:,}"
        return said


def clone_of(digest: str, inferences: int, f2: Sequence[float]) -> PossibleClone | None:
    """Return the clone that is possible after K `inferences`; None where no curve ships.

    digest: Digest of the network. f2: F² of its layers, or of all of them. Where they differ, the
        least one counts, and the clone may be better.
    """
    curve = shipped_curve(digest)
    if curve is None:
        return None
    least = min(f2)
    return PossibleClone(
        inferences,
        curve.at(inferences, least),
        curve.original,
        curve.inferences_for(curve.original - MARGIN, least),
        "at least " if max(f2) > least * (1 + 1e-9) else "",
    )


def _counted(inferences: int) -> str:
    return "1 inference" if inferences == 1 else f"{inferences:,} inferences"
