"""Samples: inputs, and what is right for each of them, as a file of any format gives them.

Every reader of data ends in `samples_of`, so what makes no sense is refused in the same words
whatever the format is.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.foreign import ForeignFile, require_text, shown

Array = NDArray[Any]
Split = Literal["train", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
MOST_CLASSES = 1000
_NUMBERS = "fiub"


class Samples(NamedTuple):
    """Inputs (n, …) and labels.

    labels: Classes as whole numbers or as names (n,), or other numbers (n,) or (n, outputs); None
        where the file has none.
    """

    inputs: Array
    labels: Array | None

    @property
    def flat(self) -> Array:
        """The inputs as vectors (n, inputs), which is what layers take."""
        return self.inputs.reshape(len(self.inputs), -1)

    def first(self, count: int | None) -> Samples:
        """Return the first samples; None returns all. Raises `RangeError` for more than these."""
        if count is None:
            return self
        require("images", count, at_least=1, at_most=len(self.inputs))
        return Samples(self.inputs[:count], None if self.labels is None else self.labels[:count])

    def labelled(self, what: str) -> tuple[Array, Array]:
        """Return inputs and labels. Raises `RangeError` without labels, which `what` needs."""
        if self.labels is None:
            raise RangeError(
                f"the data have no labels, which {what} needs; allowed: a file with labels "
                "(docs/data.md tells where they stand in each format)"
            )
        return self.inputs, self.labels


def samples_of(file: ForeignFile, inputs: Array, labels: Array | None) -> Samples:
    """Return samples from the arrays in a file.

    Labels of one column become (n,). Raises `RangeError` unless the inputs are finite numbers of
    shape (n, …) with n ≥ 1, and the labels as many finite numbers or printable names.
    """
    if inputs.dtype.kind not in _NUMBERS or inputs.ndim < 2 or not inputs.size:
        raise file.refused(
            f"holds inputs of type {inputs.dtype} and shape {inputs.shape}", "numbers (n, …), n ≥ 1"
        )
    _require_finite(file, "inputs", inputs)
    if labels is None:
        return Samples(inputs, None)
    if labels.ndim == 0 or len(labels) != len(inputs):
        raise file.refused(
            f"holds {labels.shape[0] if labels.ndim else 1} labels for {len(inputs)} inputs",
            "one for each",
        )
    if labels.ndim > 1 and labels.size == len(labels):
        labels = labels.reshape(-1)
    if labels.dtype.kind == "U" and labels.ndim == 1:
        _require_names(file, labels)
    elif labels.dtype.kind not in _NUMBERS or labels.ndim > 2:
        raise file.refused(
            f"holds labels of type {labels.dtype} and shape {labels.shape}",
            "numbers or names (n,), or numbers (n, outputs)",
        )
    _require_finite(file, "labels", labels)
    return Samples(inputs, labels)


def class_numbers(labels: Array) -> tuple[NDArray[np.int64], tuple[str | int, ...]]:
    """Return labels (n,) as numbers of classes that count from 0, and the classes in their order.

    Names are sorted as texts, and numbers by their size. Raises `RangeError` for labels that are
    no classes: numbers that are not whole, more than one for an input, or more than
    `MOST_CLASSES`.

    >>> class_numbers(np.array(["cat", "ant", "cat"]))
    (array([1, 0, 1]), ('ant', 'cat'))
    """
    if labels.ndim != 1:
        raise RangeError(f"labels have shape {labels.shape}; allowed: (n,), a class for each input")
    if labels.dtype.kind == "f":
        whole = labels == np.rint(labels)
        if not whole.all():
            raise RangeError(
                f"label = {labels[~whole][0]:g} is no class; allowed: names or whole numbers"
            )
        labels = labels.astype(np.int64)
    classes, numbers = np.unique(labels, return_inverse=True)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise RangeError(
            f"the labels name {len(classes):,} different classes; allowed: 2 to {MOST_CLASSES:,}"
        )
    named = tuple(classes.tolist()) if labels.dtype.kind != "b" else tuple(map(int, classes))
    return numbers.astype(np.int64), named


def _require_finite(file: ForeignFile, what: str, values: Array) -> None:
    if values.dtype.kind == "f" and not (good := np.isfinite(values)).all():
        first = int(np.argwhere(~good)[0][0])
        raise file.refused(
            f"holds {values[~good][0]} among the {what} of sample {first + 1}", "finite numbers"
        )


def _require_names(file: ForeignFile, labels: Array) -> None:
    try:
        for name in np.unique(labels).tolist():
            require_text("label", name)
    except RangeError as error:
        raise RangeError(f"{file.what} {file.path}: {error}") from None
    except (ValueError, SystemError):  # what is stored need not be Unicode
        raise file.refused(
            f"holds labels such as {shown(labels[:1].tobytes())}", "printable names"
        ) from None
