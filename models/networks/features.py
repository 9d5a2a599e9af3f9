"""Public features of images: responses of patches to a dictionary, rectified, pooled, standardised.

A front end is the part of a network that is no secret: a client runs it in the clear, and only the
layers behind it travel as light. This one is learned without labels, from images of another kind
than those of the private task, so it holds nothing of that task. It is the single-layer network
of Coates and Ng ("Learning Feature Representations with K-Means", 2012):

1. Patches of p × p pixels are taken at every `stride` pixels, brought to mean 0, and divided by
   √(variance + 0.01).
2. Whitening and a dictionary of K unit vectors, which k-means finds among the whitened patches up
   to sign, are one matrix: a patch has K responses r.
3. max(r − threshold, 0) and max(−r − threshold, 0) are summed over the cells of a `pool` × `pool`
   grid, and the square root is taken.
4. Each feature's mean and spread over the images that the front end was learned from are taken out.

The file is a NumPy `.npz` without pickles: `header`, a JSON text as bytes, and the arrays.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isqrt
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import TEXT_LIMIT, ForeignFile
from shotveil.models.networks.operations import Operation

_FORMAT, _VERSION = "shotveil front end", 1
_ARRAYS = ("filters", "offset", "mean", "spread")
_CONTRAST = 0.01  # variance of a patch, for pixels in [0, 1], below which it counts as flat
_WHITENING = 0.1  # the same for a principal component of the patches
_BATCH = 50  # images at a time, so that their responses stay in the processor's cache

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """A dictionary of patches and how its responses become features.

    side: Height and width of an image, in pixels.
    stride: Distance of patches, in pixels.
    pool: Number of cells along each side of the pooling grid.
    threshold: What a response has to exceed.
    filters: (p², K); offset: (K,); mean, spread: (features,), all float32 (see above).
    about: JSON data on how the front end was made.

    Calling it turns images (n, side²), in [0, 1], into features (n, 2·K·pool²). Raises `RangeError`
    for arrays that do not fit each other.

    >>> images = np.random.default_rng(1).random((20, 64))
    >>> front_end = learn_front_end(images, patch=4, dictionary=3, pool=2)
    >>> front_end(images[:5]).shape
    (5, 24)
    """

    side: int
    stride: int
    pool: int
    threshold: float
    filters: Array
    offset: Array
    mean: Array
    spread: Array
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            array = np.array(getattr(self, name), dtype=np.float32, order="C")
            if not np.isfinite(array).all():
                raise RangeError(f"front end: {name} holds numbers that are not finite")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.filters.ndim != 2 or isqrt(len(self.filters)) ** 2 != len(self.filters):
            raise RangeError(
                f"front end: filters have shape {self.filters.shape}; allowed: (p², K)"
            )
        require("side", self.side, at_least=self.patch, integer=True)
        require("stride", self.stride, at_least=1, integer=True)
        places = (self.side - self.patch) // self.stride + 1
        require("pool", self.pool, at_least=1, at_most=places, integer=True)
        require("threshold", self.threshold, at_least=0)
        if self.offset.shape != (self.filters.shape[1],):
            raise RangeError(f"front end: offset has shape {self.offset.shape}; allowed: one each")
        for array in (self.mean, self.spread):
            if array.shape != (self.features,):
                raise RangeError(
                    f"front end: mean and spread have shape {array.shape}; "
                    f"allowed: ({self.features},)"
                )
        require("spread", self.spread, above=0)

    @property
    def patch(self) -> int:
        """Height and width p of a patch, in pixels."""
        return isqrt(len(self.filters))

    @property
    def inputs(self) -> int:
        """Number of pixels of an image."""
        return self.side**2

    @property
    def features(self) -> int:
        """Number of features of an image."""
        return 2 * self.filters.shape[1] * self.pool**2

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all settings and arrays."""
        digest = hashlib.sha256(json.dumps(self._settings()).encode())
        for name in _ARRAYS:
            digest.update(getattr(self, name).astype("<f4").tobytes())
        return digest.hexdigest()

    @property
    def operation(self) -> Operation:
        """The front end as a step of a client's plan."""
        constants = {name: getattr(self, name) for name in _ARRAYS}
        return Operation("dictionary_features", self._settings(), constants)

    def __call__(self, images: NDArray[np.floating[Any]], threads: int | None = None) -> Array:
        """Return the features (n, features), float32, of `images` (n, side²) in [0, 1].

        threads: Number of threads; None takes as many as there are processors. The result does not
            depend on it. Raises `RangeError` when the images have another shape.
        """
        images = np.asarray(images, dtype=np.float32)
        if images.ndim != 2 or images.shape[1] != self.inputs:
            raise RangeError(
                f"images have shape {images.shape}; allowed: (n, {self.inputs}), "
                f"{self.side} × {self.side} pixels each"
            )
        out = np.empty((len(images), self.features), np.float32)

        def do(first: int) -> None:
            part = slice(first, first + _BATCH)
            np.subtract(self._pooled(images[part]), self.mean, out=out[part])
            out[part] /= self.spread

        with ThreadPoolExecutor(threads or cpu_count()) as pool:
            list(pool.map(do, range(0, len(images), _BATCH)))
        return out

    def save(self, path: str | Path) -> None:
        """Write the front end to `path` in one step; the same front end gives the same bytes.

        Raises `RangeError` when the file cannot be written.
        """
        header = {"format": _FORMAT, "version": _VERSION, **self._settings()}
        header["about"] = dict(self.about)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            header=np.frombuffer(json.dumps(header, indent=1).encode(), np.uint8),
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        write_atomically(path, buffer.getvalue())

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("side", "stride", "pool", "threshold")}

    def _pooled(self, images: Array) -> Array:
        """Return what step 3 gives, (n, features)."""
        n, p = len(images), self.patch
        square = images.reshape(n, self.side, self.side)
        windows = sliding_window_view(square, (p, p), axis=(1, 2))
        windows = windows[:, :: self.stride, :: self.stride]
        places = windows.shape[1]
        responses = _even_contrast(windows.reshape(-1, p * p)) @ self.filters
        responses -= self.offset
        responses = responses.reshape(n, places, places, -1)
        threshold, words = np.float32(self.threshold), responses.shape[-1]
        edges = [*(np.arange(self.pool) * places // self.pool), places]
        out = np.empty((n, self.pool, self.pool, 2 * words), np.float32)
        # Cell by cell, so that what is summed stays in the processor's cache.
        for down, across in np.ndindex(self.pool, self.pool):
            rows, columns = (slice(edges[k], edges[k + 1]) for k in (down, across))
            cell = responses[:, rows, columns].reshape(n, -1, words)
            above = np.maximum(cell, threshold)
            above -= threshold
            above.sum(axis=1, out=out[:, down, across, :words])
            np.maximum(np.negative(cell, out=above), threshold, out=above)
            above -= threshold
            above.sum(axis=1, out=out[:, down, across, words:])
        return np.sqrt(out, out=out).reshape(n, -1)


def learn_front_end(
    images: NDArray[np.floating[Any]],
    *,
    patch: int = 8,
    dictionary: int = 192,
    stride: int = 2,
    pool: int = 4,
    threshold: float = 0.6,
    rounds: int = 10,
    seed: int = 1,
    about: Mapping[str, Any] | None = None,
) -> FrontEnd:
    """Learn a dictionary from `images` (n, side²), square and in [0, 1]; nobody's labels are used.

    patch: Height and width of a patch, in pixels. dictionary: Number K of its vectors.
    rounds: Number of rounds of k-means, over eight patches of each image.

    The same images and settings give the same front end on one machine. Raises `RangeError` for
    images that are not square or not in [0, 1], and for a setting out of range.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 2 or len(images) < 2 or isqrt(images.shape[1]) ** 2 != images.shape[1]:
        raise RangeError(f"images have shape {images.shape}; allowed: (n, side²), n ≥ 2")
    side = isqrt(images.shape[1])
    require("pixel", images, at_least=0, at_most=1)
    require("patch", patch, at_least=2, at_most=side, integer=True)
    require("dictionary", dictionary, at_least=1, integer=True)
    require("rounds", rounds, at_least=1, integer=True)
    rng = np.random.default_rng(seed)
    windows = sliding_window_view(images.reshape(-1, side, side), (patch, patch), axis=(1, 2))
    which = np.repeat(np.arange(len(images)), 8)
    down, across = rng.integers(0, windows.shape[1], (2, len(which)))
    patches = _even_contrast(windows[which, down, across].reshape(len(which), -1))
    middle = patches.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(patches.T))
    whiten = ((axes / np.sqrt(variances + _WHITENING)) @ axes.T).astype(np.float32)
    filters = whiten @ _k_means((patches - middle) @ whiten, dictionary, rounds, rng).T
    nothing = np.zeros(2 * dictionary * pool**2, np.float32)
    raw = FrontEnd(side, stride, pool, threshold, filters, middle @ filters, nothing, nothing + 1)
    features = raw(images[:5000])
    spread = features.std(axis=0)
    if not spread.any():
        raise RangeError("images have no patch that differs; allowed: pictures with some contrast")
    # Features that hardly vary here are not blown up where they do.
    spread += np.float32(0.1) * spread.mean()
    mean = features.mean(axis=0)
    made = {
        "images": len(images), "rounds": rounds, "seed": seed, "numpy": np.__version__,
        **(about or {}),
    }  # fmt: skip
    return FrontEnd(side, stride, pool, threshold, filters, raw.offset, mean, spread, made)


def load_front_end(path: str | Path) -> FrontEnd:
    """Return the front end in a file that `FrontEnd.save` wrote.

    Raises `RangeError` when there is no such file, or when it is no front end.
    """
    path = Path(path)
    if not path.is_file():
        raise RangeError(f"front end {path} is not found; allowed: a file")
    file = ForeignFile("front end file", path)
    with file.npz() as archive:
        text = archive.array("header", ("uint8",), 1, at_most=TEXT_LIMIT).tobytes()
        header = file.decoded_json(text)
        made: dict[str, Any] = header if isinstance(header, dict) else {}
        if (made.pop("format", None), made.pop("version", None)) != (_FORMAT, _VERSION):
            raise file.refused("is no front end", f"{_FORMAT!r} version {_VERSION}")
        made |= {name: archive.array(name, ("float32",), None) for name in _ARRAYS}
    try:
        return FrontEnd(**made)
    except RangeError as error:
        raise RangeError(f"{file.what} {path}: {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise file.refused(
            f"has a header that does not fit: {error}", "a file that Shotveil wrote"
        ) from None


def _even_contrast(patches: Array) -> Array:
    """Return patches (n, p²) with mean 0, over √(variance + `_CONTRAST`)."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    energy = np.einsum("ij,ij->i", patches, patches)[:, None]
    patches /= np.sqrt(energy / np.float32(patches.shape[1]) + np.float32(_CONTRAST))
    return patches


def _k_means(points: Array, number: int, rounds: int, rng: np.random.Generator) -> Array:
    """Return unit vectors (number, d) near which `points` (n, d) lie, up to sign."""
    centres = rng.normal(size=(number, points.shape[1])).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    for _ in range(rounds):
        near = points @ centres.T
        best = np.abs(near).argmax(axis=1)
        sign = np.sign(near[np.arange(len(points)), best])
        total = np.zeros_like(centres)
        np.add.at(total, best, points * sign[:, None])
        total += 1e-3 * rng.normal(size=total.shape).astype(np.float32)  # revives empty ones
        centres = total / np.linalg.norm(total, axis=1, keepdims=True)
    return centres
