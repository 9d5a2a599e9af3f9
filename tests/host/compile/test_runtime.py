"""The operation `onnx`: it does what ONNX says, in the types of the model, and reads no file."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shotveil.host.compile.runtime import as_type, require_whole, run_session, session_of
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation


def model(kind=TensorProto.FLOAT, images="n", node=None, constants=()):
    value = helper.make_tensor_value_info("x", kind, [images, 3])
    out = helper.make_tensor_value_info("y", kind, [images, 3])
    node = node or helper.make_node("Add", ["x", "x"], ["y"], name="twice")
    graph = helper.make_graph([node], "g", [value], [out], list(constants))
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def operation(content):
    constants = {"model": np.frombuffer(content, np.uint8)}
    return Operation("onnx", {"takes": ["x"], "gives": ["y"]}, constants)


def test_an_operation_runs_a_model():
    x = np.arange(6.0).reshape(2, 3)
    found = operation(model()).run(x)[0]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, 2 * x)


def test_a_model_for_one_image_takes_one_after_another():
    x = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(operation(model(images=1)).run(x)[0], 2 * x)
    session = session_of(model(images=2))
    with pytest.raises(RangeError, match="3 images are given; the model takes 2 at a time"):
        run_session(session, {"x": x[:3]}, ["y"])


def test_whole_numbers_stay_whole_or_are_refused():
    np.testing.assert_array_equal(
        operation(model(TensorProto.INT32)).run(np.array([[1.0, 2.0, 300.0]]))[0], [[2, 4, 600]]
    )
    for bad in (0.5, np.nan, 2.0**40):
        with pytest.raises(RangeError, match="value x is not whole or out of range"):
            as_type(np.array([bad]), "tensor(int32)", "x")
    with pytest.raises(RangeError, match=r"type tensor\(string\); allowed: tensor\(float\)"):
        as_type(np.array([1.0]), "tensor(string)", "x")


def test_a_model_that_names_another_file_is_refused(tmp_path):
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "c")
    onnx.external_data_helper.set_external_data(tensor, "/etc/hostname")
    tensor.ClearField("raw_data")
    node = helper.make_node("Add", ["x", "c"], ["y"], name="plus")
    with pytest.raises(RangeError, match="tensor c of the model is in another file"):
        require_whole(model(node=node, constants=[tensor]))
    inside = helper.make_node("Constant", [], ["y"], value=tensor)
    with pytest.raises(RangeError, match="tensor c of the model is in another file"):
        operation(model(node=inside)).run(np.ones((1, 3)))


def test_what_is_no_model_is_refused():
    with pytest.raises(RangeError, match=r"no ONNX model|cannot run"):
        operation(b"\x00nonsense").run(np.ones((1, 3)))
    strange = helper.make_node("Conjure", ["x"], ["y"], name="hat")
    with pytest.raises(RangeError, match=r"ONNX Runtime cannot run the model: .*Conjure"):
        session_of(model(node=strange))
    with pytest.raises(RangeError, match="ONNX Runtime refuses the data"):
        operation(model()).run(np.ones((1, 4)))
