"""NumPy: gradients written by hand, tuned for speed. The plain formulas are in `backends.numpy_reference`.

Mode:
    loop    a Python loop over steps, as a NumPy user who cares about speed writes it. Each step is a few calls of BLAS
            and NumPy, most of which write to arrays that are allocated once. All parameters lie in one vector, so that
            an optimizer is a few operations on it; Adam updates it in blocks that fit into the cache
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.contract import (
    Array,
    Inputs,
    Params,
    Placement,
    Predictor,
    Problem,
    Unsupported,
    WordCounts,
    flow_shapes,
    map_params,
    parameter_count,
    views,
)
from backends.numpy_layers import LAYERS, LOSSES, SUPPORTED, Batch, make_update, take

PREDICT_ROWS = 1024  # rows predicted at a time, to limit the memory


def open_trainer(problem: Problem, placement: Placement) -> NumpyTrainer:
    """Allocate all arrays that training needs. Raises `Unsupported` for GPUs and unknown layers."""
    if placement.device != "cpu":
        raise Unsupported("NumPy computes on the CPU only")
    return NumpyTrainer(problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size]."""
    matrix = np.ones((size, size), placement.dtype)
    out = np.empty_like(matrix)

    def multiply() -> None:
        np.matmul(matrix, matrix, out=out)

    return multiply


class NumpyTrainer:
    """The layers and the loss, which compute their own gradients, and the optimizer's update."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        SUPPORTED.require(problem)
        self.problem = problem
        self.values = np.zeros(parameter_count(problem.layers), placement.dtype)
        self.gradients = np.zeros_like(self.values)
        self.named = views(self.values, problem.layers)
        gradients = views(self.gradients, problem.layers)
        shapes = [(problem.batch_size, *shape) for shape in flow_shapes(problem.layers, problem.row_shape)]
        self.layers = [
            LAYERS[type(layer)](layer, params, slopes, inputs)
            for layer, params, slopes, inputs in zip(problem.layers, self.named, gradients, shapes[:-1], strict=True)
        ]
        self.outputs_gradient = np.empty(shapes[-1], placement.dtype)
        self.loss = LOSSES[problem.loss]
        self.update = make_update(problem.optimizer, self.values, self.gradients)
        self.whole = take(problem.inputs, np.arange(problem.batch_size)) if problem.full_batch else None
        if not isinstance(problem.inputs, WordCounts):
            self.buffer: Array | None = np.empty((problem.batch_size, *problem.inputs.shape[1:]), placement.dtype)
        else:
            self.buffer = None

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state."""
        for mine, given in zip(self.named, params, strict=True):
            for name, part in given.items():
                mine[name][...] = part
        self.update = make_update(self.problem.optimizer, self.values, self.gradients)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        losses = np.empty(len(order), self.values.dtype)
        for step, rows in enumerate(order):
            losses[step] = self.step(*self.batch(rows))
        return losses

    def batch(self, rows: Array) -> tuple[Batch, Array]:
        """Return inputs and targets of the rows [batch]."""
        if self.whole is not None:
            return self.whole, self.problem.targets
        return take(self.problem.inputs, rows, self.buffer), self.problem.targets[rows]

    def step(self, inputs: Batch, targets: Array) -> float:
        """Compute the loss and its gradients, and update the parameters; return the loss before the update."""
        flow: list[Any] = [inputs]
        for layer in self.layers:
            flow.append(layer.forward(flow[-1], training=True))
        gradient = self.outputs_gradient
        loss = self.loss(flow[-1], targets, gradient)
        for i in reversed(range(len(self.layers))):
            self.layers[i].backward(flow[i], gradient)
            if i > 0:  # the gradient of the data is not needed
                gradient = self.layers[i].gradient_by_inputs(gradient)
        self.update()
        return loss

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs] for `inputs` [rows, ...]."""
        return np.concatenate(
            [
                self.forward(take(inputs, np.arange(start, min(start + PREDICT_ROWS, len(inputs)))))
                for start in range(0, len(inputs), PREDICT_ROWS)
            ]
        )

    def predictor(self, rows: int) -> Predictor:
        """Return a function of the inputs, which are not gathered: a request has the rows that it wants."""

        def predict(inputs: Inputs) -> Array:
            return self.forward(take(inputs, np.arange(rows)) if isinstance(inputs, WordCounts) else inputs)

        return predict

    def forward(self, batch: Batch) -> Array:
        """Return the outputs for a batch of any size, in new arrays."""
        flow = batch
        for layer in self.layers:
            flow = layer.forward(flow, training=False)
        return np.asarray(flow)

    def params(self) -> Params:
        """Return copies of the parameters."""
        return map_params(np.copy, self.named)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: the backend runs on the CPU only."""
        return None
