"""`ShotveilClassifier`: a private network as an estimator of scikit-learn.

It trains an ordinary perceptron, compiles it inside a budget, and trains its layers further through
the noise of their light. So `fit`, `predict`, `score`, `GridSearchCV` and pipelines work as usual.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.compiled import DEFAULT_BUDGET, Budget, Private, compile
from shotveil.host.extras import import_extra

_base = import_extra("sklearn.base", "networks")
_perceptron = import_extra("sklearn.neural_network", "networks")
_pipeline = import_extra("sklearn.pipeline", "networks")
_preprocessing = import_extra("sklearn.preprocessing", "networks")
_validation = import_extra("sklearn.utils.validation", "networks")


class ShotveilClassifier(_base.ClassifierMixin, _base.BaseEstimator):  # type: ignore[name-defined]
    """A classifier whose layers travel as light.

    hidden: Widths of the hidden layers; () is a linear classifier.
    budget: Budget of leakage; None takes that of `compile`.
    lab: "ideal", "realistic", or a channel.
    backend: What carries the light in `predict`.
    epochs: How often each input is used in training without noise, ≥ 1.
    seed: Seed of all randomness, ≥ 0.

    After `fit`, `private_` is the compiled network. Raises `RangeError` as `compile`.

    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> model = ShotveilClassifier(budget=Budget(weight_bits=1)).fit(x[:900], y[:900])
    >>> bool(model.score(x[900:], y[900:]) > 0.7)
    True
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (),
        budget: Budget | None = None,
        lab: Any = "ideal",
        backend: str = "optics",
        epochs: int = 50,
        seed: int = 1,
    ) -> None:
        self.hidden = hidden
        self.budget = budget
        self.lab = lab
        self.backend = backend
        self.epochs = epochs
        self.seed = seed

    def fit(self, X: Any, y: Any) -> ShotveilClassifier:
        """Train on inputs X (n, features) and classes y (n,)."""
        X, y = _validation.validate_data(self, X, y)
        self.classes_ = np.unique(y)
        import warnings

        scaled = _preprocessing.StandardScaler()
        final = _perceptron.MLPClassifier(
            self.hidden, max_iter=self.epochs, random_state=self.seed, tol=0.0
        )
        model = _pipeline.make_pipeline(scaled, final)
        with warnings.catch_warnings(action="ignore"):  # the number of epochs is meant
            model.fit(X, y)
        self.private_: Private = compile(
            model,
            sample=X,
            labels=y,
            cut=0,
            budget=self.budget or DEFAULT_BUDGET,
            lab=self.lab,
            finetune=(X, y),
            seed=self.seed,
            name=type(self).__name__,
        )
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the classes (n,) of inputs X (n, features), read from light."""
        _validation.check_is_fitted(self)
        X = _validation.validate_data(self, X, reset=False)
        found = self.private_.predict(X, self.backend, self.seed)
        return found.astype(self.classes_.dtype)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the outputs (n, classes), or (n,) of two classes, read from light."""
        _validation.check_is_fitted(self)
        X = _validation.validate_data(self, X, reset=False)
        outputs = self.private_.outputs(X, self.backend, self.seed)
        threshold = self.private_.network.plan.task.threshold
        return outputs[:, 0] - threshold if outputs.shape[1] == 1 else outputs
