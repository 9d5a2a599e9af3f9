"""Import of ONNX models: which nodes are linear layers, and what stands between them.

ONNX Runtime first simplifies the graph: it folds constants and batch norms behind convolutions. In
what is left, a linear layer is a Gemm, MatMul or Conv with constant weights, together with the
constants per feature that follow it (bias, scaling, batch norm). Everything between private layers
becomes one part of the graph, which ONNX Runtime runs at the client, or operations in NumPy where
these suffice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.runtime import first_line, require_whole, run_session, session_of
from shotveil.host.compile.source import Linear, PlanBuilder
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.networks.network import Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import INPUT
from shotveil.models.networks.tasks import Task

Array = NDArray[Any]
LINEAR = ("Gemm", "MatMul", "Conv")
MOST_BYTES = (1 << 31) - 1  # of a model in one file, by its format


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a linear layer stands: the nodes that it replaces, and the values at both ends."""

    linear: Linear
    nodes: tuple[int, ...]
    takes: str
    gives: str


class OnnxSource:
    """An ONNX model before the cut.

    model: Path of an `.onnx` file, or the bytes of one.
    sample: Some inputs (n, …), n ≥ 1, of the shape that the model takes; they fix sizes that the
        model leaves open.
    output: Name of the output that counts; "" is the first one that holds numbers.
    name: Name of the network; "" is the file's.

    Raises `RangeError` for a file that is no model, and for a model that cannot be run: the message
    names operator and node.
    """

    def __init__(
        self, model: str | Path | bytes, sample: Array, output: str = "", name: str = ""
    ) -> None:
        self._onnx = import_extra("onnx", "networks")
        self._ort = import_extra("onnxruntime", "networks")
        given = self._loaded(model)
        self.name = name or (Path(model).stem if not isinstance(model, bytes) else "model")
        self._input = self._only_input(given)
        sample = np.asarray(sample)
        self.shape = self._shape_for(given, sample)
        sample = sample.reshape(len(sample), *self.shape)
        self._given = given.SerializeToString()
        self._reference = session_of(self._given)
        self._graph = self._simplified(self._given)
        graph = self._graph.graph
        self._constants = {t.name: t for t in graph.initializer}
        self._users: dict[str, list[int]] = {}
        for i, node in enumerate(graph.node):
            for value in node.input:
                self._users.setdefault(value, []).append(i)
        self._batch = _fixed_batch(given, self._input)
        few = sample[: self._batch or 2]
        self._output = self._chosen_output(given, output)
        self._shapes = self._observed(few)
        if self._output not in self._shapes:
            raise RangeError(
                f"output {self._output!r} of the model is a constant; allowed: one that depends on "
                "the input"
            )
        self._images = len(few)
        self._why: dict[int, str] = {}  # why a node that looks linear is none
        self._places = list(self._found())
        self.linears = tuple(place.linear for place in self._places)
        if not self.linears:
            raise RangeError(
                f"model {self.name} has no linear layer that could be private{self._held()}"
            )
        self.task = self._task()

    def reference(self, data: Array) -> Array:
        data = np.asarray(data).reshape(len(data), *self.shape)
        found = run_session(self._reference, {self._input: data}, [self._output])[0]
        return np.asarray(found, dtype=np.float64).reshape(len(data), -1)

    def network(self, cut: int) -> Network:
        private = self._places[cut:]
        if not private:
            raise RangeError(f"cut = {cut}; allowed: 0 to {len(self._places) - 1}")
        self._require_no_weights(private)
        replaced = {i: place for place in private for i in place.nodes}
        builder = PlanBuilder()
        known = {self._input: INPUT}
        pending: list[int] = []
        nodes = self._graph.graph.node
        for i in range(len(nodes)):
            here = replaced.get(i)
            if here is None:
                pending.append(i)
            elif i == here.nodes[-1]:
                # Only what the layer needs has to come first, but everything can.
                self._flush(builder, pending, known, replaced)
                known[here.gives] = f"v:{here.gives}"
                builder.linear(here.linear, True, known[here.takes], known[here.gives])
        self._flush(builder, pending, known, replaced)
        return builder.network(self.name, self.shape, self.task, known[self._output])

    def _loaded(self, model: str | Path | bytes) -> Any:
        if not isinstance(model, bytes):
            path = Path(model)
            if not path.is_file():
                raise RangeError(f"model {path} is not found; allowed: an ONNX file")
            model = ForeignFile("model", path).read(MOST_BYTES)
        require_whole(model)
        return self._onnx.load_from_string(model)

    def _only_input(self, model: Any) -> str:
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g") or attribute.graphs:
                    raise RangeError(
                        f"{node.op_type} of node {node.name or node.output[0]} cannot be run: "
                        "its branches are graphs of their own"
                    )
        constants = {t.name for t in model.graph.initializer}
        names = [value.name for value in model.graph.input if value.name not in constants]
        if len(names) != 1:
            raise RangeError(f"model takes {', '.join(names) or 'no input'}; allowed: one input")
        return str(names[0])

    def _shape_for(self, model: Any, sample: Array) -> tuple[int, ...]:
        """Return the shape of one input, and write it into the model."""
        value = next(v for v in model.graph.input if v.name == self._input)
        dims = value.type.tensor_type.shape.dim
        if sample.ndim < 1 or not len(sample):
            raise RangeError(f"sample has shape {sample.shape}; allowed: at least one input")
        if not dims:
            raise RangeError(f"input {self._input} has no axis for images; allowed: at least one")
        declared = [d.dim_value if d.dim_value > 0 else None for d in dims[1:]]
        own = sample.shape[1:]
        known = [size for size in declared if size is not None]
        if None not in declared and sample.size == len(sample) * prod(known):
            own = tuple(known)  # the sample may be flattened
        fits = len(own) == len(declared) and all(
            wanted in (None, size) for wanted, size in zip(declared, own, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in declared)
            raise RangeError(f"sample has inputs of shape {own}; the model takes ({wanted})")
        for dim, size in zip(dims[1:], own, strict=True):
            dim.dim_value = size
        return tuple(int(size) for size in own) or (1,)

    def _simplified(self, model: bytes) -> Any:
        options = self._ort.SessionOptions()
        options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "simple.onnx"
            options.optimized_model_filepath = str(path)
            try:
                self._ort.InferenceSession(
                    model, options, providers=["CPUExecutionProvider"], enable_fallback=0
                )
            except Exception as error:
                raise RangeError(
                    f"ONNX Runtime cannot run the model: {first_line(error)}"
                ) from None
            simple = self._onnx.load(str(path))
        try:
            return self._onnx.shape_inference.infer_shapes(simple)
        except Exception:  # without types of its own, a value counts as float
            return simple

    def _observed(self, sample: Array) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all values next to linear nodes, as the sample gives them."""
        graph = self._graph.graph
        names = {self._output}
        for node in graph.node:
            if node.op_type in LINEAR:
                names |= {node.input[0], node.output[0]}
        names -= {self._input, *self._constants}
        probe = self._onnx.ModelProto()
        probe.CopyFrom(self._graph)
        del probe.graph.output[:]
        ordered = sorted(names)
        probe.graph.output.extend(self._onnx.ValueInfoProto(name=name) for name in ordered)
        session = session_of(probe.SerializeToString())
        found = run_session(session, {self._input: sample}, ordered)
        shapes = {name: value.shape for name, value in zip(ordered, found, strict=True)}
        return {**shapes, self._input: sample.shape}

    def _chosen_output(self, model: Any, output: str) -> str:
        names = [value.name for value in model.graph.output]
        if output:
            if output not in names:
                raise RangeError(f"output = {output!r} is none of {', '.join(names)}")
            return output
        floats = [
            value.name
            for value in model.graph.output
            if value.type.tensor_type.elem_type in (1, 11)
        ]
        if not floats:
            kinds = {value.type.tensor_type.elem_type for value in model.graph.output}
            types = ", ".join(sorted(self._onnx.TensorProto.DataType.Name(k) for k in kinds))
            raise RangeError(
                f"outputs {', '.join(names)} have the type {types}; allowed: FLOAT or DOUBLE"
            )
        return str(floats[0])

    def _found(self) -> Iterator[_Place]:
        for i, node in enumerate(self._graph.graph.node):
            if node.op_type not in LINEAR or len(node.input) < 2:
                continue
            try:
                linear = getattr(self, f"_{node.op_type.lower()}")(node)
            except RangeError as error:
                self._why[i] = str(error)
                continue
            if linear is not None:
                yield self._with_followers(i, node, linear)

    def _array(self, name: str) -> Array | None:
        tensor = self._constants.get(name)
        return None if tensor is None else np.asarray(self._onnx.numpy_helper.to_array(tensor))

    def _attributes(self, node: Any) -> dict[str, Any]:
        return {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}

    def _gemm(self, node: Any) -> Linear | None:
        own = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0, **self._attributes(node)}
        b = self._array(node.input[1])
        bias = self._array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if b is None or own["transA"] or (len(node.input) > 2 and node.input[2] and bias is None):
            return None
        weights = own["alpha"] * (b if own["transB"] else b.T)
        if bias is not None:
            bias = np.broadcast_to(own["beta"] * bias.reshape(-1), weights.shape[:1])
        self._require_images(node)
        return Linear(_name(node), node.op_type, weights, bias)

    def _matmul(self, node: Any) -> Linear | None:
        b = self._array(node.input[1])
        if b is None or b.ndim != 2:
            return None
        self._require_images(node)
        shape = self._shapes[node.input[0]]
        return Linear(_name(node), node.op_type, b.T, None, prod(shape[1:-1]))

    def _conv(self, node: Any) -> Linear | None:
        w = self._array(node.input[1])
        bias = self._array(node.input[2]) if len(node.input) > 2 else None
        if w is None or (len(node.input) > 2 and bias is None):
            return None
        own = self._attributes(node)
        axes = w.ndim - 2
        if own.get("group", 1) != 1:
            raise RangeError(f"it has {own['group']} groups; allowed: 1")
        self._require_images(node)
        given, made = self._shapes[node.input[0]][2:], self._shapes[node.output[0]][2:]
        strides = list(own.get("strides", [1] * axes))
        dilations = list(own.get("dilations", [1] * axes))
        pads = list(own.get("pads", [0] * (2 * axes)))
        automatic = own.get("auto_pad", b"NOTSET")
        if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
            for axis in range(axes):
                window = dilations[axis] * (w.shape[2 + axis] - 1) + 1
                total = max(0, (made[axis] - 1) * strides[axis] + window - given[axis])
                small, large = total // 2, total - total // 2
                first = small if automatic == b"SAME_UPPER" else large
                pads[axis], pads[axes + axis] = first, total - first
        settings = {
            "kernel": list(w.shape[2:]),
            "strides": strides,
            "dilations": dilations,
            "pads": pads,
        }
        turned = [0, axes + 1, *range(1, axes + 1)]  # (n, *places, rows) to (n, rows, *places)
        return Linear(
            _name(node),
            node.op_type,
            w.reshape(len(w), -1),
            bias,
            prod(made),
            (Operation("patches", settings),),
            (Operation("transpose", {"axes": turned}),),
        )

    def _require_images(self, node: Any) -> None:
        shape = self._shapes[node.input[0]]
        if not shape or shape[0] != self._images:
            raise RangeError("the first axis of what it takes does not count the images")

    def _with_followers(self, i: int, node: Any, linear: Linear) -> _Place:
        """Fold what follows a linear node and is constant for each feature: bias, scale, norm."""
        nodes, gives = [i], node.output[0]
        graph = self._graph.graph
        rank = len(self._shapes[gives])
        axis = 1 if node.op_type == "Conv" else rank - 1
        weights = linear.weights.astype(np.float64)
        bias = None if linear.bias is None else linear.bias.astype(np.float64)
        while len(self._users.get(gives, ())) == 1 and gives != self._output:
            follower = graph.node[self._users[gives][0]]
            found = self._factor(follower, gives, rank, axis, len(weights))
            if found is None:
                break
            scale, shift = found
            weights = weights * scale[:, None]
            if bias is not None or shift.any():
                bias = (0 if bias is None else bias) * scale + shift
            nodes.append(self._users[gives][0])
            gives = follower.output[0]
        folded = Linear(
            linear.name, linear.operator, weights, bias, linear.patches, linear.before, linear.after
        )
        return _Place(folded, tuple(nodes), node.input[0], gives)

    def _factor(
        self, node: Any, value: str, rank: int, axis: int, rows: int
    ) -> tuple[Array, Array] | None:
        """Return scale and shift (rows,) that a node applies to each feature, or None."""
        one, zero = np.ones(rows), np.zeros(rows)
        if node.op_type == "BatchNormalization" and axis == 1 and node.input[0] == value:
            parts = [self._array(name) for name in node.input[1:5]]
            if len(node.output) != 1 or any(part is None for part in parts):
                return None
            gamma, beta, mean, variance = (np.asarray(p, np.float64) for p in parts)
            epsilon = self._attributes(node).get("epsilon", 1e-5)
            scale = gamma / np.sqrt(variance + epsilon)
            return scale, beta - mean * scale
        if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
            return None
        first = node.input[0] == value
        constant = self._array(node.input[1 if first else 0])
        if constant is None or constant.ndim > rank:
            return None
        shape = (1,) * (rank - constant.ndim) + constant.shape
        if any(size != 1 for k, size in enumerate(shape) if k != axis):
            return None
        c = np.broadcast_to(constant.reshape(-1).astype(np.float64), (rows,))
        if node.op_type == "Add":
            return one, c
        if node.op_type == "Mul":
            return c, zero
        if node.op_type == "Sub":
            return (one, -c) if first else (-one, c)
        return (1 / c, zero) if first and c.all() else None

    def _held(self) -> str:
        """Return which nodes hold the weights of a model without linear layers, as words."""
        found = [
            f"{node.op_type} of node {_name(node)}"
            + (f" ({self._why[i]})" if i in self._why else "")
            for i, node in enumerate(self._graph.graph.node)
            if any(self._is_matrix(name) for name in node.input)
        ]
        return f"; its weights are in {', '.join(found[:5])}" if found else ""

    def _is_matrix(self, name: str) -> bool:
        tensor = self._constants.get(name)
        return tensor is not None and sum(size > 1 for size in tensor.dims) > 1

    def _require_no_weights(self, private: Sequence[_Place]) -> None:
        """Refuse a cut behind which a node holds weights that cannot travel as light."""
        replaced = {i for place in private for i in place.nodes}
        secret = {place.gives for place in private}
        for i, node in enumerate(self._graph.graph.node):
            if i in replaced or not secret.intersection(node.input):
                if i in replaced:
                    secret.update(node.output)
                continue
            secret.update(node.output)
            if any(self._is_matrix(name) for name in node.input):
                why = self._why.get(i, "it is no product with a constant matrix")
                raise RangeError(
                    f"{node.op_type} of node {_name(node)} holds weights behind the cut and "
                    f"cannot be private: {why}"
                )

    def _flush(
        self,
        builder: PlanBuilder,
        pending: list[int],
        known: dict[str, str],
        replaced: dict[int, _Place],
    ) -> None:
        """Add the nodes that wait as steps in the clear, as far as their values are known."""
        graph = self._graph.graph
        ready: list[int] = []
        made: set[str] = set()
        for i in pending:
            node = graph.node[i]
            if all(not v or v in known or v in made or v in self._constants for v in node.input):
                ready.append(i)
                made.update(node.output)
        if not ready:
            return
        inside = set(ready)
        pending[:] = [i for i in pending if i not in inside]
        takes = sorted({v for i in ready for v in graph.node[i].input if v in known})
        gives = sorted(
            v
            for v in made
            if v and (v == self._output or any(u not in inside for u in self._users.get(v, ())))
        )
        if not gives:
            return
        for value in gives:
            known[value] = f"v:{value}"
        translated = [self._in_numpy(graph.node[i]) for i in ready]
        if all(each is not None for each in translated):
            for i, each in zip(ready, translated, strict=True):
                assert each is not None
                node = graph.node[i]
                values = tuple(
                    known.get(v, f"v:{v}") for v in node.input if v in made or v in known
                )
                builder.operation(each, values, (f"v:{node.output[0]}",))
            return
        part = self._part(ready, takes, gives)
        constants = {"model": np.frombuffer(part, dtype=np.uint8)}
        does = Operation("onnx", {"takes": takes, "gives": gives}, constants)
        builder.operation(does, tuple(known[v] for v in takes), tuple(known[v] for v in gives))

    def _in_numpy(self, node: Any) -> Operation | None:
        """Return the operation that does the same, or None."""
        own = self._attributes(node)
        constants = [name in self._constants for name in node.input]
        kind = node.op_type
        if kind == "Add" and not any(constants):
            shapes = [self._shapes.get(name) for name in node.input]
            return Operation("add") if len({*shapes, None}) == 2 else None
        if kind == "LayerNormalization":
            rest = [self._array(name) for name in node.input[1:] if name]
            if own.get("axis", -1) != -1 or len(node.output) != 1 or constants[0]:
                return None
            if not rest or any(part is None or part.ndim != 1 for part in rest):
                return None
            named = {k: v for k, v in zip(("scale", "shift"), rest, strict=False) if v is not None}
            return Operation("layer_norm", {"epsilon": float(own.get("epsilon", 1e-5))}, named)
        if any(constants) or len(node.input) != 1 or len(node.output) != 1:
            return None
        if kind in ("Relu", "Tanh", "Sigmoid"):
            return Operation(kind.lower())
        if kind == "LeakyRelu":
            return Operation("leaky_relu", {"slope": float(own.get("alpha", 0.01))})
        if kind == "Gelu":
            text = own.get("approximate", b"none").decode()
            return Operation("gelu", {"approximate": text})
        if kind == "HardSigmoid":
            slope, shift = float(own.get("alpha", 0.2)), float(own.get("beta", 0.5))
            return Operation("hard_sigmoid", {"slope": slope, "shift": shift})
        if kind == "Softmax" and self._graph_opset() >= 13 and own.get("axis", -1) == -1:
            return Operation("softmax", {"axis": -1})
        if kind == "Flatten" and own.get("axis", 1) == 1:
            return Operation("reshape", {"shape": [-1]})
        return None

    def _graph_opset(self) -> int:
        return next((int(o.version) for o in self._graph.opset_import if not o.domain), 0)

    def _part(self, nodes: Sequence[int], takes: Sequence[str], gives: Sequence[str]) -> bytes:
        """Return the model of some nodes, as bytes."""
        helper, graph = self._onnx.helper, self._graph.graph
        types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input)}

        def declared(name: str) -> Any:
            rank = len(self._shapes[name]) if name in self._shapes else None
            free = None
            if rank:
                free = [self._batch or "images", *(f"size_{name}_{k}" for k in range(1, rank))]
            return helper.make_tensor_value_info(name, types.get(name) or 1, free)

        chosen = [graph.node[i] for i in nodes]
        used = {name for node in chosen for name in node.input}
        part = helper.make_graph(
            chosen,
            "public",
            [declared(name) for name in takes],
            [self._onnx.ValueInfoProto(name=name) for name in gives],
            [tensor for tensor in graph.initializer if tensor.name in used],
        )
        model = helper.make_model(part, opset_imports=self._graph.opset_import)
        model.ir_version = self._graph.ir_version
        return bytes(model.SerializeToString())

    def _task(self) -> Task:
        """Return what the outputs seem to mean: classes, or for one output a choice or a value."""
        if prod(self._shapes[self._output][1:]) > 1:
            return Task()
        last = next(n for n in self._graph.graph.node if self._output in n.output)
        sigmoid = last.op_type in ("Sigmoid", "HardSigmoid")
        return Task("binary", 0.5) if sigmoid else Task("values")


def _name(node: Any) -> str:
    return str(node.name or node.output[0])


def _fixed_batch(model: Any, name: str) -> int:
    """Return the number of images that a model takes at a time, 0 for any number."""
    value = next(v for v in model.graph.input if v.name == name)
    return max(0, int(value.type.tensor_type.shape.dim[0].dim_value))
