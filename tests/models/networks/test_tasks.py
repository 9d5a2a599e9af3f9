"""What outputs mean, and how well they agree with the truth."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.tasks import Task

OUTPUTS = np.array([[0.2, -1.0, 3.0], [2.0, 0.6, -1.0]])


def test_a_class_is_the_largest_output():
    assert Task().of(OUTPUTS).tolist() == [2, 0]
    assert Task(names=("a", "b", "c")).of(OUTPUTS).tolist() == ["c", "a"]
    assert Task(names=("a", "b", "c")).score(OUTPUTS, np.array(["c", "b"])) == 0.5


def test_one_output_is_compared_with_its_threshold():
    task = Task("binary", 0.5, ("no", "yes"))
    assert task.of(OUTPUTS[:, :1]).tolist() == ["no", "yes"]
    with pytest.raises(RangeError, match="has 3 outputs; allowed: 1"):
        task.of(OUTPUTS)


def test_several_labels_at_once():
    assert Task("labels", 0.5).of(OUTPUTS).tolist() == [[0, 0, 1], [1, 1, 0]]
    truth = np.array([[0, 0, 1], [1, 0, 0]], dtype=bool)
    assert Task("labels", 0.5).score(OUTPUTS, truth) == pytest.approx(5 / 6)


def test_values_score_by_the_variance_that_they_explain():
    task = Task("values")
    assert task.measure == "R²" and Task().measure == "accuracy"
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert task.score(truth[:, None], truth) == 1
    assert task.score(np.full((4, 1), 2.5), truth) == 0
    assert task.score(truth[:, None] + 1, truth) == pytest.approx(1 - 4 / 5)


def test_it_is_the_same_after_json():
    task = Task("binary", -0.25, ("no", "yes"))
    assert Task.from_dict(task.as_dict()) == task


def test_what_makes_no_sense_is_refused():
    with pytest.raises(RangeError, match="task = 'guess' is none of"):
        Task("guess")
    with pytest.raises(RangeError, match="threshold = nan"):
        Task("binary", float("nan"))
    with pytest.raises(RangeError, match="3 outputs for 2 names"):
        Task(names=("a", "b")).of(OUTPUTS)
    with pytest.raises(RangeError, match=r"truth has shape \(3,\); allowed: \(2,\)"):
        Task().score(OUTPUTS, np.zeros(3))


def test_labels_become_what_predictions_are():
    numbers = np.array([2, 0])
    assert Task().truth(numbers, 3).tolist() == [2, 0]
    named = Task(names=("a", "b", "c"))
    assert named.truth(numbers, 3).tolist() == ["c", "a"]  # names by their places
    assert named.truth(np.array(["b"]), 3).tolist() == ["b"]
    assert Task(names=(5, 2, 0)).truth(numbers, 3).tolist() == [2, 0]  # numbers are names here
    assert Task("binary").truth(np.array([1, 0]), 1).tolist() == [1, 0]
    assert named.truth(np.array([["b"], ["c"]]), 3).tolist() == ["b", "c"]  # one column
    assert Task("values").truth(np.array([0.5]), 1).tolist() == [0.5]
    assert Task().chooses and Task("binary").chooses and not Task("labels").chooses
    for task, labels, message in (
        (Task(), np.array([3]), "label = 3 is no class of the network; allowed: 0, 1, 2"),
        (Task(), np.array(["a"]), "label = 'a' is no class"),
        (named, np.array([3]), "label = 3 is no class"),
        (Task(names=(5, 2, 0)), np.array([1]), "label = 1 is no class of the network; allowed: 5"),
        (Task(), np.eye(3), "labels have shape"),
        (Task("values"), np.array(["0.5"]), "labels have type <U3; allowed: numbers, as the"),
    ):
        with pytest.raises(RangeError, match=message):
            task.truth(labels, 3)
