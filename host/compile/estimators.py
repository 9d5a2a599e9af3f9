"""Import of fitted scikit-learn estimators: linear models, multilayer perceptrons, pipelines.

Scalers become operations in the clear, so the normalisation travels with the network. An estimator
is known by what it learned (`coef_`, `coefs_`, `scale_`, …), so subclasses and relatives with the
same attributes work as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.source import ChainSource, Linear
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.tasks import Task

Array = NDArray[Any]

_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "softmax": "softmax"}
# Estimators whose prediction is more than a linear layer with an activation.
_OTHER_LINKS = ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")


def estimator_source(model: Any, name: str = "") -> ChainSource:
    """Return a fitted estimator as a source.

    A search for settings, such as `GridSearchCV`, stands for the best estimator that it found.
    Raises `RangeError` for an estimator that is not fitted or cannot be run; the message names its
    class, and its step in a pipeline.
    """
    steps = list(_steps(type(model).__name__, model))
    parts: list[Operation | Linear] = []
    for step, transformer in steps[:-1]:
        parts += _transformer(step, transformer)
    step, final = steps[-1]
    layers, task, outputs_of = _predictor(step, final)
    parts += layers
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise RangeError(f"step {step}: {type(final).__name__} is not fitted; call its fit first")

    def reference(data: Array) -> Array:
        for _, transformer in steps[:-1]:
            data = transformer.transform(data)
        return np.asarray(outputs_of(data))

    return ChainSource(name or type(final).__name__, (int(width),), tuple(parts), reference, task)


def _steps(name: str, it: Any) -> Iterator[tuple[str, Any]]:
    """Yield the steps of a model with their names, those of pipelines within it included."""
    it = getattr(it, "best_estimator_", it)
    if not hasattr(it, "steps"):
        yield name, it
        return
    for step, inner in it.steps:
        if inner not in (None, "passthrough"):
            yield from _steps(step, inner)


def _transformer(step: str, it: Any) -> list[Operation | Linear]:
    kind = type(it).__name__
    if kind == "StandardScaler":
        scale, mean = getattr(it, "scale_", None), getattr(it, "mean_", None)
        divided = 1.0 if scale is None else 1 / np.asarray(scale)
        return [_affine(it, divided, 0.0 if mean is None else -np.asarray(mean) * divided)]
    if kind == "MinMaxScaler":
        scaled = _affine(it, it.scale_, it.min_)
        if it.clip:
            low, high = it.feature_range
            return [scaled, Operation("clip", {"low": float(low), "high": float(high)})]
        return [scaled]
    if kind == "MaxAbsScaler":
        return [_affine(it, 1 / np.asarray(it.scale_), 0.0)]
    if kind == "RobustScaler":
        divided = 1.0 if it.scale_ is None else 1 / np.asarray(it.scale_)
        centre = 0.0 if it.center_ is None else np.asarray(it.center_)
        return [_affine(it, divided, -centre * divided)]
    if kind == "PCA":
        rows = np.asarray(it.components_, dtype=np.float64)
        if it.whiten:
            rows = rows / np.sqrt(it.explained_variance_)[:, None]
        return [Linear(step, kind, rows, -rows @ it.mean_)]
    if kind == "TruncatedSVD":
        return [Linear(step, kind, np.asarray(it.components_), None)]
    raise RangeError(
        f"step {step}: {kind} cannot be run; allowed before the last step: StandardScaler, "
        "MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, TruncatedSVD"
    )


def _affine(it: Any, scale: Any, shift: Any) -> Operation:
    width = (it.n_features_in_,)
    return Operation(
        "affine",
        {},
        {
            "scale": np.broadcast_to(np.asarray(scale, np.float64), width).copy(),
            "shift": np.broadcast_to(np.asarray(shift, np.float64), width).copy(),
        },
    )


def _predictor(
    step: str, it: Any
) -> tuple[list[Operation | Linear], Task, Callable[[Array], Array]]:
    """Return the parts of the last step, what its outputs mean, and a function that gives them."""
    kind = type(it).__name__
    if hasattr(it, "coefs_") and hasattr(it, "out_activation_"):
        return _perceptron(step, it)
    if not hasattr(it, "coef_") or not hasattr(it, "intercept_") or kind in _OTHER_LINKS:
        fitted = [name for name in vars(it) if name.endswith("_") and not name.startswith("_")]
        if not fitted:
            raise RangeError(f"step {step}: {kind} is not fitted; call its fit first")
        raise RangeError(
            f"step {step}: {kind} cannot be run; allowed as the last step: linear and logistic "
            "models, and multilayer perceptrons"
        )
    coef = np.asarray(it.coef_.toarray() if hasattr(it.coef_, "toarray") else it.coef_)
    if coef.dtype.kind not in "fiu" or coef.ndim > 2:
        raise RangeError(f"step {step}: {kind} has no matrix of coefficients")
    if getattr(it, "kernel", "linear") != "linear" or hasattr(it, "dual_coef_"):
        raise RangeError(f"step {step}: {kind} combines its classes by voting; allowed: LinearSVC")
    rows = np.atleast_2d(coef).astype(np.float64)
    intercept = np.asarray(it.intercept_, dtype=np.float64).reshape(-1)
    bias = np.broadcast_to(intercept, rows.shape[:1]).copy() if intercept.any() else None
    parts: list[Operation | Linear] = [Linear(step, kind, rows, bias)]
    if not hasattr(it, "classes_"):
        return parts, Task("values"), it.predict
    return parts, _classes(it, len(rows), 0.0), it.decision_function


def _perceptron(
    step: str, it: Any
) -> tuple[list[Operation | Linear], Task, Callable[[Array], Array]]:
    kind = type(it).__name__
    parts: list[Operation | Linear] = []
    for number, (weights, bias) in enumerate(zip(it.coefs_, it.intercepts_, strict=True)):
        parts.append(Linear(f"{step}.{number}", kind, weights.T, bias))
        last = number == len(it.coefs_) - 1
        activation = it.out_activation_ if last else it.activation
        if activation == "identity":
            continue
        if activation not in _ACTIVATIONS:
            raise RangeError(f"step {step}: activation {activation!r} of {kind} cannot be run")
        parts.append(Operation(_ACTIVATIONS[activation]))
    if not hasattr(it, "classes_"):
        return parts, Task("values"), it.predict
    outputs = len(it.intercepts_[-1])

    def probabilities(data: Array) -> Array:
        found = np.asarray(it.predict_proba(data))
        return found[:, 1:] if outputs == 1 else found

    return parts, _classes(it, outputs, 0.5), probabilities


def _classes(it: Any, outputs: int, threshold: float) -> Task:
    names = _plain(it.classes_)
    if outputs == 1:
        return Task("binary", threshold, names)
    several = (
        getattr(getattr(it, "_label_binarizer", None), "y_type_", "") == "multilabel-indicator"
    )
    return Task("labels", threshold) if several else Task("class", 0.0, names)


def _plain(classes: Array) -> tuple[str | int, ...]:
    if np.asarray(classes).dtype.kind in "iub":  # true and false are called 1 and 0
        return tuple(int(c) for c in classes)
    return tuple(
        int(c) if isinstance(c, (float, np.floating)) and float(c).is_integer() else str(c)
        for c in classes
    )
