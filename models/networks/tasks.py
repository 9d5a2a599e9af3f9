"""What a network's outputs mean: a class, one of two, several labels at once, or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require

KINDS = ("class", "binary", "labels", "values")


@dataclass(frozen=True)
class Task:
    """How outputs become predictions.

    kind: "class": the largest output is the answer. "binary": a single output, and the answer is 1
        where it is above the threshold. "labels": each output above the threshold is a label that
        applies. "values": the outputs are the answer.
    threshold: The threshold of "binary" and "labels".
    names: A name (text or whole number) for each class, 0 and 1 for "binary"; () without names.

    Raises `RangeError` for another kind, or a threshold that is not finite.

    >>> Task("binary", names=("benign", "malignant")).of(np.array([[0.3], [-2.0]])).tolist()
    ['malignant', 'benign']
    """

    kind: str = "class"
    threshold: float = 0.0
    names: tuple[str | int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RangeError(f"task = {self.kind!r} is none of {', '.join(KINDS)}")
        require("threshold", self.threshold)
        object.__setattr__(self, "names", tuple(self.names))

    def of(self, outputs: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return predictions for outputs (n, outputs): (n,), or for labels and values (n, outputs).

        Raises `RangeError` where there are more or fewer outputs than the names allow.
        """
        if self.kind == "values":
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        if self.kind == "labels":
            return outputs > self.threshold
        if self.kind == "binary":
            if outputs.shape[1] != 1:
                raise RangeError(f"a binary task has {outputs.shape[1]} outputs; allowed: 1")
            chosen = (outputs[:, 0] > self.threshold).astype(np.int64)
        else:
            chosen = outputs.argmax(axis=1)
        if not self.names:
            return chosen
        if self.kind == "class" and len(self.names) != outputs.shape[1]:
            raise RangeError(f"{outputs.shape[1]} outputs for {len(self.names)} names of classes")
        return np.array(self.names)[chosen]

    def truth(self, labels: NDArray[Any], outputs: int) -> NDArray[Any]:
        """Return labels as `of` gives predictions, for a network with a number of outputs.

        Whole numbers stand for the names at their places, where the names are texts, and one column
        (n, 1) of classes for (n,). Raises `RangeError` for labels that name no class, those that
        are no numbers where numbers are needed, and those of another shape.
        """
        labels = np.asarray(labels)
        if self.kind in ("labels", "values"):
            if labels.dtype.kind not in "fiub":
                raise RangeError(
                    f"labels have type {labels.dtype}; allowed: numbers, as the network answers "
                    f"with {self.kind}"
                )
            return labels
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise RangeError(f"labels have shape {labels.shape}; allowed: (n,), a class for each")
        count = 2 if self.kind == "binary" else outputs
        names: list[str | int] = list(self.names) or list(range(count))
        by_place = labels.dtype.kind in "iub" and isinstance(names[0], str)
        allowed = range(len(names)) if by_place else names
        if (bad := ~np.isin(labels, np.array(allowed))).any():
            few = ", ".join(map(str, names[:10])) + (", …" if len(names) > 10 else "")
            unknown = labels[bad].tolist()[0]
            raise RangeError(f"label = {unknown!r} is no class of the network; allowed: {few}")
        return np.array(names)[labels.astype(np.int64)] if by_place else labels

    def score(self, outputs: NDArray[np.floating[Any]], truth: NDArray[Any]) -> float:
        """Return how well outputs (n, outputs) agree with the truth, at most 1.

        It is the share of correct predictions, for labels the share of labels that are set
        correctly, and for values the coefficient of determination R² (1 − residual over total sum
        of squares). Raises `RangeError` where the truth has another shape than the predictions.
        """
        found = self.of(outputs)
        truth = np.asarray(truth)
        if self.kind in ("labels", "values"):
            truth = truth.reshape(found.shape) if truth.size == found.size else truth
        if truth.shape != found.shape:
            raise RangeError(f"truth has shape {truth.shape}; allowed: {found.shape}")
        if self.kind == "values":
            total = np.square(truth - truth.mean(axis=0)).sum()
            return float(1 - np.square(truth - found).sum() / max(float(total), 1e-300))
        return float((found == truth).mean())

    @property
    def chooses(self) -> bool:
        """Whether the answer is one class for each input."""
        return self.kind in ("class", "binary")

    @property
    def measure(self) -> str:
        """What `score` is called."""
        return "R²" if self.kind == "values" else "accuracy"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `Task(**values)` makes the task again."""
        return {"kind": self.kind, "threshold": self.threshold, "names": list(self.names)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """Return the task that `as_dict` wrote. Raises `RangeError`, `KeyError`, `TypeError`."""
        return cls(values["kind"], float(values["threshold"]), tuple(values["names"]))
