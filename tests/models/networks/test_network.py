import contextlib
import hashlib
import json
import re
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shotveil.models.common.checks import RangeError
from shotveil.models.networks import network as module
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import (
    Layer,
    Network,
    load_client_part,
    load_network,
    shipped_networks,
)
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain
from shotveil.models.networks.tasks import Task


def random_network(widths, bias=False, seed=1, **kw):
    rng = np.random.default_rng(seed)
    layers = [
        Layer(rng.standard_normal((rows, inputs + bias)), bias) for inputs, rows in pairwise(widths)
    ]
    return Network("random", tuple(layers), **kw)


@pytest.mark.parametrize(
    "columns, bias, modes, inputs", [(6, False, 3, 6), (5, False, 3, 5), (5, True, 3, 4)]
)
def test_layer_shapes(columns, bias, modes, inputs):
    layer = Layer(np.ones((3, columns)), bias)
    assert (layer.rows, layer.columns, layer.modes, layer.inputs) == (3, columns, modes, inputs)
    # The mean photon number of the modes sent, at unit modulation variance, is rms²/2 each.
    padded = np.zeros((3, 2 * modes))
    padded[:, :columns] = layer.weights
    photons = (padded[:, ::2] ** 2 + padded[:, 1::2] ** 2) / 4
    assert layer.rms**2 / 2 == pytest.approx(photons.mean())


def test_forward_by_hand():
    first = Layer(np.array([[1, 0, -0.5], [0, 1, 0.25], [-1, -1, 0]]), bias=True)
    second = Layer(np.array([[1, 2, 4], [-1, 0, 8]]))
    network = Network("hand", (first, second))
    # [1, 2] → [0.5, 2.25, −3] → ReLU → [0.5, 2.25, 0] → [5, −0.5]; no ReLU at the end
    np.testing.assert_allclose(network.forward(np.array([[1, 2]])), [[5, -0.5]])
    assert (network.inputs, network.outputs, network.weights) == (2, 2, 15)


def test_layer_keeps_its_own_weights():
    source = np.ones((2, 2), np.float32)
    layer = Layer(source)
    source[0, 0] = 7
    assert layer.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 7


@pytest.mark.parametrize(
    "weights, bias, message",
    [
        (np.ones(3), False, r"shape \(3,\)"),
        (np.ones((0, 3)), False, r"shape \(0, 3\)"),
        (np.ones((3, 1)), True, "1 column"),
        (np.array([[1, np.nan]]), False, "contain nan"),
        (np.zeros((2, 2)), False, "all 0"),
    ],
)
def test_refuses_a_bad_layer(weights, bias, message):
    with pytest.raises(RangeError, match=message):
        Layer(weights, bias)


def test_refuses_layers_that_do_not_fit():
    with pytest.raises(RangeError, match="layer 0 has 3 outputs but layer 1 takes 4 inputs"):
        Network("n", (Layer(np.ones((3, 2))), Layer(np.ones((1, 4)))))
    with pytest.raises(RangeError, match="layer 0 has 3 outputs but layer 1 takes 2 inputs"):
        Network("n", (Layer(np.ones((3, 2))), Layer(np.ones((1, 3)), bias=True)))
    with pytest.raises(RangeError, match="0 layers"):
        Network("n", ())


def test_refuses_images_of_another_size():
    with pytest.raises(RangeError, match=r"shape \(2, 5\) do not fit; allowed: \(n, 4\)"):
        random_network([4, 3]).forward(np.zeros((2, 5)))


weight_matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(2, 5)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
).filter(lambda w: w.any())


@given(weight_matrices)
def test_rounding_is_within_half_a_step_and_final(weights):
    # Weights far below a row's largest may round to 0, a whole layer cannot.
    layer = Layer(weights)
    peaks = np.abs(layer.weights).max(axis=1, keepdims=True).astype(np.float64)
    rounded = layer.rounded()
    assert (
        np.abs(rounded.weights.astype(np.float64) - weights) <= np.maximum(peaks / 127, 2**-127)
    ).all()
    np.testing.assert_array_equal(rounded.rounded().weights, rounded.weights)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "dtype, change",
    [
        ("int8", lambda w: Layer(w).rounded().weights),
        ("float16", lambda w: w.astype(np.float16)),
        ("float32", lambda w: w),
    ],
)
def test_saves_to_the_bit_in_the_smallest_type(tmp_path, bias, dtype, change):
    source = random_network([5, 4, 3], bias)
    about = {"seed": 3, "hidden": [4], "note": "ä"}
    network = Network("näme", tuple(Layer(change(x.weights), bias) for x in source.layers), about)
    path = tmp_path / "net.npz"
    network.save(path)
    with np.load(path) as file:
        assert file["weights_0"].dtype == dtype
    loaded = load_network(path)
    for ours, theirs in zip(network.layers, loaded.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        assert ours.bias == theirs.bias
    assert (loaded.name, loaded.about, loaded.digest) == ("näme", about, network.digest)
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


def test_digest_tells_networks_apart():
    one = random_network([4, 4, 2])
    assert one.digest == random_network([4, 4, 2]).digest
    assert len({one.digest, random_network([4, 4, 2], seed=2).digest}) == 2
    layer = one.layers[1]
    assert Network("n", (layer,)).digest != Network("n", (Layer(layer.weights, True),)).digest


def test_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    random_network([4, 2]).save(path)
    before = path.read_bytes()

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        random_network([4, 3]).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
    assert path.read_bytes() == before


def test_save_names_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(RangeError, match=r"cannot be written: Is a directory"):
        random_network([4, 2]).save(tmp_path)


def test_every_truncation_is_refused_with_one_sentence(tmp_path):
    path = tmp_path / "net.npz"
    random_network([6, 5, 3]).save(path)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(RangeError, match="truncated or no archive") as caught:
            load_network(path)
        assert "\n" not in str(caught.value)


def test_flipped_bytes_never_pass_unseen(tmp_path):
    path = tmp_path / "net.npz"
    network = random_network([6, 5, 3])
    network.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(2)
    for position in rng.choice(len(data), 150, replace=False):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        with contextlib.suppress(RangeError):
            assert load_network(path).digest == network.digest  # a byte that carries nothing


def rewrite(path, **changes):
    """Save a good network, then replace arrays in its file (None removes one)."""
    random_network([4, 3]).save(path)
    with np.load(path) as file:
        parts = {key: file[key] for key in file.files} | changes
    np.savez(path, **{key: part for key, part in parts.items() if part is not None})


def as_header(**fields):
    base = {"format": "shotveil network", "version": 1, "name": "x", "about": {}}
    text = json.dumps(base | {"layers": [{"bias": False}]} | fields)
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"header": None}, "no network"),
        ({"header": np.frombuffer(b"[]", np.uint8)}, "no network"),
        ({"header": as_header(layers=3)}, "layers = 3; allowed: a list"),
        ({"header": as_header(layers=[])}, "0 layers"),
        (
            {"header": as_header(version=3)},
            r"version 3; allowed: 'shotveil network' version 1 or 2",
        ),
        ({"header": as_header(layers=[{"bias": False}] * 2)}, "no array weights_1"),
        ({"weights_0": np.ones((2, 2), np.longdouble)}, "'longdouble'|'float128'"),
        ({"weights_0": np.ones((2, 2), np.int8)}, "no array exponents_0"),
        (
            {"weights_0": np.full((1, 2), 2, np.int8), "exponents_0": np.array([127], np.int8)},
            "contain inf",
        ),
        (
            {
                "header": as_header(layers=[{"bias": False}] * 2),
                "weights_1": np.ones((2, 2), np.float16),
            },
            "layer 0 has 3 outputs but layer 1 takes 2",
        ),
    ],
)
def test_refuses_what_is_no_network(tmp_path, changes, message):
    path = tmp_path / "net.npz"
    rewrite(path, **changes)
    with pytest.raises(RangeError, match=message) as caught:
        load_network(path)
    assert str(path) in str(caught.value)


def test_never_unpickles(tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    path = tmp_path / "net.npz"
    np.savez(path, header=as_header(), weights_0=np.array([Bomb()], dtype=object))
    with pytest.raises(RangeError, match="'object'"):
        load_network(path)
    np.save(tmp_path / "bare.npy", np.ones(3))
    with pytest.raises(RangeError, match="no archive"):
        load_network(tmp_path / "bare.npy")


def test_missing_network_names_the_shipped_ones(tmp_path):
    with pytest.raises(
        RangeError, match=r"is not found; .* mnist, mnist-head, mnist-lossy, mnist-paper"
    ):
        load_network("nonesuch")
    with pytest.raises(RangeError, match="is no plain file"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "name, floor", [("mnist-paper", 0.98), ("mnist", 0.985), ("mnist-lossy", 0.965)]
)
def test_shipped_networks_classify(name, floor):
    network = load_network(name)
    assert (network.name, network.inputs, network.outputs) == (name, 784, 10)
    images, labels = load_mnist(None, "test")
    assert (network.forward(images).argmax(axis=1) == labels).mean() >= floor
    assert network.about["training"]["seed"] >= 0


def test_paper_network_is_as_published():
    network = load_network("mnist-paper")
    assert [layer.weights.shape for layer in network.layers] == [(784, 784), (10, 784)]
    assert not any(layer.bias for layer in network.layers)
    assert network.about["training"]["f2"] is None


def test_shipped_files_are_those_the_readme_lists():
    text = (module.NETWORK_FOLDER / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([\w.-]+)` \|.*`([0-9a-f]{64})` \|$", text, re.MULTILINE))
    files = {p.name: p for p in module.NETWORK_FOLDER.iterdir() if p.name != "README.md"}
    assert listed.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
        assert path.stat().st_size < 3_000_000
    assert shipped_networks() == (
        "fashion-head",
        "mnist",
        "mnist-head",
        "mnist-lossy",
        "mnist-paper",
    )
    assert zipfile.is_zipfile(files["mnist.npz"])


def test_steps_stay_normal_numbers_of_float32():
    """No step is below 2⁻¹²⁶, the least normal float32: weights of that size are a few steps."""
    tiny = np.float32(2.0**-126)
    layer = Layer(np.array([[tiny, 1.5 * tiny, -3 * tiny], [1, 2, 3]], dtype=np.float32))
    rounded = layer.rounded().weights[0]
    # 1.5 steps are rounded to the even 2; half a step finer, it would stay as it is.
    np.testing.assert_array_equal(rounded / tiny, [1, 2, -3])


@pytest.mark.parametrize("peak, step", [(127.0, 1.0), (127.5, 2.0), (128.0, 2.0), (63.5, 0.5)])
def test_the_step_is_the_smallest_that_holds_the_largest_weight(peak, step):
    weights = np.array([[peak, step, 0.75 * step]])
    np.testing.assert_array_equal(
        Layer(weights).rounded().weights, [[np.rint(peak / step) * step, step, step]]
    )


def with_plan():
    """Two layers with a tanh between them, data in a shape of their own, classes with names."""
    rng = np.random.default_rng(5)
    layers = Layer(rng.normal(size=(6, 5)), bias=True), Layer(rng.normal(size=(2, 3)), patches=2)
    scale = {"scale": np.array([1.0, 2.0, 0.5, 1.5]), "shift": np.array([0.25])}
    between = [
        [Operation("reshape", {"shape": [4]}), Operation("affine", {}, scale)],
        [Operation("tanh"), Operation("reshape", {"shape": [2, 3]})],
        [Operation("reshape", {"shape": [4]})],
    ]
    plan = chain([x.shape for x in layers], between, (2, 2), Task(names=("a", "b", "c", "d")))
    return Network("planned", layers, {"made": "here"}, plan)


def test_a_plan_is_saved_with_its_network(tmp_path):
    network, data = with_plan(), np.random.default_rng(6).normal(size=(3, 2, 2))
    w, v = (layer.weights.astype(float) for layer in network.layers)
    x = data.reshape(3, 4) * [1, 2, 0.5, 1.5] + 0.25
    hidden = np.tanh(x @ w[:, :4].T + w[:, 4]).reshape(3, 2, 3)
    expected = (hidden @ v.T).reshape(3, 4)
    np.testing.assert_allclose(network.forward(data), expected, atol=1e-5)
    network.save(tmp_path / "n.npz")
    again = load_network(tmp_path / "n.npz")
    np.testing.assert_array_equal(again.forward(data), network.forward(data))
    assert again.plan.task == network.plan.task and again.about == network.about
    assert again.layers[1].patches == 2 and again.digest == network.digest
    again.save(tmp_path / "m.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()


def test_neither_part_holds_what_is_the_others(tmp_path):
    network = with_plan()
    network.server_part.save(tmp_path / "server.npz")
    network.client_part.save(tmp_path / "client.npz")
    with np.load(tmp_path / "server.npz") as server, np.load(tmp_path / "client.npz") as client:
        # Every array is looked at, and its numbers, not only its name.
        held, seen = ({key: file[key] for key in file.files} for file in (server, client))
    assert {key.rpartition("_")[0] for key in held} == {"", "weights"}
    assert {key.rpartition("_")[0] for key in seen} == {"", "constant"}
    secret = {float(w) for layer in network.layers for w in layer.weights.ravel()}
    assert secret <= {float(w) for key in held if key != "header" for w in held[key].ravel()}
    assert not secret & {float(v) for key in seen if key != "header" for v in seen[key].ravel()}
    assert b"tanh" in seen["header"].tobytes() and b"tanh" not in held["header"].tobytes()

    server, client = (
        load_network(tmp_path / "server.npz"),
        load_client_part(tmp_path / "client.npz"),
    )
    assert server.digest == client.digest == network.digest and server.plan.withheld
    assert client.plan.layers == tuple(layer.shape for layer in network.layers)
    data = np.random.default_rng(7).normal(size=(2, 4))
    together = client.plan.run(data.astype(np.float32), server.products)
    np.testing.assert_array_equal(together.astype(np.float32), network.forward(data))
    with pytest.raises(RangeError, match="its client holds the plan"):
        server.forward(data)
    with pytest.raises(RangeError, match="client's part of a network; allowed: a whole"):
        load_network(tmp_path / "client.npz")
    with pytest.raises(RangeError, match="the server’s part; allowed: the client's part"):
        load_client_part(tmp_path / "server.npz")
    with pytest.raises(RangeError, match="is not found"):
        load_client_part(tmp_path / "nowhere.npz")
    shipped = load_client_part("mnist-head")
    assert shipped.digest == load_network("mnist-head").digest and not shipped.plan.withheld


def test_a_dense_network_is_written_in_the_old_format(tmp_path, small_network):
    small_network.save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as file:
        assert json.loads(file["header"].tobytes())["version"] == 1


def test_a_plan_of_other_layers_is_refused(small_network):
    with pytest.raises(RangeError, match="plan is one of other layers"):
        Network("x", small_network.layers, {}, with_plan().plan)
    with pytest.raises(RangeError, match="patches = 0"):
        Layer(np.ones((2, 2)), patches=0)


@pytest.mark.parametrize(
    "fields",
    [
        *({"name": name} for name in (5, None, [1], "", "a" * 10**6, "a\n\x1b[31mb")),
        *({"about": about} for about in ([1], None, "x")),
        *({"layers": [{"bias": bias}]} for bias in ("false", 0, None)),
        *({"version": version} for version in (True, 1.0, "1")),
        {"layers": {"bias": False}},
        {"surprise": 1},
    ],
    ids=lambda fields: str(fields)[:30],
)
def test_refuses_a_header_that_is_not_as_described(tmp_path, fields):
    path = tmp_path / "net.npz"
    rewrite(path, header=as_header(**fields))
    with pytest.raises(RangeError, match="; allowed: ") as caught:
        load_network(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.mark.parametrize("dtype", [">f4", ">f2", "<f8", ">f8"])
def test_takes_weights_of_other_programs(tmp_path, dtype):
    path = tmp_path / "net.npz"
    want = np.array([[0.5, -2, 3]], np.float32)
    rewrite(path, header=as_header(), weights_0=want.astype(dtype))
    np.testing.assert_array_equal(load_network(path).layers[0].weights, want)


def test_tells_of_rounding(tmp_path):
    path = tmp_path / "net.npz"
    rewrite(path, header=as_header(), weights_0=np.array([[0.1, 0.2]]))
    with pytest.warns(UserWarning, match="layer 0 are float64 and were rounded to float32"):
        load_network(path)


def test_the_share_of_modes_with_light():
    weights = np.zeros((2, 7))
    weights[0, 0] = weights[1, 3] = weights[0, 6] = 1.0  # modes 1, 2 and 4 of 4, the last odd
    assert Layer(weights).lit_share == 3 / 4
    assert Layer(np.ones((1, 5))).lit_share == 1
