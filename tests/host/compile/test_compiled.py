"""`compile` from model to predictions: the cut, the budget, the report and the files."""

import json
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from shotveil.host.compile.compiled import Budget, Cut, _chosen, compile
from shotveil.host.leakage.declared import network_leakage
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_client_part, load_network
from tests.host.compile.files import files_of_many_kinds, tokens
from tests.host.compile.models import convolutional, f32
from tests.host.compile.test_onnx_graph import file_of

X, Y = load_digits(return_X_y=True)
LOOSE = Budget(weight_bits=0.5, data_bits=0.2, data_bound="qcrb")


@pytest.fixture(scope="module")
def perceptron():
    model = make_pipeline(MinMaxScaler(), MLPClassifier((32,), max_iter=40, random_state=1))
    with warnings.catch_warnings(action="ignore"):  # it stops early
        return model.fit(X[:1200], Y[:1200])


def test_the_budget_is_kept_and_the_score_is_that_of_the_light(perceptron):
    private = compile(perceptron, sample=X[1200:], labels=Y[1200:], cut=0, budget=LOOSE)
    leakage = network_leakage(private.network, private.link)
    assert leakage.weight_leakage_bits <= 0.5 and leakage.data_leakage_bits["qcrb"] <= 0.2
    assert max(leakage.weight_leakage_bits / 0.5, leakage.data_leakage_bits["qcrb"] / 0.2) > 0.999
    assert private.against == "labels" and private.difference < 1e-5
    seen = (private.predict(X[1200:]) == Y[1200:]).mean()
    assert seen == pytest.approx(private.score, abs=0.05)
    assert private.clean_score == (perceptron.predict(X[1200:]) == Y[1200:]).mean()
    assert private.score < private.clean_score


def test_patches_are_charged():
    """A layer that P patches meet leaks as much in one inference as a dense one in P."""
    data = f32(64, 2, 6, 6, seed=20)
    private = compile(convolutional(), sample=data, cut="conv3", budget=LOOSE, lab=Channel())
    layer = private.network.layers[0]
    assert layer.patches == 4
    own = network_leakage(private.network, private.link).layers[0]
    dense = type(layer)(layer.weights, layer.bias)
    alone, light = type(private.network)("dense", (dense,)), private.links[0]
    assert network_leakage(alone, light, 4).weight_leakage_bits_after == pytest.approx(
        own.weight_leakage_bits
    )
    assert own.weight_leakage_bits > 2 * network_leakage(alone, light).weight_leakage_bits
    assert private.as_dict()["weight_bits"] <= 0.5


def test_auto_takes_the_most_private_weights_that_cost_little_score():
    def cut(number, weights, score, light=1):
        return Cut(number, f"n{number}", "Gemm", weights, 0.0, light, 1.0, 0.1, score)

    cuts = cut(0, 300, 0.90), cut(1, 200, 0.96), cut(2, 100, 0.965), Cut(3, "n3", "Conv", why="no")
    assert _chosen(cuts, 0.01).number == 1
    assert _chosen(cuts, 0.001).number == 2
    assert _chosen(cuts, 0.1).number == 0
    assert _chosen((cut(0, 5, 1.0, 9), cut(1, 5, 1.0, 2)), 0).number == 1
    with pytest.raises(RangeError, match="no cut can be used: n3: no"):
        _chosen((cuts[3],), 0.01)


def test_every_cut_is_told_with_its_reason():
    data = f32(64, 2, 6, 6, seed=20)
    told = []
    private = compile(
        convolutional(), sample=data, budget=LOOSE, progress=lambda *done: told.append(done)
    )
    assert ("cuts", 5, 5) in told and told[-1] == ("inputs", 64, 64)
    first, *_, last = private.cuts
    assert first.score is None and first.why == "P/N is above 1" and last.score is not None
    assert private.against == "the model"
    text = private.report()
    for part in ("what binds", "not measured: P/N is above 1", last.node):
        assert part in text


def test_a_budget_names_what_binds(perceptron):
    for budget, binds in (
        (Budget(weight_bits=0.01), {"weights"}),
        (Budget(weight_bits=0.5, data_bits=0.01), {"weights", "data"}),
        (Budget(total_bits=20.0), {"weights"}),
        (Budget(total_bits=20.0, image_bits=0.5), {"weights", "image"}),
    ):
        private = compile(perceptron, sample=X[1200:], cut=1, budget=budget)
        found = private.as_dict()
        assert set(found["binds"]) == binds
        assert found["total_bits"] <= (budget.total_bits or np.inf)
        assert found["image_bits"] <= (budget.image_bits or np.inf)


def test_the_report_has_a_line_for_every_layer(perceptron):
    budget = Budget(weight_bits=0.5, inferences=7)
    private = compile(perceptron, sample=X[1200:], cut=1, budget=budget)
    found = private.as_dict()
    public, secret = found["layers"]
    assert (public["private"], secret["private"]) == (False, True)
    assert (public["rows"], public["columns"], secret["rows"]) == (32, 65, 10)
    assert "f2" not in public and secret["weights"] == private.network.weights
    assert secret["total_bits_after"] == pytest.approx(found["total_bits_after"])
    assert secret["total_bits"] < secret["total_bits_after"] < 7 * secret["total_bits"]
    lines = private.report().splitlines()
    assert "affine" in next(line for line in lines if "in the clear" in line)
    for layer, where in ((public, "public"), (secret, "private")):
        (line,) = (line for line in lines if line.startswith(layer["node"]) and where in line)
        assert len(line.split()) == (11 if where == "private" else 6)


def test_the_shipped_head_keeps_both_budgets_in_a_realistic_laboratory():
    images, labels = load_mnist()
    budget = Budget(weight_bits=0.1, data_bits=0.01)
    private = compile(
        load_network("mnist-head"),
        sample=images[:1500], labels=labels[:1500], budget=budget, lab="realistic",
    )  # fmt: skip
    found = private.as_dict()
    assert found["weight_bits"] <= 0.1 and found["data_bits"] <= 0.01
    assert found["transmittance"] == pytest.approx(10**-0.01) and private.link.phase_error == 1e-3
    assert found["scored"] == 1500 and found["score"] > 0.97


def test_a_worse_laboratory_gives_less_light(perceptron):
    ideal, realistic = (
        compile(perceptron, sample=X[1200:], cut=1, budget=LOOSE, lab=lab).link.f2
        for lab in ("ideal", "realistic")
    )
    assert realistic < 0.9 * ideal
    with pytest.raises(RangeError, match="lab = 'attic' is none of ideal, realistic"):
        compile(perceptron, sample=X[1200:], lab="attic")


def test_fine_tuning_helps(perceptron):
    plain, tuned = (
        compile(
            perceptron, sample=X[1200:], labels=Y[1200:], cut=0, budget=LOOSE, finetune=finetune
        )
        for finetune in (None, (X[:1200], Y[:1200]))
    )
    assert tuned.score > plain.score + 0.02
    assert tuned.network.digest != plain.network.digest


def test_each_layer_has_light_of_its_own(perceptron):
    """The last layer has few weights, so much light costs little of the mean."""
    images, labels = load_mnist()
    budget = Budget(weight_bits=0.01, weight_bound="holevo_mean")
    private = compile(
        load_network("mnist-paper"), sample=images[:500], labels=labels[:500], cut=0, budget=budget
    )
    first, last = private.links
    assert last.f2 > 8 * first.f2 and private.score > 0.94  # with one light it is 0.88
    found = private.as_dict()
    assert found["weight_bits"] <= 0.01 and found["f2"] == [first.f2, last.f2]
    assert [layer["photons"] for layer in found["layers"]] == [first.photons, last.photons]
    assert f"F² {first.f2:.3g} / {last.f2:.3g}" in private.report()
    small = compile(perceptron, sample=X[1200:], labels=Y[1200:], cut=0, budget=LOOSE)
    assert len({link.f2 for link in small.links}) == 2
    for backend in ("optics", "parties"):
        seen = small.predict(X[1200:1260], backend)
        assert (seen == Y[1200:1260]).mean() == pytest.approx(small.score, abs=0.15)


def test_the_parts_are_in_two_files(perceptron, tmp_path):
    private = compile(perceptron, sample=X[1200:], cut=1, budget=LOOSE)
    paths = private.save(tmp_path / "s", tmp_path / "c")
    assert paths == (tmp_path / "s/server.npz", tmp_path / "c/client.npz")
    server, client = load_network(paths[0]), load_client_part(paths[1])
    assert server.digest == client.digest == private.network.digest
    first = perceptron[-1].coefs_[0].astype(np.float32).T  # public
    with np.load(paths[0]) as held, np.load(paths[1]) as seen:
        assert set(held.files) == {"header", "weights_0"}
        public = [seen[key] for key in seen.files]
    assert any(array.shape == first.shape and (array == first).all() for array in public)
    secret = set(private.network.layers[0].weights.ravel().tolist())
    assert not secret & {v for array in public for v in array.ravel().tolist() if array.ndim > 1}
    joined = client.plan.run(X[:9].astype(np.float32), server.products)
    assert (client.plan.task.of(joined) == perceptron.predict(X[:9])).all()


def test_one_output_several_values_and_names_of_classes():
    x, y = load_iris(return_X_y=True)
    wide = Budget(weight_bits=4.0)
    names = np.array(["setosa", "other"])[(y > 0).astype(int)]
    binary = compile(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(x, names),
        sample=x, labels=names, budget=wide,
    )  # fmt: skip
    assert binary.network.outputs == 1 and binary.score > 0.9
    assert set(binary.predict(x)) == {"setosa", "other"}
    line = compile(LinearRegression().fit(x[:, :3], x[:, 3]), sample=x[:, :3], budget=wide)
    assert line.as_dict()["measure"] == "R²" and line.predict(x[:, :3]).shape == (150,)


def test_the_head_of_a_model_that_others_wrote_is_private():
    """magika tells kinds of files; what its owner trained last travels as light."""
    model = file_of("magika", "models/standard_v3_3/model.onnx")
    names = json.loads(model.with_name("config.min.json").read_text())["target_labels_space"]
    kinds, files = zip(*files_of_many_kinds(2), strict=True)
    x = np.array([tokens(data) for data in files])
    private = compile(model, sample=x, cut=2, budget=Budget(weight_bits=0.1, data_bits=0.05))
    assert [layer["private"] for layer in private.as_dict()["layers"]] == [False, False, True]
    assert private.network.layers[0].weights.shape == (214, 513)
    assert private.difference < 1e-4 and private.score > 0.9
    assert private.clean_score == 1.0
    seen = np.array(names)[private.predict(x[::2])]
    assert (seen == np.array(kinds)[::2]).mean() > 0.85


def test_samples_and_labels_that_make_no_sense_are_refused(perceptron):
    holed, names = X[1200:].copy(), Y[1200:].astype(str)
    holed[3, 5] = np.nan
    line = LinearRegression().fit(X[:, :9], X[:, 9:])
    for model, sample, labels, message in (
        (perceptron, holed, None, "sample holds nan in input 4; allowed: finite numbers"),
        (perceptron, X[:0], None, r"shape \(0, 64\); allowed: numbers \(n, …\)"),
        (perceptron, X[0], None, r"data of shape \(64,\) do not fit; allowed: \(n, 64\)"),
        (perceptron, X[1200:], names, "label = '7' is no class of the network; allowed: 0, 1, 2"),
        (line, X[:, :9], X[:, 9:12], r"shape \(1000, 3\); allowed: \(1000, 55\)"),
    ):
        with pytest.raises(RangeError, match=message):
            compile(model, sample=sample, labels=labels, cut=0, budget=LOOSE)


def test_wrong_calls_are_refused(perceptron):
    for options, message in (
        ({"cut": "nowhere"}, "cut = 'nowhere' is none of auto, mlpclassifier.0, mlpclassifier.1"),
        ({"cut": 2}, "cut = 2"),
        ({"labels": Y[:3]}, "3 labels for 597 inputs"),
        ({"tolerance": -1}, "tolerance = -1"),
        ({"seed": -1}, "seed = -1"),
        ({"budget": Budget(data_bits=0.01)}, "weight budget is missing"),
    ):
        with pytest.raises(RangeError, match=message):
            compile(perceptron, sample=X[1200:], **{"cut": 1, **options})


def test_hidden_units_are_rescaled_where_that_helps():
    rng = np.random.default_rng(1)
    size = 10 ** rng.uniform(-1.5, 1.5, 64)
    first, second = rng.normal(size=(64, 20)), rng.normal(size=(2, 64))
    x = rng.normal(size=(400, 20)).astype(np.float32)
    budget = Budget(weight_bits=0.5)
    found = [
        compile(
            Network("n", (Layer(first * each[:, None]), Layer(second / each))),
            sample=x, cut=0, budget=budget,
        )
        for each in (np.ones(64), size)
    ]  # fmt: skip
    assert found[1].network.about["rescaled"]
    assert found[1].score == pytest.approx(found[0].score, abs=0.03)
    assert found[1].clean_score == 1
