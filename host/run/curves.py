"""Accuracy of a network as a function of F², the only number by which the optics affect it.

For a layer W and data x a client reads y = W·x + ‖x‖·rms(W)/F · n, with n standard normal
(docs/physics.md). Gain, photons, loss and detector enter only through F². So all points of a curve
can use the same noiseless products of the first layer. In units of the noise,

    y ∝ F·(W·x)/(‖x‖·rms(W)) + n,

which is allowed because neither the next layer nor the largest output depends on the scale. A point
then costs one multiplication, one addition and one comparison for each output, besides fresh noise
and the later, smaller layers.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit, isotonic_regression
from threadpoolctl import threadpool_limits

from shotveil.host.run.cache import cache_path
from shotveil.host.run.noise import Readings
from shotveil.host.run.shipped_curves import (
    SHIPPED_POINTS,
    PartialCounts,
    data_digest,
    points_within,
    shipped_files,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.link.normals import fill_normals
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.tasks import Task

# Number of outputs of the widest layer that a thread handles at once. An array then has 512 KiB, so
# the three or four that a point uses fit the processor's cache, and the interpreter's share of the
# time remains small.
OUTPUTS_IN_CHUNK = 1 << 17
_METHOD = 1  # to be raised whenever the same key would give another curve

Real = NDArray[np.float64]
Single = NDArray[np.float32]


def accuracy_curve(
    network: Network,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    f2: ArrayLike,
    rng: np.random.Generator,
    *,
    ratios: Sequence[float] = (),
    shared_noise: bool = False,
    counted: MutableMapping[int, NDArray[np.int64]] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Real:
    """Return the fraction of images that is classified as labelled at each F², shape as `f2`.

    images: Images, shape (n, inputs).
    labels: Their classes, shape (n,).
    f2: Values of F² ≥ 0 in the first layer; at 0 the readings are noise alone.
    ratios: F² of each layer over that of the first, > 0; without any, all layers have the same.
    shared_noise: Draw the noise once and use it at every point (common random numbers). This is
        faster. Each accuracy has the same distribution as with fresh noise, but the points are
        correlated: the curve is smooth, and its error has one sign over wide ranges of F².
    counted: The counts of each chunk of images that is done, shape (points,), by its number. Chunks
        that it holds are not measured again, and each new one is added to it.
    progress: Function that is called with the number of images done since the last call.

    The result depends on `rng` and, by rounding, on the type of processor, but not on the number of
    processors. The counting error of a point is √(A(1−A)/n). Raises `RangeError` for F² < 0 or
    images that do not fit the network or the labels.
    """
    require("F²", f2, at_least=0)
    if images.ndim != 2 or images.shape[1] != network.inputs or not len(images):
        raise RangeError(
            f"images of shape {images.shape} do not fit; allowed: (n, {network.inputs}), n ≥ 1"
        )
    if labels.shape != images.shape[:1]:
        raise RangeError(f"labels of shape {labels.shape} do not fit; allowed: ({len(images)},)")
    amplitudes = np.sqrt(np.asarray(f2, dtype=np.float64)).astype(np.float32)
    lifts = np.sqrt(_ratios(network, ratios)).astype(np.float32)

    done = {} if counted is None else counted

    def count(number: int, chunk: slice, child: np.random.Generator) -> NDArray[np.int64]:
        x = images[chunk].astype(np.float32)
        if number not in done:
            done[number] = count_in(
                network, x, labels[chunk], amplitudes.ravel(), lifts, child, shared_noise
            )
        progress(len(x))
        return done[number]

    count_in = _count if network.plan.plain else _count_by_plan
    size = max(1, OUTPUTS_IN_CHUNK // max(layer.rows * layer.patches for layer in network.layers))
    chunks = [slice(i, i + size) for i in range(0, len(images), size)]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = sum(pool.map(count, range(len(chunks)), chunks, rng.spawn(len(chunks))))
    return np.asarray(counts / len(images)).reshape(amplitudes.shape)


@dataclass(frozen=True)
class Logistic:
    """A(F²) = low + (high − low)/(1 + (midpoint/F²)^exponent), a logistic function of ln F²."""

    low: float
    high: float
    midpoint: float
    exponent: float

    def __call__(self, f2: ArrayLike) -> Real:
        """Return the accuracy at each F² ≥ 0, shape as `f2`."""
        ratio = np.asarray(f2, dtype=np.float64) / self.midpoint
        raised = ratio**self.exponent
        return self.low + (self.high - self.low) * raised / (1 + raised)


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """Measured accuracies of one network on one set of images.

    network, digest: Name and digest of the network.
    images: Number of images; the counting error of a point is √(A(1−A)/images).
    f2, accuracy: Values of F² > 0 in the first layer, rising, and the accuracy at each, shape
        (points,).
    ratios: F² of each layer over that of the first; () stands for the same F² in all layers.
    data: Digest of the images and their labels.
    """

    network: str
    digest: str
    images: int
    f2: Real
    accuracy: Real
    ratios: tuple[float, ...] = ()
    data: str = ""

    def f2_of(self, layer: int, f2: ArrayLike) -> Real:
        """Return the F² of a layer where the first layer has `f2`."""
        return np.asarray(f2, dtype=np.float64) * (self.ratios[layer] if self.ratios else 1.0)

    @cached_property
    def monotone(self) -> Real:
        """The non-decreasing curve nearest to the measured one (isotonic regression), (points,).

        More light never hurts a client, who can always add noise of its own, so the true curve
        does not fall. The regression also averages out much of the counting error.
        """
        return np.asarray(isotonic_regression(self.accuracy).x)

    def at(self, f2: ArrayLike) -> Real:
        """Return the accuracy at each F² ≥ 0, by interpolation of `monotone` in ln F².

        Beyond the ends, it is that of the first or last point. Raises `RangeError` for F² < 0.
        """
        require("F²", f2, at_least=0)
        with np.errstate(divide="ignore"):
            logs = np.log(np.asarray(f2, dtype=np.float64))
        return np.asarray(np.interp(logs, np.log(self.f2), self.monotone))

    def f2_for(self, accuracy: float) -> float:
        """Return the least F² at which the curve reaches `accuracy`.

        The result is never below the first point's F². Raises `RangeError` where the curve never
        reaches `accuracy`.
        """
        best = float(self.monotone[-1])
        if not accuracy <= best:
            raise RangeError(
                f"accuracy = {accuracy:g} is above {best:g}, the most that {self.network} reaches "
                "with any amount of light"
            )
        k = int(np.argmax(self.monotone >= accuracy))
        if k == 0:
            return float(self.f2[0])
        low, high = self.monotone[k - 1 : k + 1]
        share = (accuracy - low) / (high - low)
        return float(self.f2[k - 1] * (self.f2[k] / self.f2[k - 1]) ** share)

    @cached_property
    def logistic(self) -> Logistic:
        """The logistic function fitted to all points, weighted by their counting errors."""
        a = self.accuracy
        error = np.sqrt(np.maximum(a * (1 - a), 1 / self.images) / self.images)
        middle = float(np.interp((a[0] + a[-1]) / 2, self.monotone, self.f2))
        fit, _ = curve_fit(
            lambda f2, low, high, log_midpoint, log_exponent: Logistic(
                low, high, math.exp(log_midpoint), math.exp(log_exponent)
            )(f2),
            self.f2,
            a,
            (a[0], a[-1], math.log(middle), math.log(2.0)),
            sigma=error,
        )
        return Logistic(*fit[:2].tolist(), *np.exp(fit[2:]).tolist())


def calibrated_curve(
    network: Network,
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    ratios: Sequence[float] = (),
    points: int | None = None,
    seed: int = 1,
    cache: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> AccuracyCurve:
    """Measure the accuracy at `points` values of F² from 10⁻³ to 10², or take it from the cache.

    Each point has fresh noise. A curve that ships, or one in the cache, is used only if it has the
    same network, images, labels, ratios, points, seed and method. A calibration that was
    interrupted is resumed from what the cache holds of it.

    ratios: F² of each layer over that of the first, > 0; without any, all layers have the same.
        The points are values of the first layer's F².
    points: Number of points, ≥ 4. By default, 512 if such a curve ships and `points_within` else.
    seed: Seed of the noise, ≥ 0.
    cache: Folder that keeps curves, by default the user's own (`host.run.cache`).

    Raises `RangeError` for a value out of range, or images that do not fit the network.
    """
    if points is not None:
        require("points", points, at_least=4, integer=True)
    require("seed", seed, at_least=0, integer=True)
    ratios = tuple(_ratios(network, ratios).tolist())
    if all(ratio == 1 for ratio in ratios):
        ratios = ()  # the same measurement as without ratios, so it has the same key
    key = curve_key(
        network,
        data_digest(images, labels),
        SHIPPED_POINTS if points is None else points,
        seed,
        ratios,
    )
    accuracy = next(
        (a for path in shipped_files("accuracy") if (a := _recall(path, key)) is not None), None
    )
    if accuracy is None and points is None:
        key["points"] = points_within(network, len(images))
    f2 = _points(key)
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    path = (cache_path() if cache is None else cache) / f"accuracy-{name}.json"
    if accuracy is None:
        accuracy = _recall(path, key)
    if accuracy is None:
        rng = np.random.default_rng(seed)
        part = path.with_suffix(".part")
        counted = PartialCounts(part, key)
        try:
            accuracy = accuracy_curve(
                network,
                images,
                labels,
                f2,
                rng,
                ratios=ratios,
                counted=counted,
                progress=progress,
            )
        finally:
            counted.keep()
        with suppress(RangeError):  # without a writable cache, the next call only takes longer
            write_atomically(path, written(key, accuracy, len(images)))
        with suppress(OSError):  # not there, or in no folder at all
            part.unlink()
    return AccuracyCurve(
        network.name, network.digest, len(images), f2, accuracy, ratios, key["data"]
    )


def shipped_accuracy(network: Network) -> AccuracyCurve | None:
    """Return the curve that ships with a network, on the images that it was made for; or None."""
    for path in shipped_files("accuracy"):
        kept = json.loads(path.read_bytes())
        if kept["digest"] == network.digest and kept["method"] == _METHOD:
            accuracy = np.array(kept["accuracy"])
            return AccuracyCurve(
                network.name,
                network.digest,
                kept["images"],
                _points(kept),
                accuracy,
                data=kept["data"],
            )
    return None


def require_own_images(
    network: Network, images: NDArray[np.floating], labels: NDArray[Any]
) -> None:
    """Raise `RangeError` if a shipped network's curves were measured on other images than these."""
    known = shipped_accuracy(network)
    if known is not None and known.data != data_digest(images, labels):
        raise RangeError(
            f"network {network.name} is made for other images than those that are shipped; "
            "allowed: --data with images of its kind"
        )


def right_answers(
    network: Network, outputs: NDArray[np.floating], labels: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return which outputs (n, outputs) answer as labelled, shape (n,).

    labels: Classes, shape (n,): their numbers, or their names where the task has names.
    """
    task = network.plan.task
    if labels.dtype.kind in "iu" and any(isinstance(name, str) for name in task.names):
        task = Task(task.kind, task.threshold)
    return np.asarray(task.of(outputs) == labels)


def _points(key: dict[str, Any]) -> Real:
    return np.geomspace(1e-3, 1e2, key["points"])


def curve_key(
    network: Network, data: str, points: int, seed: int, ratios: Sequence[float] = ()
) -> dict[str, Any]:
    """Return what a kept curve belongs to; `data` is the digest of images and labels."""
    key: dict[str, Any] = {
        "method": _METHOD,
        "digest": network.digest,
        "data": data,
        "points": points,
        "seed": seed,
    }
    if ratios:
        key["ratios"] = list(ratios)
    return key


def written(key: dict[str, Any], accuracy: Real, images: int) -> str:
    """Return the JSON text that keeps a curve of a number of images under its key."""
    return json.dumps({**key, "images": images, "accuracy": accuracy.tolist()})


def _recall(path: Path, key: dict[str, Any]) -> Real | None:
    """Return the accuracies in `path` if they are complete and belong to `key`, else None."""
    try:
        kept = json.loads(path.read_bytes())
        accuracy = np.array(kept.pop("accuracy"), dtype=np.float64)
        kept.pop("images", None)  # the digest of the data tells them apart
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = kept == key and accuracy.shape == (key["points"],) and np.isfinite(accuracy).all()
    return accuracy if whole else None


def _ratios(network: Network, ratios: Sequence[float]) -> Real:
    """Return F² of each layer over that of the first, shape (layers,). Raises `RangeError`."""
    layers = len(network.layers)
    if len(ratios) not in (0, layers):
        raise RangeError(f"{len(ratios)} ratios of F² are given; allowed: {layers}, one a layer")
    found = np.asarray(ratios or [1.0] * layers, dtype=np.float64)
    require("ratio of F²", found, above=0)
    if found[0] != 1:
        raise RangeError(f"ratio of F² = {found[0]:g} in the first layer; allowed: 1")
    return found


def _count(
    network: Network,
    x: Single,
    labels: NDArray[Any],
    amplitudes: Single,
    lifts: Single,
    rng: np.random.Generator,
    shared_noise: bool,
) -> NDArray[np.int64]:
    """Return how many images of a chunk are classified correctly at each F of the first layer.

    lifts: F of each layer over that of the first, shape (layers,).
    """
    first = _Products.of(network.layers[0], x, np.ones(len(x), np.float32))
    noise = [np.empty((len(x), layer.rows), np.float32) for layer in network.layers]
    readings = [np.empty_like(array) for array in noise]
    if shared_noise:
        for array in noise:
            fill_normals(rng, array)
    correct = np.empty(len(amplitudes), np.int64)
    for i, amplitude in enumerate(amplitudes):
        products, y = first, readings[0]
        for k, layer in enumerate(network.layers):
            if k:
                np.maximum(y, 0, out=y)
                before = amplitude * lifts[k - 1]
                products = _Products.of(layer, y, products.one * (before / products.unit))
            if not shared_noise:
                fill_normals(rng, noise[k])
            y = products.read(amplitude * lifts[k], noise[k], readings[k])
        correct[i] = np.count_nonzero(network.plan.task.of(y) == labels)
    return correct


def _count_by_plan(
    network: Network,
    x: Single,
    labels: NDArray[Any],
    amplitudes: Single,
    lifts: Single,
    rng: np.random.Generator,
    shared_noise: bool,
) -> NDArray[np.int64]:
    """Return the same as `_count` for any plan; what comes before the first noise is done once."""
    readings = Readings.of(network, network.plan.begin(x))
    seed = rng.integers(1 << 63)
    correct = np.empty(len(amplitudes), np.int64)
    for i, amplitude in enumerate(amplitudes):
        own = np.random.default_rng(seed) if shared_noise else rng
        each = [float(amplitude * lift) ** 2 for lift in lifts]
        outputs = readings.outputs(each, own)
        correct[i] = np.count_nonzero(right_answers(network, outputs, labels))
    return correct


@dataclass(frozen=True, eq=False)
class _Products:
    """The noiseless products of a layer, W·x in units of ‖x‖·rms(W).

    products: The products, shape (n, rows).
    unit: That unit for each image, shape (n,).
    one: The constant 1 of a bias in units of x, shape (n,).
    empty: Mask of the images whose x is 0, shape (n,), for which the client's rescaling makes the
        reading 0 as well; None if there are none.
    """

    products: Single
    unit: Single
    one: Single
    empty: NDArray[np.bool_] | None

    @classmethod
    def of(cls, layer: Layer, x: Single, one: Single) -> _Products:
        if layer.bias:
            x = np.concatenate([x, one[:, None]], axis=1)
        unit = np.sqrt(np.einsum("bn,bn->b", x, x))
        unit *= np.float32(layer.rms)
        empty = unit == 0
        unit[empty] = 1
        products = x @ layer.weights.T
        products /= unit[:, None]
        return cls(products, unit, one, empty if empty.any() else None)

    def read(self, amplitude: np.float32, noise: Single, out: Single) -> Single:
        """Return F·products + noise in `out`, which is the client's reading in units of noise."""
        np.multiply(self.products, amplitude, out=out)
        out += noise
        if self.empty is not None:
            out[self.empty] = 0
        return out
