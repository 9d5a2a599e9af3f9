"""`ShotveilClassifier` as scikit-learn uses an estimator."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from shotveil.host.compile.classifier import ShotveilClassifier
from shotveil.host.compile.compiled import Budget
from shotveil.host.leakage.declared import network_leakage

X, Y = load_digits(return_X_y=True)
WIDE = Budget(weight_bits=1.0)


def test_it_learns_within_its_budget():
    model = ShotveilClassifier(hidden=(24,), budget=WIDE, epochs=20).fit(X[:1200], Y[:1200])
    assert [layer.rows for layer in model.private_.network.layers] == [24, 10]
    leaked = network_leakage(model.private_.network, model.private_.link).weight_leakage_bits
    assert 0.99 < leaked <= 1
    assert model.score(X[1200:], Y[1200:]) > 0.75
    outputs = model.decision_function(X[:20])
    assert outputs.shape == (20, 10)
    assert (model.classes_[outputs.argmax(axis=1)] == model.predict(X[:20])).all()


def test_two_classes_by_name_and_cross_validation():
    x, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    model = clone(ShotveilClassifier(budget=Budget(weight_bits=3.0), epochs=30))
    assert cross_val_score(model, x, names, cv=2).mean() > 0.85
    model.fit(x, names)
    assert set(model.predict(x[:50])) == {"benign", "malignant"}
    assert model.decision_function(x[:50]).shape == (50,)


def test_it_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        ShotveilClassifier().predict(X)
