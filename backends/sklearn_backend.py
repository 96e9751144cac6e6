"""scikit-learn: `MLPClassifier` and `MLPRegressor`.

Mode:
    partial_fit   one call for each pass, which takes the rows in the order that they are given in; where every step
                  takes all rows, one call for each step: what a scikit-learn user writes who wants to see each epoch

It has one activation for all hidden layers, identity at the output, and for classes softmax and cross-entropy. Its
Adam adds epsilon to the root of v before its bias is corrected, so that it is another optimizer than the contract's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neural_network import MLPClassifier, MLPRegressor

from backends.contract import (
    Adam,
    Array,
    Inputs,
    LayerParams,
    Momentum,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)
from backends.numpy_backend import open_product

__all__ = ["open_product", "open_trainer"]

ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
LOSS_SCALES = {"mse": 2.0, "half_mse": 1.0, "softmax_cross_entropy": 1.0}  # losses in units of scikit-learn's own


def open_trainer(problem: Problem, placement: Placement) -> SklearnTrainer:
    """Set up the estimator. Raises `Unsupported` for any device but the CPU, and for what the estimators have not."""
    reason = refusal(problem, placement)
    if reason:
        raise Unsupported(reason)
    return SklearnTrainer(problem, placement)


def refusal(problem: Problem, placement: Placement) -> str:
    """Return why scikit-learn cannot do what is asked, empty where it can."""
    *hidden, last = problem.layers
    if placement.device != "cpu":
        return "scikit-learn computes on the CPU only"
    if isinstance(problem.optimizer, Adam):
        return "scikit-learn's Adam adds epsilon before the second moment is corrected: another optimizer"
    if last.activation != "identity":
        return f"scikit-learn has no {last.activation} at the output of {problem.loss}"
    if len({layer.activation for layer in hidden}) > 1:
        return "scikit-learn has one activation for all hidden layers"
    if problem.loss == "softmax_cross_entropy" and last.outputs < 3:
        return "scikit-learn has no softmax for fewer than three classes"
    return ""


class Recorder:
    """Makes an estimator keep the loss of every step; it keeps only their mean itself.

    `_backprop` is not promised to stay as it is; a test holds what is used of it.
    """

    step_losses: list[float]

    def _backprop(self, *args: Any) -> Any:
        loss, *gradients = super()._backprop(*args)  # type: ignore[misc]
        self.step_losses.append(loss)
        return loss, *gradients


class Classifier(Recorder, MLPClassifier):
    """Classes, by softmax and cross-entropy."""


class Regressor(Recorder, MLPRegressor):
    """Numbers, by half the squared error."""


class SklearnTrainer:
    """An estimator and its data."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.problem = problem
        self.dtype = placement.dtype
        self.inputs = put(problem.inputs)
        outputs = problem.layers[-1].outputs
        self.targets = problem.targets.ravel() if outputs == 1 else problem.targets
        self.loss_scale = LOSS_SCALES[problem.loss]
        self.estimator = make_estimator(problem, self.loss_scale)
        self.estimator.step_losses = []
        # The first call allocates all: what is learned from these rows is overwritten by `reset`.
        first = slice(problem.batch_size)
        classes = {"classes": np.arange(outputs)} if problem.loss == "softmax_cross_entropy" else {}
        self.estimator.partial_fit(self.inputs[first], self.targets[first], **classes)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state."""
        for target, source in zip((*self.estimator.coefs_, *self.estimator.intercepts_), by_kind(params), strict=True):
            target[...] = source
        for velocity in self.estimator._optimizer.velocities:
            velocity.fill(0)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        self.estimator.step_losses.clear()
        if self.problem.full_batch:
            for _ in order:
                self.estimator.partial_fit(self.inputs, self.targets)
        else:
            rows = order.ravel()
            self.estimator.partial_fit(self.inputs[rows], self.targets[rows])
        return np.array(self.estimator.step_losses, self.dtype) * self.dtype.type(self.loss_scale)

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs], without the softmax that a classifier puts behind them."""
        kept, self.estimator.out_activation_ = self.estimator.out_activation_, "identity"
        classifies = isinstance(self.estimator, Classifier)
        predict = self.estimator.predict_proba if classifies else self.estimator.predict
        outputs: Array = predict(put(inputs)).reshape(len(inputs), -1)
        self.estimator.out_activation_ = kept
        return outputs

    def params(self) -> Params:
        """Return copies of weights and biases."""
        pairs = zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True)
        return tuple(LayerParams(weights.copy(), bias.copy()) for weights, bias in pairs)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: there is no device but the CPU."""
        return None


def make_estimator(problem: Problem, loss_scale: float) -> Any:
    """Return the estimator, not yet trained, whose own loss is that of the problem divided by `loss_scale`."""
    *hidden, last = problem.layers
    optimizer = problem.optimizer
    kind, averaged = (Classifier, 1) if problem.loss == "softmax_cross_entropy" else (Regressor, last.outputs)
    return kind(
        hidden_layer_sizes=[layer.outputs for layer in hidden],
        activation=ACTIVATIONS[hidden[0].activation] if hidden else "identity",
        solver="sgd",
        alpha=0,
        batch_size=problem.batch_size,
        # The gradient of its squared error is not averaged over the outputs, as the error itself is.
        learning_rate_init=optimizer.learning_rate * loss_scale / averaged,
        momentum=optimizer.momentum if isinstance(optimizer, Momentum) else 0,
        nesterovs_momentum=False,
        shuffle=False,
    )


def by_kind(params: Params) -> tuple[Array, ...]:
    """Return all weights, then all biases."""
    return (*(layer.weights for layer in params), *(layer.bias for layer in params))


def put(inputs: Inputs) -> Any:
    """Return inputs as scikit-learn takes them, word counts as a sparse matrix of SciPy."""
    if isinstance(inputs, WordCounts):
        shape = len(inputs), inputs.vocabulary
        return csr_matrix((inputs.counts, inputs.words, inputs.starts), shape)
    return inputs
