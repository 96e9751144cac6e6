"""scikit-learn: `MLPClassifier` and `MLPRegressor`.

Mode:
    partial_fit   one call per pass, with the rows in the order of the pass; for full-batch problems one call per step:
                  what a scikit-learn user writes to see each epoch

The estimators have one activation for all hidden layers, and identity at the output or, for classes, softmax with
cross-entropy. Their Adam adds epsilon to the root of v before the bias correction, so it differs from the contract's.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neural_network import MLPClassifier, MLPRegressor

from backends.contract import (
    SGD,
    Adam,
    Array,
    Dense,
    EmbeddingSum,
    Inputs,
    Momentum,
    Params,
    Placement,
    Predictor,
    Problem,
    Supported,
    Unsupported,
    WordCounts,
)
from backends.numpy_backend import open_product

__all__ = ["open_product", "open_trainer"]

ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
LOSS_SCALES = {"mse": 2.0, "half_mse": 1.0, "softmax_cross_entropy": 1.0}  # our loss / scikit-learn's loss


SUPPORTED = Supported(
    framework="scikit-learn",
    layers=(Dense, EmbeddingSum),  # a sum of embeddings is a product with a sparse matrix
    activations=ACTIVATIONS,
    losses=LOSS_SCALES,
    optimizers=(SGD, Momentum),
)


def open_trainer(problem: Problem, placement: Placement) -> SklearnTrainer:
    """Set up the estimator. Raises `Unsupported` for devices other than the CPU and for what estimators cannot do."""
    if placement.device != "cpu":
        raise Unsupported("scikit-learn computes on the CPU only")
    if isinstance(problem.optimizer, Adam):
        raise Unsupported("scikit-learn's Adam adds epsilon before the bias correction, so it is a different optimizer")
    SUPPORTED.require(problem)
    if reason := refusal(problem):
        raise Unsupported(reason)
    return SklearnTrainer(problem, placement)


def refusal(problem: Problem) -> str:
    """Return why no estimator has this combination of layers and loss, empty if one has."""
    *hidden, last = affine_layers(problem)
    if last.activation != "identity":
        return f"scikit-learn has no {last.activation} at the output of {problem.loss}"
    if len({layer.activation for layer in hidden}) > 1:
        return "scikit-learn has one activation for all hidden layers"
    if problem.loss == "softmax_cross_entropy" and last.outputs < 3:
        return "scikit-learn has no softmax for fewer than three classes"
    return ""


def affine_layers(problem: Problem) -> tuple[Dense | EmbeddingSum, ...]:
    """Return the layers of a supported problem, each of which multiplies by weights."""
    return cast("tuple[Dense | EmbeddingSum, ...]", problem.layers)


class Recorder:
    """Makes an estimator keep the loss of every step; scikit-learn itself keeps only the mean of an epoch.

    `_backprop` is a private method that may change; a test checks what is used of it.
    """

    step_losses: list[float]

    def _backprop(self, *args: Any) -> Any:
        loss, *gradients = super()._backprop(*args)  # type: ignore[misc]
        self.step_losses.append(loss)
        return loss, *gradients


class Classifier(Recorder, MLPClassifier):
    """A classifier with softmax and cross-entropy."""


class Regressor(Recorder, MLPRegressor):
    """A regressor with half the squared error."""


class SklearnTrainer:
    """An estimator and its data."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.problem = problem
        self.dtype = placement.dtype
        self.inputs = put(problem.inputs)
        outputs = affine_layers(problem)[-1].outputs
        self.targets = problem.targets.ravel() if outputs == 1 else problem.targets
        self.loss_scale = LOSS_SCALES[problem.loss]
        self.estimator = make_estimator(problem, self.loss_scale)
        self.estimator.step_losses = []
        # The first call allocates all arrays; `reset` overwrites what it learns from these rows.
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
        """Return the outputs [rows, outputs], before the softmax of a classifier."""
        kept, self.estimator.out_activation_ = self.estimator.out_activation_, "identity"
        classifies = isinstance(self.estimator, Classifier)
        predict = self.estimator.predict_proba if classifies else self.estimator.predict
        outputs: Array = predict(put(inputs)).reshape(len(inputs), -1)
        self.estimator.out_activation_ = kept
        return outputs

    def predictor(self, rows: int) -> Predictor:
        """Return `predict`, which takes any number of rows."""
        return self.predict

    def params(self) -> Params:
        """Return copies of weights and biases."""
        pairs = zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True)
        return tuple({"weights": weights.copy(), "bias": bias.copy()} for weights, bias in pairs)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: the backend runs on the CPU only."""
        return None


def make_estimator(problem: Problem, loss_scale: float) -> Any:
    """Return the untrained estimator; its own loss is the problem's loss / `loss_scale`."""
    *hidden, last = affine_layers(problem)
    optimizer = problem.optimizer
    kind, averaged = (Classifier, 1) if problem.loss == "softmax_cross_entropy" else (Regressor, last.outputs)
    return kind(
        hidden_layer_sizes=[layer.outputs for layer in hidden],
        activation=ACTIVATIONS[hidden[0].activation] if hidden else "identity",
        solver="sgd",
        alpha=0,
        batch_size=problem.batch_size,
        # scikit-learn averages the squared error over the outputs, but not its gradient.
        learning_rate_init=optimizer.learning_rate * loss_scale / averaged,
        momentum=optimizer.momentum if isinstance(optimizer, Momentum) else 0,
        nesterovs_momentum=False,
        shuffle=False,
    )


def by_kind(params: Params) -> tuple[Array, ...]:
    """Return the arrays of all weights, then of all biases."""
    return (*(layer["weights"] for layer in params), *(layer["bias"] for layer in params))


def put(inputs: Inputs) -> Any:
    """Return inputs for scikit-learn: word counts as a sparse matrix of SciPy."""
    if isinstance(inputs, WordCounts):
        shape = len(inputs), inputs.vocabulary
        return csr_matrix((inputs.counts, inputs.words, inputs.starts), shape)
    return inputs
