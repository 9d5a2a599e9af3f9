from pathlib import Path

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.networks.samples import Samples, class_numbers, samples_of

FILE = ForeignFile("data file", Path("a.npz"))
X = np.arange(12.0).reshape(3, 4)


def test_labels_of_one_column_are_one_a_sample():
    found = samples_of(FILE, X, np.array([[1], [2], [3]]))
    assert found.labels.tolist() == [1, 2, 3]
    assert samples_of(FILE, X, np.eye(3)).labels.shape == (3, 3)
    assert samples_of(FILE, X.reshape(3, 2, 2), None).flat.shape == (3, 4)


@pytest.mark.parametrize(
    "inputs, labels, message",
    [
        (X[0], None, r"inputs of type float64 and shape \(4,\)"),
        (X[:0], None, r"shape \(0, 4\); allowed: numbers \(n, …\), n ≥ 1"),
        (np.array([["a"]]), None, "inputs of type <U1"),
        (np.where(X == 9, np.nan, X), None, "holds nan among the inputs of sample 3"),
        (X, np.arange(2), "holds 2 labels for 3 inputs; allowed: one for each"),
        (X, np.array([1, np.inf, 0]), "holds inf among the labels of sample 2"),
        (X, np.array(["a", "b\n", "c"]), r"a\.npz: label = 'b\\n' cannot be shown"),
        (X, np.array([["a", "b"]] * 3), r"labels of type <U1 and shape \(3, 2\)"),
        (X, np.array([None] * 3), "labels of type object"),
    ],
)
def test_what_makes_no_sense_is_refused(inputs, labels, message):
    with pytest.raises(RangeError, match=message):
        samples_of(FILE, inputs, labels)


def test_first_samples_and_those_without_labels():
    some = Samples(X, np.arange(3))
    assert some.first(2).labels.tolist() == [0, 1] and some.first(None) is some
    assert Samples(X, None).first(2).labels is None
    for count in (0, 4):
        with pytest.raises(RangeError, match=rf"images = {count} is outside \[1, 3\]"):
            some.first(count)
    with pytest.raises(RangeError, match="no labels, which training needs"):
        Samples(X, None).labelled("training")


def test_classes_are_numbered_in_their_order():
    numbers, classes = class_numbers(np.array([7, 3, 7]))
    assert (numbers.tolist(), classes) == ([1, 0, 1], (3, 7))
    assert all(type(one) is int for one in classes)
    assert class_numbers(np.array([1.0, 2.0]))[1] == (1, 2)
    assert class_numbers(np.array([True, False]))[1] == (0, 1)
    for labels, message in (
        (np.array([0.5, 1]), "label = 0.5 is no class"),
        (np.array([1, 1]), "name 1 different classes; allowed: 2 to 1,000"),
        (np.arange(1001), "name 1,001 different classes"),
        (np.eye(2), r"labels have shape \(2, 2\)"),
    ):
        with pytest.raises(RangeError, match=message):
            class_numbers(labels)


def test_names_that_are_no_unicode_are_refused():
    broken = np.frombuffer(b"\xff" * 12, "<U1")
    with pytest.raises(RangeError, match="holds labels such as"):
        samples_of(FILE, X, broken)
