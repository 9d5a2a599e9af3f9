"""Fully connected networks as the optical link runs them, and the file that stores them.

A layer is one real matrix; each of its rows travels as weak light. Between layers the client
applies ReLU in the clear. After the last layer it applies nothing, and the largest output is the
answer.

The file is a NumPy `.npz` without pickles. It holds `header`, a JSON text as bytes, and `weights_i`
for each layer i. Weights are stored in the smallest type that reproduces them exactly: int8 with
one power-of-two exponent per row (`exponents_i`, weights = int8 · 2^exponent), float16 or float32.
Saving therefore never rounds; `Layer.rounded` does so beforehand. The weights in memory, in the
light and in the file are the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import (
    TEXT_LIMIT,
    ForeignFile,
    Npz,
    require_text,
    shown,
    unpacked_limit,
)
from shotveil.models.link.encoding import modes_of
from shotveil.models.networks.layers import with_constant

NETWORK_FOLDER = Path(__file__).with_name("data")
_FORMAT, _VERSION = "shotveil network", 1
_INT8_MAX = 127


@dataclass(frozen=True, eq=False)
class Layer:
    """One matrix of real weights, `weights` of shape (rows, columns), float32 and read-only.

    With `bias` the last column multiplies a constant 1 that the client appends to its data.
    Raises `RangeError` unless the weights are a finite matrix that is not all zero (a layer of
    zeros has no modulation variance, so no photon number could be given to it).

    >>> layer = Layer(np.array([[0.5, -1, 2], [1, 0, 0.25]]), bias=True)
    >>> layer.rows, layer.columns, layer.inputs, layer.modes
    (2, 3, 2, 2)
    """

    weights: NDArray[np.float32]
    bias: bool = False

    def __post_init__(self) -> None:
        weights = np.array(self.weights, dtype=np.float32, order="C")  # a copy of our own
        if weights.ndim != 2 or weights.size == 0:
            raise RangeError(f"layer weights have shape {weights.shape}; allowed: (rows, columns)")
        if self.bias and weights.shape[1] < 2:
            raise RangeError("layer with bias has 1 column; allowed: at least 2, the last its bias")
        if not np.isfinite(weights).all():
            bad = weights[~np.isfinite(weights)][0]
            raise RangeError(f"layer weights contain {bad}; allowed: finite numbers")
        if not weights.any():
            raise RangeError("layer weights are all 0; allowed: at least one other than 0")
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bool(self.bias))

    @property
    def rows(self) -> int:
        """Number of outputs of the layer, and of rows sent per inference."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """Number n of real weights per row, including the bias."""
        return int(self.weights.shape[1])

    @property
    def inputs(self) -> int:
        """Number of input values, without the constant 1 of a bias."""
        return self.columns - self.bias

    @property
    def modes(self) -> int:
        """Number N = ⌈n/2⌉ of complex modes per row; an odd row's last quadrature carries 0."""
        return modes_of(self.columns)

    @property
    def rms(self) -> float:
        """Root mean square over the rows × 2·modes quadratures sent; padding counts as zeros.

        Light with μ photons per mode has ⟨X⟩ = √(2μ)·w/rms.
        """
        power = np.square(self.weights, dtype=np.float64).sum()
        return sqrt(power / (self.rows * 2 * self.modes))

    def inputs_of(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Append the constant 1 to data `x` of shape (n, inputs) where the layer has a bias.

        Returns float32 (n, columns); raises `RangeError` when the last axis is not `inputs` long.
        """
        x = np.asarray(x, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise RangeError(f"layer input has shape {x.shape}; allowed: (n, {self.inputs})")
        return with_constant(x, self.bias)

    def rounded(self) -> Layer:
        """Round every row to int8 times the smallest power of two that holds its largest weight.

        The step is between 1/127 and 2/127 of that weight. With powers of two the products int8 ·
        2^exponent are exact in float32, and a modulator drive can scale by shifting.
        """
        exponents = _exponents(self.weights)
        steps = np.ldexp(np.float64(1), exponents)[:, None]
        return Layer((np.rint(self.weights / steps) * steps).astype(np.float32), self.bias)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers that fit each other, a name, and `about`: JSON data on how the network was made.

    Raises `RangeError` when the name is no short printable text, when there is no layer, or when a
    layer has another number of rows than the next one has inputs.

    >>> rng = np.random.default_rng(1)
    >>> layers = Layer(rng.normal(size=(8, 4))), Layer(rng.normal(size=(3, 8)))
    >>> network = Network("mine", layers)
    >>> network.inputs, network.outputs, network.weights
    (4, 3, 56)
    >>> network.forward(np.ones((5, 4))).shape
    (5, 3)
    """

    name: str
    layers: tuple[Layer, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        require_text("name of a network", self.name)
        if not self.layers:
            raise RangeError(f"network {self.name} has 0 layers; allowed: at least 1")
        for i, (first, second) in enumerate(pairwise(self.layers)):
            if first.rows != second.inputs:
                raise RangeError(
                    f"network {self.name}: layer {i} has {first.rows} outputs but layer {i + 1} "
                    f"takes {second.inputs} inputs; allowed: the same number"
                )

    @property
    def inputs(self) -> int:
        """Number of input values of the first layer."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Number of output values, one per class."""
        return self.layers[-1].rows

    @property
    def weights(self) -> int:
        """Number of real weights in all layers, including biases."""
        return sum(layer.weights.size for layer in self.layers)

    @property
    def biases(self) -> tuple[bool, ...]:
        """Whether each layer has a bias."""
        return tuple(layer.bias for layer in self.layers)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the shapes and the little-endian float32 weights of all layers."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(f"{layer.rows} {layer.columns} {layer.bias:d}\n".encode())
            digest.update(layer.weights.astype("<f4").tobytes())
        return digest.hexdigest()

    def forward(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the noiseless outputs (n, outputs), float32, for `images` of shape (n, inputs).

        Raises `RangeError` when the images have another shape.
        """
        x = np.asarray(images, dtype=np.float32)
        for layer in self.layers[:-1]:
            x = np.maximum(layer.inputs_of(x) @ layer.weights.T, 0)
        return self.layers[-1].inputs_of(x) @ self.layers[-1].weights.T

    def save(self, path: str | Path) -> None:
        """Write the network to `path` in one step: an interruption leaves the old file intact.

        The same network gives the same bytes. Raises `TypeError` when `about` cannot be written as
        JSON, and `RangeError` when the file cannot be written.
        """
        path = Path(path)
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": self.name,
            "about": dict(self.about),
            "layers": [{"bias": layer.bias} for layer in self.layers],
        }
        arrays = {"header": np.frombuffer(json.dumps(header, indent=1).encode(), np.uint8)}
        for i, layer in enumerate(self.layers):
            arrays |= {f"{key}_{i}": array for key, array in _packed(layer.weights).items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_atomically(path, buffer.getvalue())


def shipped_networks() -> tuple[str, ...]:
    """Names of the networks that come with Shotveil."""
    return tuple(sorted(path.stem for path in NETWORK_FOLDER.glob("*.npz")))


def load_network(name_or_path: str | Path) -> Network:
    """Return a shipped network by its name, or the one in a file that `Network.save` wrote.

    Raises `RangeError` when there is no such name or file, when the file is truncated or is not a
    network, or when its layers do not fit each other. Weights of other programs may be big-endian
    or float64; a `UserWarning` tells of rounding to float32.

    >>> load_network("mnist-paper").layers[0].weights.shape
    (784, 784)
    >>> shipped_networks()
    ('mnist', 'mnist-lossy', 'mnist-paper')
    """
    if str(name_or_path) in shipped_networks():
        path = NETWORK_FOLDER / f"{name_or_path}.npz"
    else:
        path = Path(name_or_path)
    if not path.is_file():
        raise RangeError(
            f"network {name_or_path} is not found; allowed: a file, or one of "
            f"{', '.join(shipped_networks())}"
        )
    file = ForeignFile("network file", path)
    with file.npz() as arrays:
        if "header" not in arrays:
            raise file.refused("is no network", "a file that Shotveil wrote")
        text = arrays.array("header", ("uint8",), 1, at_most=TEXT_LIMIT).tobytes()
        name, about, biases = _described(file, file.decoded_json(text))
        # What is in memory are floats, which also must not fill it.
        most = unpacked_limit(path.stat().st_size) // 4
        layers = []
        for i, bias in enumerate(biases):
            weights = _read(file, arrays, i, most)
            most -= weights.size
            try:
                layers.append(Layer(weights, bias))
            except RangeError as error:
                raise RangeError(f"{file.what} {path}: {error}") from None
    try:
        return Network(name, tuple(layers), about)
    except RangeError as error:
        raise RangeError(f"{file.what} {path}: {error}") from None


def _described(file: ForeignFile, header: Any) -> tuple[str, dict[str, Any], list[bool]]:
    """Name, `about` and each layer's bias from a header, which may be any JSON value."""
    if not isinstance(header, dict) or "format" not in header or "version" not in header:
        raise file.refused("is no network", "a file that Shotveil wrote")
    told = header["format"], header["version"]
    if told != (_FORMAT, _VERSION) or type(told[1]) is not int:
        raise file.refused(
            f"is {shown(told[0])} version {shown(told[1])}", f"{_FORMAT!r} version {_VERSION}"
        )
    if unknown := header.keys() ^ {"format", "version", "name", "about", "layers"}:
        raise file.refused(
            f"has a header with {shown(sorted(unknown)[0])} missing or unknown",
            "format, version, name, about and layers",
        )
    try:
        require_text("name", header["name"])
    except RangeError as error:
        raise RangeError(f"{file.what} {file.path}: {error}") from None
    about, layers = header["about"], header["layers"]
    if not isinstance(about, dict):
        raise file.refused(f"has about = {shown(about)}", "a JSON object")
    if not isinstance(layers, list) or not all(
        isinstance(layer, dict) and type(layer.get("bias")) is bool for layer in layers
    ):
        raise file.refused(
            f"has layers = {shown(layers)}", "a list of objects, each with bias true or false"
        )
    return header["name"], about, [layer["bias"] for layer in layers]


def _read(file: ForeignFile, arrays: Npz, i: int, most: int) -> NDArray[np.float32]:
    """The weights of layer i; those of other programs may be wider, and are then rounded."""
    stored = arrays.array(f"weights_{i}", ("int8", "float16", "float32", "float64"), 2, most)
    with np.errstate(over="ignore"):  # `Layer` rejects the infinite weights that result
        if stored.dtype == np.int8:
            exponents = arrays.array(f"exponents_{i}", ("int8",), 1)
            if len(exponents) != len(stored):
                raise file.refused(
                    f"has {len(exponents)} exponents for {len(stored)} rows of layer {i}",
                    "one for each row",
                )
            return np.ldexp(stored.astype(np.float32), exponents[:, None].astype(np.int32))
        weights = stored.astype(np.float32)
    if stored.dtype == np.float64 and not (weights == stored).all():
        warnings.warn(
            f"{file.what} {file.path}: the weights of layer {i} are float64 and were rounded to "
            "float32, as the link uses them",
            stacklevel=4,
        )
    return weights


def _exponents(weights: NDArray[np.float32]) -> NDArray[np.int8]:
    """For each row the smallest e with max|w| ≤ 127·2^e, but at least −126.

    2^−126 is the smallest normal number of float32.
    """
    peaks = np.abs(weights).max(axis=1).astype(np.float64)
    # frexp gives x = m·2^e with ½ ≤ m < 1, so x ≤ 2^e, and x == 2^(e−1) exactly at m = ½.
    mantissas, exponents = np.frexp(peaks / _INT8_MAX)
    exponents = np.where(mantissas == 0.5, exponents - 1, exponents)
    return np.maximum(exponents, -126).astype(np.int8)


def _packed(weights: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Arrays to store for one layer, in the smallest type that loses nothing."""
    exponents = _exponents(weights)
    steps = np.ldexp(np.float64(1), exponents)[:, None]
    whole = np.rint(weights / steps)
    if (whole * steps == weights).all():
        return {"weights": whole.astype(np.int8), "exponents": exponents}
    with np.errstate(over="ignore"):
        half = weights.astype(np.float16)
    return {"weights": half if (half.astype(np.float32) == weights).all() else weights}
