"""Networks as the optical link runs them, and the files that store them.

A layer is one real matrix; each of its rows travels as weak light. What the client does in the
clear before, between and after the layers is the network's plan (`models.networks.plan`). By
default it applies ReLU between layers, and the largest output is the task.

A file is a NumPy `.npz` without pickles. It holds `header`, a JSON text as bytes, and `weights_i`
for each layer i. Weights are stored in the smallest type that reproduces them exactly: int8 with
one power-of-two exponent per row (`exponents_i`, weights = int8 · 2^exponent), float16 or float32.
Saving therefore never rounds; `Layer.rounded` does so beforehand. The weights in memory, in the
light and in the file are the same.

Version 1 of the format holds a dense network with ReLU, and such a network is still written so.
Version 2 adds the plan with its arrays (`constant_i`), patches of layers, and the `part` that a
file holds: the whole network, the server's part (weights, no plan) or the client's part (the plan
and the shapes of layers, no weights).
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
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
from shotveil.models.networks.plan import (
    ClientPlan,
    LayerShape,
    chain,
    plan_as_dict,
    plan_from_dict,
    withheld,
)
from shotveil.models.networks.tasks import Task

NETWORK_FOLDER = Path(__file__).with_name("data")
_FORMAT, _VERSIONS = "shotveil network", (1, 2)
_WHOLE, _SERVER, _CLIENT = "whole", "server", "client"
_INT8_MAX = 127
# Types that a plan's constants may have; a public part in ONNX is stored as bytes.
_CONSTANTS = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64")

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Layer:
    """One matrix of real weights, `weights` of shape (rows, columns), float32 and read-only.

    With `bias` the last column multiplies a constant 1 that the client appends to its data. Each
    row meets `patches` vectors of an image, and is sent once for each of them. Raises `RangeError`
    unless there is at least one patch and the weights are a finite matrix that is not all zero (a
    layer of zeros has no modulation variance, so no photon number could be given to it).

    >>> layer = Layer(np.array([[0.5, -1, 2], [1, 0, 0.25]]), bias=True)
    >>> layer.rows, layer.columns, layer.inputs, layer.modes
    (2, 3, 2, 2)
    """

    weights: NDArray[np.float32]
    bias: bool = False
    patches: int = 1

    def __post_init__(self) -> None:
        require("patches", self.patches, at_least=1, integer=True)
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
        object.__setattr__(self, "patches", int(self.patches))

    @property
    def rows(self) -> int:
        """Number of outputs of the layer for each patch, and of rows sent for it."""
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

    @cached_property
    def lit_share(self) -> float:
        """Share of the modes that carry light in any row, in (0, 1]; the others stay dark."""
        used = self.weights.any(axis=0)
        return float(np.add.reduceat(used, np.arange(0, self.columns, 2)).astype(bool).mean())

    @property
    def shape(self) -> LayerShape:
        """What a client knows of the layer."""
        return LayerShape(self.rows, self.columns, self.bias, self.patches)

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
        rounded = (np.rint(self.weights / steps) * steps).astype(np.float32)
        return Layer(rounded, self.bias, self.patches)


@dataclass(frozen=True, eq=False)
class Network:
    """Private layers, the client's plan, a name, and `about`: JSON data on how it was made.

    plan: The client's steps. Without one, the layers follow each other with ReLU between them. The
        server's part of a network has a plan that is withheld.

    Raises `RangeError` when the name is no short printable text, when there is no layer, when the
    plan is one of other layers, or when without a plan a layer has another number of rows than the
    next one has inputs.

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
    plan: ClientPlan = None  # type: ignore[assignment]  # always set below

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        require_text("name of a network", self.name)
        if not self.layers:
            raise RangeError(f"network {self.name} has 0 layers; allowed: at least 1")
        shapes = tuple(layer.shape for layer in self.layers)
        if self.plan is not None:
            if self.plan.layers != shapes:
                raise RangeError(f"network {self.name}: its plan is one of other layers")
            return
        for i, (first, second) in enumerate(pairwise(self.layers)):
            if first.rows != second.inputs:
                raise RangeError(
                    f"network {self.name}: layer {i} has {first.rows} outputs but layer {i + 1} "
                    f"takes {second.inputs} inputs; allowed: the same number"
                )
        object.__setattr__(self, "plan", chain(shapes))

    @property
    def inputs(self) -> int:
        """Number of values in one input."""
        return self.plan.inputs

    @property
    def outputs(self) -> int:
        """Number of outputs of the last layer, for each of its patches."""
        return self.layers[-1].rows

    @property
    def weights(self) -> int:
        """Number of real weights in all layers, including biases."""
        return sum(layer.weights.size for layer in self.layers)

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
        images = np.asarray(images, dtype=np.float32)
        return np.asarray(self.plan.run(images, self.products), dtype=np.float32)

    def products(self, number: int, x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the noiseless products (n, rows) of a layer with its inputs (n, inputs)."""
        layer = self.layers[number]
        return np.asarray(layer.inputs_of(x) @ layer.weights.T)

    @property
    def server_part(self) -> Network:
        """The network without its plan: what the server needs, and nothing of the client's."""
        plan = withheld([layer.shape for layer in self.layers])
        return Network(self.name, self.layers, {}, plan)

    @property
    def client_part(self) -> ClientPart:
        """The plan and the shapes of layers: what the client needs, and no private weight."""
        return ClientPart(self.name, self.digest, self.plan)

    def save(self, path: str | Path) -> None:
        """Write the network to `path` in one step: an interruption leaves the old file intact.

        The same network gives the same bytes. Raises `TypeError` when `about` cannot be written as
        JSON, and `RangeError` when the file cannot be written.
        """
        header: dict[str, Any] = {
            "format": _FORMAT,
            "version": 1,
            "name": self.name,
            "about": dict(self.about),
            "layers": [{"bias": layer.bias} for layer in self.layers],
        }
        constants: dict[str, NDArray[Any]] = {}
        if not (self.plan.plain and self.plan.task == Task()):
            header["version"] = 2
            header["part"] = _SERVER if self.plan.withheld else _WHOLE
            for own, layer in zip(header["layers"], self.layers, strict=True):
                own["patches"] = layer.patches
            if not self.plan.withheld:
                header["plan"] = plan_as_dict(self.plan, constants)
        for i, layer in enumerate(self.layers):
            constants |= {f"{key}_{i}": array for key, array in _packed(layer.weights).items()}
        _write(path, header, constants)


@dataclass(frozen=True, eq=False)
class ClientPart:
    """A client's part of a network: its plan with the shapes of the layers, and no weights.

    digest: Digest of the network that the plan belongs to.
    """

    name: str
    digest: str
    plan: ClientPlan

    def save(self, path: str | Path) -> None:
        """Write the part to `path` in one step. Raises `RangeError` as `Network.save`."""
        constants: dict[str, NDArray[Any]] = {}
        header = {
            "format": _FORMAT,
            "version": 2,
            "part": _CLIENT,
            "name": self.name,
            "digest": self.digest,
            "layers": [asdict(shape) for shape in self.plan.layers],
            "plan": plan_as_dict(self.plan, constants),
        }
        _write(path, header, constants)


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
    ('fashion-head', 'mnist', 'mnist-head', 'mnist-lossy', 'mnist-paper')
    """
    if str(name_or_path) in shipped_networks():
        path = NETWORK_FOLDER / f"{name_or_path}.npz"
    else:
        path = Path(name_or_path)
    if not path.is_file():
        raise RangeError(
            f"network {name_or_path} is {'no plain file' if path.exists() else 'not found'}; "
            "allowed: a file, or one of "
            f"{', '.join(shipped_networks())}"
        )

    def network(header: dict[str, Any], arrays: _Arrays) -> Network:
        part = header.get("part", _WHOLE)
        if part not in (_WHOLE, _SERVER):
            raise RangeError(
                f"it holds the {part}'s part of a network; allowed: a whole network or the "
                "server's part"
            )
        layers = tuple(
            Layer(arrays.weights(i), layer["bias"], layer.get("patches", 1))
            for i, layer in enumerate(header["layers"])
        )
        shapes = [layer.shape for layer in layers]
        if part == _SERVER:
            return Network(header["name"], layers, header["about"], withheld(shapes))
        if "plan" not in header:
            return Network(header["name"], layers, header["about"])
        plan = plan_from_dict(header["plan"], shapes, arrays.constants())
        return Network(header["name"], layers, header["about"], plan)

    return _read(path, network)


def load_client_part(path: str | Path) -> ClientPart:
    """Return the client's part of a network from a file that `ClientPart.save` wrote.

    The name of a shipped network gives the client's part of that one. Raises `RangeError` when
    there is no such file, or when it holds something else.
    """

    def client(header: dict[str, Any], arrays: _Arrays) -> ClientPart:
        part = header.get("part", _WHOLE)
        if part != _CLIENT:
            raise RangeError(
                f"it holds {'a whole network' if part == _WHOLE else 'the server’s part'}; "
                "allowed: the client's part"
            )
        shapes = [
            LayerShape(int(s["rows"]), int(s["columns"]), bool(s["bias"]), int(s["patches"]))
            for s in header["layers"]
        ]
        plan = plan_from_dict(header["plan"], shapes, arrays.constants())
        return ClientPart(str(header["name"]), str(header["digest"]), plan)

    if str(path) in shipped_networks():
        return load_network(path).client_part
    path = Path(path)
    if not path.is_file():
        raise RangeError(f"network file {path} is not found; allowed: a file")
    return _read(path, client)


def _write(path: str | Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    text = np.frombuffer(json.dumps(header, indent=1).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{"header": text, **arrays})
    write_atomically(Path(path), buffer.getvalue())


def _read(path: Path, make: Callable[[dict[str, Any], _Arrays], T]) -> T:
    """Return what `make` builds from the header and the arrays of a network file.

    Raises `RangeError` for any file that it cannot be built from.
    """
    file = ForeignFile("network file", path)
    with file.npz() as archive:
        if "header" not in archive:
            raise file.refused("is no network", "a file that Shotveil wrote")
        text = archive.array("header", ("uint8",), 1, at_most=TEXT_LIMIT).tobytes()
        header = _described(file, file.decoded_json(text))
        try:
            return make(header, _Arrays(file, archive))
        except RangeError as error:
            if str(path) in str(error):
                raise
            raise RangeError(f"{file.what} {path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise file.refused(
                f"has a header that does not fit: {error}", "a file that Shotveil wrote"
            ) from None


class _Arrays:
    """The arrays of a network file, which share one limit of what may be in memory."""

    def __init__(self, file: ForeignFile, archive: Npz) -> None:
        self._file, self._archive = file, archive
        # What is in memory are floats, which also must not fill it.
        self._most = unpacked_limit(file.path.stat().st_size) // 4

    def weights(self, number: int) -> NDArray[np.float32]:
        """The weights of a layer; those of other programs may be wider, and are then rounded."""
        found = _weights(self._file, self._archive, number, self._most)
        self._most -= found.size
        return found

    def constants(self) -> dict[str, NDArray[Any]]:
        """All arrays that are no weights: the constants of a plan."""
        found = {}
        for name in self._archive.names:
            if name != "header" and not name.startswith(("weights_", "exponents_")):
                found[name] = self._archive.array(name, _CONSTANTS, None, self._most)
                self._most -= found[name].size
        return found


def _described(file: ForeignFile, header: Any) -> dict[str, Any]:
    """Return a header, which may be any JSON value, once it is what its version says."""
    if not isinstance(header, dict) or "format" not in header or "version" not in header:
        raise file.refused("is no network", "a file that Shotveil wrote")
    told = header["format"], header["version"]
    if told[0] != _FORMAT or told[1] not in _VERSIONS or type(told[1]) is not int:
        raise file.refused(
            f"is {shown(told[0])} version {shown(told[1])}",
            f"{_FORMAT!r} version {' or '.join(map(str, _VERSIONS))}",
        )
    needed = {"format", "version", "name", "about", "layers"}
    further = set() if told[1] == 1 else {"part", "plan", "digest"}
    if header.get("part") == _CLIENT:
        needed, further = needed - {"about"}, further | {"about"}
    if unknown := (header.keys() - needed - further) | (needed - header.keys()):
        raise file.refused(
            f"has a header with {shown(sorted(unknown)[0])} missing or unknown",
            "format, version, name, about and layers",
        )
    try:
        require_text("name", header["name"])
    except RangeError as error:
        raise RangeError(f"{file.what} {file.path}: {error}") from None
    about, layers = header.get("about", {}), header["layers"]
    if not isinstance(about, dict):
        raise file.refused(f"has about = {shown(about)}", "a JSON object")
    if not isinstance(layers, list) or not all(
        isinstance(layer, dict) and type(layer.get("bias")) is bool for layer in layers
    ):
        raise file.refused(
            f"has layers = {shown(layers)}", "a list of objects, each with bias true or false"
        )
    return header


def _weights(file: ForeignFile, arrays: Npz, i: int, most: int) -> NDArray[np.float32]:
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
