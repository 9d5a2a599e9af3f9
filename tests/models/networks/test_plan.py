"""Plans: steps in order, values that are there, and layers that fit."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import (
    INPUT,
    ClientPlan,
    LayerShape,
    Step,
    chain,
    plan_as_dict,
    plan_from_dict,
    withheld,
)
from shotveil.models.networks.tasks import Task

SHAPES = (LayerShape(4, 3, bias=True), LayerShape(2, 4))


def residual():
    """Two values from one input; the layer's products are added to a copy of what it took."""
    affine = Operation("affine", {}, {"scale": np.array(2.0), "shift": np.array(1.0)})
    steps = (
        Step(affine, (INPUT,), ("a",)),
        Step(0, ("a",), ("b",)),
        Step(Operation("relu"), ("b",), ("c",)),
        Step(Operation("add"), ("a", "c"), ("d",)),
    )
    return ClientPlan((3,), (LayerShape(3, 3),), steps, "d", Task("values"))


def test_a_value_is_used_again_further_on():
    plan = residual()
    outputs = plan.run(np.array([[1.0, 2.0, 3.0]]), lambda number, x: -x + 4)
    np.testing.assert_array_equal(outputs, [[3 + 1, 5, 7]])
    assert not plan.plain


def test_what_comes_before_the_first_layer_is_done_once_and_kept():
    plan = residual()
    values = plan.begin(np.array([[1.0, 2.0, 3.0]]))
    assert set(values) == {INPUT, "a"}
    np.testing.assert_array_equal(plan.taken(values), [[3, 5, 7]])
    first = plan.finish(values, lambda number, x: x)
    assert set(values) == {INPUT, "a"}
    np.testing.assert_array_equal(plan.finish(values, lambda number, x: x), first)


def test_the_default_is_a_dense_network_with_relu():
    plan = chain(SHAPES)
    assert plan.plain and plan.inputs == 2
    seen = []

    def products(number, x):
        seen.append(x.tolist())
        return [np.array([[-1.0, 2.0, 0.0, 1.0]]), np.array([[5.0, -6.0]])][number]

    assert plan.run(np.ones((1, 2)), products).tolist() == [[5, -6]]
    assert seen == [[[1, 1]], [[0, 2, 0, 1]]]
    assert not chain(SHAPES, [[], [Operation("tanh")], []]).plain
    assert not chain(SHAPES, [[], [Operation("relu")], [Operation("relu")]]).plain
    assert not chain(SHAPES, shape=(1, 2)).plain


def test_patches_are_flattened_for_the_layer_and_restored_behind_it():
    fold = Operation("reshape", {"shape": [2, 2, 1]})
    plan = chain([LayerShape(3, 1, patches=4)], [[fold], []], (4,))
    found = plan.run(np.arange(8.0).reshape(2, 4), lambda number, x: np.tile(x, 3))
    assert found.shape == (2, 12)
    np.testing.assert_array_equal(found[1], np.repeat([4, 5, 6, 7], 3))


def test_data_may_be_flattened_or_not():
    plan = chain([LayerShape(1, 6)], [[Operation("reshape", {"shape": [-1]})], []], (2, 3))
    flat = np.arange(12.0).reshape(2, 6)
    for data in (flat, flat.reshape(2, 2, 3)):
        found = plan.run(data, lambda number, x: x.sum(axis=1, keepdims=True))
        np.testing.assert_array_equal(found, [[15], [51]])
    for data in (np.ones((2, 5)), np.ones(0)):
        with pytest.raises(RangeError, match=r"allowed: \(n, 6\), n ≥ 1, or \(n, 2, 3\)"):
            plan.begin(data)


def test_it_is_the_same_after_json():
    plan, constants = residual(), {}
    values = plan_as_dict(plan, constants)
    assert set(constants) == {"constant_0", "constant_1"}
    again = plan_from_dict(values, plan.layers, constants)
    data = np.array([[1.0, 2.0, 3.0]])
    products = lambda number, x: x - 4  # noqa: E731
    np.testing.assert_array_equal(again.run(data, products), plan.run(data, products))
    assert again.task == plan.task and again.shape == plan.shape


def step(takes, gives, does=0):
    return Step(does, takes, gives)


@pytest.mark.parametrize(
    ("steps", "output", "message"),
    [
        ([step(("a",), ("b",))], "b", "uses 'a' before"),
        ([step((INPUT,), (INPUT,))], INPUT, "makes 'input' twice"),
        ([step((INPUT,), ("b",), 1)], "b", r"layers \[1\]; allowed: 0 to 0"),
        ([step((INPUT,), ("b",)), step(("b",), ("c",))], "c", r"layers \[0, 0\]"),
        ([step((INPUT, INPUT), ("b",))], "b", "more than one value"),
        ([step((INPUT,), ("b",))], "c", "no value 'c'"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(steps, output, message):
    with pytest.raises(RangeError, match=message):
        ClientPlan((3,), (LayerShape(3, 3),), tuple(steps), output)


def test_values_that_do_not_fit_a_layer_are_refused():
    fold = Operation("reshape", {"shape": [2, 2]})
    plan = chain([LayerShape(3, 1)], [[fold], []], (4,))
    with pytest.raises(RangeError, match=r"do not fit layer 0; allowed: \(1, …, 1\)"):
        plan.run(np.ones((1, 4)), lambda number, x: x)
    plan = chain([LayerShape(3, 2)], [[fold], []], (4,))
    with pytest.raises(RangeError, match="2 patches for layer 0; allowed: 1"):
        plan.run(np.ones((1, 4)), lambda number, x: x)
    with pytest.raises(RangeError, match="at least 1"):
        LayerShape(3, 1, bias=True)


def test_a_servers_part_does_not_know_the_steps():
    plan = withheld(SHAPES)
    assert plan.withheld and not plan.plain
    with pytest.raises(RangeError, match="its client holds the plan"):
        plan.begin(np.ones((1, 2)))
