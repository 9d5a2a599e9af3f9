"""A model of any kind as a source: ONNX files, PyTorch modules, scikit-learn estimators."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.estimators import estimator_source
from shotveil.host.compile.onnx_graph import OnnxSource
from shotveil.host.compile.runtime import first_line
from shotveil.host.compile.source import ChainSource, Linear, Source, numbers_of
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Network
from shotveil.models.networks.operations import Operation


def source_of(model: Any, sample: NDArray[Any], name: str = "") -> Source:
    """Return a model before the cut.

    model: Path or bytes of an ONNX model, an ONNX `ModelProto`, a `torch.nn.Module`, a fitted
        scikit-learn estimator, or a `Network`.
    sample: Some inputs (n, …) as the model takes them.
    name: Name of the network; "" takes the model's.

    Raises `RangeError` for a model of another kind, or one that cannot be run.
    """
    if isinstance(model, Network):
        return network_source(model, name)
    if hasattr(model, "get_params") and hasattr(model, "fit"):
        return estimator_source(model, name)  # whatever its first step takes, such as texts
    sample = numbers_of(sample)
    if isinstance(model, (str, Path, bytes)):
        return OnnxSource(model, sample, name=name)
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return OnnxSource(model.SerializeToString(), sample, name=name)
    if _is_module(model):
        return OnnxSource(exported(model, sample), sample, name=name or type(model).__name__)
    raise RangeError(
        f"model is a {type(model).__name__}; allowed: an ONNX file, a torch.nn.Module, a fitted "
        "scikit-learn estimator, or a network"
    )


def network_source(network: Network, name: str = "") -> ChainSource:
    """Return a network whose steps follow each other as a source, to be cut anew.

    Raises `RangeError` for a network with steps that take other values than the newest.
    """
    parts: list[Operation | Linear] = []
    last = "input"
    for step in network.plan.steps:
        if step.takes != (last,) or len(step.gives) != 1:
            raise RangeError(f"network {network.name} is no chain; its cut cannot be changed")
        last = step.gives[0]
        if isinstance(step.does, Operation):
            parts.append(step.does)
            continue
        layer = network.layers[step.does]
        weights = layer.weights[:, : layer.inputs].astype(np.float64)
        bias = layer.weights[:, -1].astype(np.float64) if layer.bias else None
        parts.append(Linear(f"layer {step.does}", "Layer", weights, bias, layer.patches))
    plan = network.plan
    return ChainSource(name or network.name, plan.shape, tuple(parts), network.forward, plan.task)


def exported(module: Any, sample: NDArray[Any]) -> bytes:
    """Return a PyTorch module as the bytes of an ONNX model, as it behaves after training.

    Raises `RangeError` for a module that PyTorch cannot export.
    """
    torch = import_extra("torch", "train")
    import_extra("onnxscript", "train")
    name = type(module).__name__
    if len(taken := _needed(module.forward)) > 1:
        raise RangeError(f"forward of {name} takes {', '.join(taken)}; allowed: one input")
    example = torch.from_numpy(np.ascontiguousarray(sample[:2]))
    if example.is_floating_point():
        own = (p.dtype for p in module.parameters() if p.is_floating_point())
        example = example.to(next(own, torch.float32))
    was_training = module.training
    module.eval()
    buffer = io.BytesIO()
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of packages that the module may not need
    try:
        with warnings.catch_warnings(action="ignore"):  # of what it does inside
            torch.onnx.export(
                module,
                (example,),
                buffer,
                input_names=["x"],
                output_names=["y"],
                dynamic_shapes=({0: torch.export.Dim("images")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever a module raises while it is traced
        why = error.__cause__ or error  # PyTorch's own words are how to report it
        raise RangeError(f"PyTorch cannot export {name}: {first_line(why)}") from None
    finally:
        log.setLevel(level)
        module.train(was_training)
    return buffer.getvalue()


def _needed(function: Any) -> list[str]:
    """Return the names of the arguments that a function cannot do without."""
    return [
        name
        for name, each in inspect.signature(function).parameters.items()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def _is_module(model: Any) -> bool:
    """Whether a model is a PyTorch module, found without importing PyTorch."""
    return any(
        base.__module__.startswith("torch.nn") and base.__name__ == "Module"
        for base in type(model).__mro__
    )
