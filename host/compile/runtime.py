"""Parts of ONNX graphs at the client: the operation `onnx`, run by ONNX Runtime.

The model's bytes are a constant of the operation, so they travel in the client's file. They may
come from somebody else. A model that refers to files beside it is refused, because such a file
would be read from the client's disk. So is a small model that says how to make a huge value, such
as a constant of a given shape, before anything makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError

Array = NDArray[Any]
# A session's own threads would compete with batches that run in parallel.
THREADS = 1
MOST_ELEMENTS = 1 << 28  # of one value for one image: 1 GiB of float32
_LARGE = 1 << 12  # elements from which on a tensor is no shape that others are made by
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def session_of(model: bytes, threads: int = THREADS) -> Any:
    """Return an ONNX Runtime session for a model. Raises `RangeError` where it cannot be run."""
    ort = import_extra("onnxruntime", "networks")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        # A fallback would try the same once more, and print so to standard output.
        return ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's own types, which have no common base
        raise RangeError(f"ONNX Runtime cannot run the model: {first_line(error)}") from None


def run_session(session: Any, values: Mapping[str, Array], names: list[str]) -> list[Array]:
    """Return the values of `names` for `values`, whose first axis counts the images.

    Values are converted to the types that the model declares. A model that declares a fixed number
    of images is run with that many at a time. Raises `RangeError` where the values do not fit.
    """
    taken = {each.name: each for each in session.get_inputs()}
    given = {name: as_type(values[name], taken[name].type, name) for name in taken}
    number = len(next(iter(given.values())))
    fixed = {each.shape[0] for each in taken.values() if each.shape}
    size = next((n for n in fixed if isinstance(n, int)), number)
    if size < 1 or number % size:
        raise RangeError(f"{number} images are given; the model takes {size} at a time")
    try:
        parts = [
            session.run(names, {name: v[i : i + size] for name, v in given.items()})
            for i in range(0, number, size)
        ]
    except Exception as error:
        raise RangeError(f"ONNX Runtime refuses the data: {first_line(error)}") from None
    return [np.concatenate(of_name) for of_name in zip(*parts, strict=True)]


def onnx(settings: Mapping[str, Any], constants: Mapping[str, Array]) -> Callable[..., Any]:
    """Return the function of the operation `onnx`.

    settings: "takes" and "gives", the names of the model's inputs and outputs in order.
    constants: "model", the bytes of the model as uint8.
    """
    model = np.asarray(constants["model"], dtype=np.uint8).tobytes()
    require_whole(model)
    session = session_of(model)
    takes, gives = [str(n) for n in settings["takes"]], [str(n) for n in settings["gives"]]

    def run(*values: Array) -> tuple[Array, ...]:
        return tuple(run_session(session, dict(zip(takes, values, strict=True)), gives))

    return run


def require_whole(model: bytes) -> None:
    """Raise `RangeError` for a model that is none, or that refers to files beside it."""
    onnx_package = import_extra("onnx", "networks")
    try:
        parsed = onnx_package.load_from_string(model)
    except Exception as error:
        raise RangeError(f"the bytes are no ONNX model: {first_line(error)}") from None
    for tensor in tensors(parsed.graph):
        if tensor.external_data or tensor.data_location:
            raise RangeError(
                f"tensor {tensor.name or 'of an attribute'} of the model is in another file; "
                "allowed: a model in one file"
            )
    for name, size in _sizes(onnx_package, parsed):
        if size > MOST_ELEMENTS:
            raise RangeError(
                f"value {name} of the model has {size:,} elements for one image; "
                f"allowed: at most {MOST_ELEMENTS:,}"
            )


def _sizes(onnx_package: Any, model: Any) -> Iterable[tuple[str, int]]:
    """Yield the values of a model with their numbers of elements, as far as shapes tell them.

    A size that the model leaves open counts as 1.
    """
    light = onnx_package.ModelProto()
    light.CopyFrom(model)
    graph = light.graph
    large = [t for t in graph.initializer if prod(t.dims) > _LARGE]
    small = [t for t in graph.initializer if prod(t.dims) <= _LARGE]
    # Inference needs the shapes of large tensors, and the values of small ones.
    graph.input.extend(
        onnx_package.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in large
    )
    del graph.initializer[:]
    graph.initializer.extend(small)
    try:
        graph = onnx_package.shape_inference.infer_shapes(light, data_prop=True).graph
    except Exception:  # what cannot be inferred, ONNX Runtime refuses with its own words
        return
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        yield value.name, prod(max(1, dim.dim_value) for dim in dims)


def tensors(graph: Any) -> Iterator[Any]:
    """Yield every constant tensor of an ONNX graph, those of attributes and subgraphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from tensors(inner)


def as_type(value: Array, declared: str, name: str) -> Array:
    """Return a value in the type that a model declares, such as "tensor(float)".

    Raises `RangeError` for a type that has no counterpart, or where whole numbers are declared and
    the value has others.
    """
    if declared not in _TYPES:
        allowed = ", ".join(_TYPES)
        raise RangeError(f"value {name} has the type {declared}; allowed: {allowed}")
    kind = _TYPES[declared]
    with np.errstate(over="ignore", invalid="ignore"):
        converted: Array = np.ascontiguousarray(value, dtype=kind)
    if np.issubdtype(kind, np.integer) and not np.array_equal(converted, value):
        raise RangeError(f"value {name} is not whole or out of range; allowed: {declared}")
    return converted


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says; of a long one its end, where the reason is."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 300 else f"… {line[-300:]}"
