"""Small ONNX models that the tests of this room share."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def onnx_model(nodes, shape, out_shape, images="n", **constants):
    """Bytes of a model from x (images, *shape) to y (images, *out_shape)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [images, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [images, *out_shape])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def f32(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convolutional(images="n"):
    """A small network with batch norm, a residual sum, pooling, layer norm and a dense end."""
    n = helper.make_node
    nodes = [
        n("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        n("BatchNormalization", ["c1", "s", "t", "m", "v"], ["n1"], name="norm1"),
        n("Relu", ["n1"], ["r1"], name="relu1"),
        n("MaxPool", ["r1"], ["p1"], name="pool1", kernel_shape=[2, 2], strides=[2, 2]),
        n("Conv", ["p1", "w2"], ["c2"], name="conv2", kernel_shape=[1, 1]),
        n("HardSigmoid", ["c2"], ["h2"], name="hard"),
        n("Add", ["h2", "p1"], ["a2"], name="residual"),
        n("Conv", ["a2", "w3", "b3"], ["c3"], name="conv3", auto_pad="SAME_UPPER",
          strides=[2, 2], kernel_shape=[3, 3]),
        n("LeakyRelu", ["c3"], ["l3"], name="leaky", alpha=0.1),
        n("Flatten", ["l3"], ["f"], name="flat"),
        n("LayerNormalization", ["f", "ls", "lb"], ["ln"], name="ln"),
        n("MatMul", ["ln", "w4"], ["d4"], name="dense4"),
        n("Add", ["d4", "b4"], ["e4"], name="bias4"),
        n("Mul", ["e4", "k4"], ["g4"], name="scale4"),
        n("Gelu", ["g4"], ["u4"], name="gelu"),
        n("Gemm", ["u4", "w5", "b5"], ["z5"], name="dense5", transB=1, alpha=0.5, beta=2.0),
        n("Softmax", ["z5"], ["y"], name="soft"),
    ]  # fmt: skip
    return onnx_model(
        nodes, (2, 6, 6), (3,), images,
        w1=f32(4, 2, 3, 3), b1=f32(4, seed=2), s=f32(4, seed=3), t=f32(4, seed=4),
        m=f32(4, seed=5), v=np.abs(f32(4, seed=6)), w2=f32(4, 4, 1, 1, seed=14),
        w3=f32(5, 4, 3, 3, seed=15),
        b3=f32(5, seed=7), ls=f32(20, seed=8), lb=f32(20, seed=9), w4=f32(20, 7, seed=11),
        b4=f32(7, seed=12),
        k4=np.float32(0.3), w5=f32(3, 7, seed=13), b5=f32(3, seed=10),
    )  # fmt: skip
