"""`compile` from model to predictions: the cut, the budget, the report and the files."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from shotveil.host.compile.compiled import Budget, Cut, _chosen, compile, lab_channel
from shotveil.host.leakage.declared import network_leakage
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import load_client_part, load_network
from tests.host.compile.models import convolutional, f32

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
    alone = type(private.network)("dense", (dense,))
    assert network_leakage(alone, private.link, 4).weight_leakage_bits_after == pytest.approx(
        own.weight_leakage_bits
    )
    assert own.weight_leakage_bits > 2 * network_leakage(alone, private.link).weight_leakage_bits
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
    assert told[-1] == ("cuts", 5, 5)
    first, *_, last = private.cuts
    assert first.score is None and first.why == "P/N is above 1" and last.score is not None
    assert private.against == "the model"
    text = private.report()
    for part in ("what limits the light", "not measured: P/N is above 1", last.node):
        assert part in text


def test_a_budget_names_what_binds(perceptron):
    for budget, binds in (
        (Budget(weight_bits=0.01), "weights"),
        (Budget(weight_bits=0.5, data_bits=1e-3), "weights and data"),
    ):
        private = compile(perceptron, sample=X[1200:], cut=1, budget=budget)
        assert private.as_dict()["binds"] == binds


def test_a_worse_laboratory_gives_less_light(perceptron):
    ideal, realistic = (
        compile(perceptron, sample=X[1200:], cut=1, budget=LOOSE, lab=lab).link.f2
        for lab in ("ideal", "realistic")
    )
    assert realistic < 0.9 * ideal
    assert lab_channel("realistic").transmittance == pytest.approx(10**-0.01)
    with pytest.raises(RangeError, match="lab = 'attic' is none of ideal, realistic"):
        lab_channel("attic")


def test_fine_tuning_helps(perceptron):
    plain, tuned = (
        compile(
            perceptron, sample=X[1200:], labels=Y[1200:], cut=0, budget=LOOSE, finetune=finetune
        )
        for finetune in (None, (X[:1200], Y[:1200]))
    )
    assert tuned.score > plain.score + 0.02
    assert tuned.network.digest != plain.network.digest


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
