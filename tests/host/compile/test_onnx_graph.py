"""ONNX models at every cut against ONNX Runtime, and refusals by operator and node name."""

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from shotveil.host.compile.onnx_graph import OnnxSource
from shotveil.host.compile.source import require_same
from shotveil.host.run.inference import infer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from tests.host.compile.models import convolutional, f32, onnx_model

DATA = f32(4, 2, 6, 6, seed=20)


def node(kind, takes, gives, name, **attributes):
    return helper.make_node(kind, takes, gives, name=name, **attributes)


@pytest.mark.parametrize("images", ["n", 1])
def test_every_cut_equals_onnx_runtime(images):
    source = OnnxSource(convolutional(images), DATA)
    assert [linear.operator for linear in source.linears] == ["Conv"] * 3 + ["Gemm"] * 2
    assert [linear.patches for linear in source.linears] == [36, 9, 4, 1, 1]
    for cut, linear in enumerate(source.linears):
        network = source.network(cut)
        assert len(network.layers) == 5 - cut
        assert network.layers[0].patches == linear.patches
        assert require_same(source, network, DATA, 1e-5) < 1e-5


def test_much_light_equals_onnx_runtime():
    source = OnnxSource(convolutional(), DATA)
    link = Link(gain=2.0, photons=1e14)
    for cut in (1, 4):
        seen = infer(source.network(cut), DATA.reshape(4, -1), link, np.random.default_rng(1))
        np.testing.assert_allclose(seen.outputs, source.reference(DATA), atol=1e-4)


def test_patches_are_read_with_noise_of_their_own():
    """Light meets each patch: noise of a layer behind a fold is independent between patches."""
    matrix = np.eye(2, dtype=np.float32)
    tokens = onnx_model([node("MatMul", ["x", "w"], ["y"], "dense")], (5, 2), (5, 2), w=matrix)
    data = np.ones((2000, 5, 2), dtype=np.float32)
    network = OnnxSource(tokens, data).network(0)
    assert network.layers[0].patches == 5
    link = Link(gain=2.0, photons=10.0)
    seen = infer(network, data.reshape(2000, -1), link, np.random.default_rng(1))
    noise = seen.outputs - 1
    # ‖x‖·rms/F, as docs/physics.md has it: √2·√½/F
    assert noise.std() == pytest.approx(1 / np.sqrt(link.f2), rel=0.02)
    between = np.corrcoef(noise.T) - np.eye(10)
    assert np.abs(between).max() < 0.12
    assert seen.statistics[0].count == 2000 * 5 * 2 * 1


def test_the_private_weights_are_not_in_the_public_part():
    source = OnnxSource(convolutional(), DATA)
    network = source.network(3)  # the last MatMul and Gemm
    public = b"".join(
        array.tobytes() for step in network.plan.steps if not isinstance(step.does, int)
        for array in step.does.constants.values()
    )  # fmt: skip
    assert (
        f32(4, 4, 1, 1, seed=14).tobytes() in public
    )  # a public one is there, so the search finds
    for secret in (f32(20, 7, seed=11), f32(3, 7, seed=13), f32(7, seed=12), f32(3, seed=10)):
        assert secret.tobytes() not in public
    for layer in network.layers:
        assert layer.weights.tobytes() not in public


def test_activations_need_no_onnx_runtime():
    nodes = [
        node("Gemm", ["x", "w"], ["a"], "one", transB=1),
        node("Tanh", ["a"], ["b"], "tanh"),
        node("Gemm", ["b", "v"], ["y"], "two", transB=1),
    ]
    source = OnnxSource(onnx_model(nodes, (6,), (3,), w=f32(4, 6), v=f32(3, 4)), f32(2, 6))
    kinds = [getattr(step.does, "kind", step.does) for step in source.network(0).plan.steps]
    assert kinds == [0, "tanh", 1]


def test_what_holds_weights_behind_the_cut_is_refused_by_name():
    nodes = [
        node("Conv", ["x", "w"], ["a"], "plain", kernel_shape=[1, 1]),
        node("Relu", ["a"], ["b"], "relu"),
        node("Conv", ["b", "v"], ["c"], "depthwise", kernel_shape=[2, 2], group=4),
        node("Flatten", ["c"], ["f"], "flat"),
        node("Gemm", ["f", "u"], ["y"], "dense", transB=1),
    ]
    made = onnx_model(nodes, (2, 3, 3), (2,), w=f32(4, 2, 1, 1), v=f32(4, 1, 2, 2), u=f32(2, 16))
    source = OnnxSource(made, f32(2, 2, 3, 3))
    assert [linear.name for linear in source.linears] == ["plain", "dense"]
    with pytest.raises(RangeError, match=r"Conv of node depthwise holds weights .* has 4 groups"):
        source.network(0)
    require_same(source, source.network(1), f32(2, 2, 3, 3))


def test_text_that_is_no_utf8_is_refused_without_a_word_on_standard_output(tmp_path, capfd):
    good = onnx_model([node("Add", ["x", "w"], ["y"], "plus")], (2,), (2,), w=f32(2))
    (tmp_path / "m.onnx").write_bytes(good.replace(b"Add", b"\xff\xfe\xfd"))
    with pytest.raises(RangeError, match="ONNX"):
        OnnxSource(tmp_path / "m.onnx", f32(1, 2))
    assert capfd.readouterr().out == ""


def test_models_that_cannot_be_run_are_refused(tmp_path):
    dense = [node("Gemm", ["x", "w"], ["y"], "dense", transB=1)]
    with pytest.raises(RangeError, match="not found"):
        OnnxSource(tmp_path / "nowhere.onnx", f32(1, 2))
    (tmp_path / "n.onnx").write_bytes(b"nonsense")
    with pytest.raises(RangeError, match="no ONNX model"):
        OnnxSource(tmp_path / "n.onnx", f32(1, 2))
    with pytest.raises(RangeError, match=r"shape \(3,\); the model takes \(2\)"):
        OnnxSource(onnx_model(dense, (2,), (4,), w=f32(4, 2)), f32(5, 3))
    beside = helper.make_model(
        helper.make_graph(
            dense,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
            [TensorProto(name="w", data_type=1, dims=[4, 2], data_location=1)],
        )
    )
    beside.graph.initializer[0].external_data.add(key="location", value="secret.bin")
    (tmp_path / "secret.bin").write_bytes(bytes(32))
    (tmp_path / "b.onnx").write_bytes(beside.SerializeToString())
    with pytest.raises(RangeError, match="tensor w of the model is in another file"):
        OnnxSource(tmp_path / "b.onnx", f32(5, 2))
    bomb = [
        node("ConstantOfShape", ["s"], ["c"], "huge"),
        node("ReduceMean", ["c"], ["m"], "mean", keepdims=0),
        node("Add", ["x", "m"], ["y"], "sum"),
    ]
    with pytest.raises(RangeError, match="value c of the model has 1,099,511,627,776 elements"):
        OnnxSource(onnx_model(bomb, (2,), (2,), s=np.array([1 << 20, 1 << 20])), f32(1, 2))
    constant = onnx_model(
        [node("Gemm", ["x", "w"], ["z"], "dense")], (2,), (4,), w=f32(2, 4), y=f32(1, 4)
    )
    with pytest.raises(RangeError, match="output 'y' of the model is a constant"):
        OnnxSource(constant, f32(1, 2))
    strange = [node("Conjure", ["x"], ["y"], "hat")]
    with pytest.raises(RangeError, match="Conjure"):
        OnnxSource(onnx_model(strange, (2,), (2,)), f32(1, 2))
    with pytest.raises(RangeError, match="output = 'z' is none of y"):
        OnnxSource(onnx_model(dense, (2,), (4,), w=f32(4, 2)), f32(1, 2), output="z")
    branch = helper.make_graph([], "b", [], [helper.make_tensor_value_info("x", 1, None)])
    both = [node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch)]
    with pytest.raises(RangeError, match="If of node choice cannot be run"):
        OnnxSource(onnx_model(both, (2,), (2,), c=np.bool_(True)), f32(1, 2))
    two = helper.make_graph(
        [node("Add", ["x", "z"], ["y"], "sum")],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xz"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
    )
    with pytest.raises(RangeError, match="takes x, z; allowed: one input"):
        OnnxSource(helper.make_model(two).SerializeToString(), f32(1, 2))


def test_a_model_without_linear_layers_is_refused_with_the_nodes_that_hold_weights():
    shapes = {"w": f32(1, 16, 4), "r": f32(1, 16, 4)}
    recurrent = [node("LSTM", ["x", "w", "r"], ["", "y"], "memory", hidden_size=4)]
    taken = onnx_model(recurrent, (3, 4), (3, 4), images=5, **shapes)
    with pytest.raises(RangeError, match="could be private; its weights are in LSTM of node memo"):
        OnnxSource(taken, f32(5, 3, 4))


def file_of(package, part):
    """Where an installed package has a file; its modules are not imported."""
    found = importlib.util.find_spec(package)
    return None if found is None else Path(found.submodule_search_locations[0]) / part


@pytest.mark.parametrize(
    ("package", "part", "shape", "outcome"),
    [
        ("magika", "models/standard_v3_3/model.onnx", (2048,), (214, 512)),
        ("rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (3, 48, 192), (2, 200)),
        ("rapidocr", "models/PP-OCRv6_rec_small.onnx", (3, 48, 96), (18710, 120)),
        ("rapidocr", "models/PP-OCRv6_det_small.onnx", (3, 64, 64), "ConvTranspose of node Conv"),
        ("silero_vad", "data/silero_vad.onnx", (512,), "If of node"),
    ],
)
def test_files_that_others_wrote(package, part, shape, outcome):
    """They load and equal ONNX Runtime, or are refused by operator and name, within 5 s of CPU."""
    path = file_of(package, part)
    if path is None:
        pytest.skip(f"get the files by `pip install --no-deps {package}`")
    rng = np.random.default_rng(1)
    data = rng.integers(0, 257, (2, *shape)) if package == "magika" else rng.random((2, *shape))
    start = time.process_time()
    if isinstance(outcome, str):
        with pytest.raises(RangeError, match=outcome):
            source = OnnxSource(path, data)
            source.network(len(source.linears) - 1)
        return
    source = OnnxSource(path, data)
    network = source.network(len(source.linears) - 1)
    assert network.layers[0].weights[:, : network.layers[0].inputs].shape == outcome
    require_same(source, network, data)
    assert time.process_time() - start < 5
