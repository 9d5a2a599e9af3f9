"""Fitted scikit-learn estimators against scikit-learn, at every cut."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

from shotveil.host.compile.estimators import estimator_source
from shotveil.host.compile.opening import source_of
from shotveil.host.compile.source import require_same
from shotveil.models.common.checks import RangeError

pytestmark = pytest.mark.filterwarnings("ignore")  # estimators that stop early say so
DIGITS, CANCER, DIABETES = (
    load(return_X_y=True) for load in (load_digits, load_breast_cancer, load_diabetes)
)
SEVERAL = DIGITS[0], np.stack([DIGITS[1] % 2, DIGITS[1] > 4], axis=1)
SHORT = {"max_iter": 8, "random_state": 1}


@pytest.mark.parametrize(
    ("model", "data", "kind"),
    [
        (make_pipeline(StandardScaler(), MLPClassifier((16, 12), **SHORT)), DIGITS, "class"),
        (make_pipeline(MinMaxScaler(clip=True), PCA(20, whiten=True), LogisticRegression()),
         DIGITS, "class"),
        (make_pipeline(RobustScaler(), LogisticRegression()), CANCER, "binary"),
        (make_pipeline(StandardScaler(with_std=False), MLPClassifier((9,), **SHORT)), CANCER,
         "binary"),
        (MLPClassifier((16,), activation="logistic", **SHORT), SEVERAL, "labels"),
        (LinearSVC(max_iter=50), DIGITS, "class"),
        (GridSearchCV(make_pipeline(make_pipeline(StandardScaler()), LogisticRegression()),
                      {"logisticregression__C": [0.1, 1]}, cv=2), CANCER, "binary"),
        (LogisticRegression(max_iter=20), (CANCER[0], CANCER[1] > 0), "binary"),
        (LinearRegression(fit_intercept=False), DIABETES, "values"),
        (make_pipeline(MaxAbsScaler(), "passthrough", Ridge()), DIABETES, "values"),
        (MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", **SHORT), DIABETES, "values"),
    ],
)  # fmt: skip
def test_it_gives_what_scikit_learn_gives(model, data, kind):
    x, y = data
    model.fit(x, y)
    source = estimator_source(model)
    assert source.task.kind == kind and source.linears
    # Numbers far outside what was fitted, too: a scaler that clips has to clip.
    x = np.concatenate([x[:200], 3 * x[:20]])
    for cut in range(len(source.linears)):
        network = source.network(cut)
        require_same(source, network, x)
        found = network.plan.task.of(network.forward(x))
        if kind == "values":
            np.testing.assert_allclose(found, model.predict(x), rtol=1e-4, atol=1e-3)
        else:
            assert (found == model.predict(x)).mean() > 0.99


def test_names_of_classes_travel_with_the_network():
    x, y = CANCER
    names = np.array(["malignant", "benign"])[y]
    source = estimator_source(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, names))
    network = source.network(0)
    assert set(network.plan.task.of(network.forward(x[:50]))) == {"malignant", "benign"}


def test_a_step_that_takes_texts_is_refused_by_its_name():
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    texts = np.array(["a good film", "a bad film"] * 5)
    with pytest.raises(RangeError, match="step tfidfvectorizer: TfidfVectorizer cannot be run"):
        source_of(model.fit(texts, [1, 0] * 5), texts)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RandomForestClassifier(2), "step RandomForestClassifier: RandomForestClassifier cannot"),
        (make_pipeline(PolynomialFeatures(1), LinearSVC(max_iter=5)), "step polynomialfeatures:"),
        (SVC(kernel="linear"), "voting; allowed: LinearSVC"),
        (PoissonRegressor(), "PoissonRegressor cannot be run"),
    ],
)
def test_what_cannot_be_run_is_refused_by_class_and_step(model, message):
    with pytest.raises(RangeError, match=message):
        estimator_source(model.fit(DIGITS[0][:300], DIGITS[1][:300]))


def test_an_estimator_that_is_not_fitted_is_refused():
    with pytest.raises(RangeError, match="LogisticRegression is not fitted"):
        estimator_source(LogisticRegression())
