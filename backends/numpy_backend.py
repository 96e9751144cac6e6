"""NumPy: gradients written by hand, tuned for speed. The plain formulas are in `backends.numpy_reference`.

Mode:
    loop    a Python loop over steps, as a NumPy user who cares about speed writes it. Each step is a few calls of BLAS
            and NumPy, most of which write to arrays that are allocated once. All parameters lie in one vector, so that
            an optimizer is a few operations on it; Adam updates it in blocks that fit into the cache
"""

from __future__ import annotations

from collections.abc import Callable

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
    reads_ids,
    views,
)
from backends.numpy_affine import Mask
from backends.numpy_layers import LOSSES, SUPPORTED, Batch, make_layers, make_update, pass_back, pass_through, take

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
        inputs = (problem.batch_size, *problem.row_shape)
        self.layers = make_layers(problem.layers, self.named, gradients, inputs)
        outputs = flow_shapes(problem.layers, problem.row_shape)[-1]
        self.outputs_gradient = np.empty((problem.batch_size, *outputs), placement.dtype)
        self.loss = LOSSES[problem.loss]
        self.update = make_update(problem.optimizer, self.values, self.gradients)
        self.whole = take(problem.inputs, np.arange(problem.batch_size)) if problem.full_batch else None
        if not isinstance(problem.inputs, WordCounts):
            self.buffer: Array | None = np.empty(inputs, problem.inputs.dtype)
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
        flow = pass_through(self.layers, inputs, True, self.mask(inputs))
        loss = self.loss(flow[-1], targets, self.outputs_gradient)
        pass_back(self.layers, flow, self.outputs_gradient)
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
        return np.asarray(pass_through(self.layers, batch, False, self.mask(batch))[-1])

    def mask(self, batch: Batch) -> Mask:
        """Return which positions of a batch hold a word, or None if its inputs are no ids of words."""
        return np.asarray(batch != 0) if reads_ids(self.problem.layers) else None

    def params(self) -> Params:
        """Return copies of the parameters."""
        return map_params(np.copy, self.named)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: the backend runs on the CPU only."""
        return None
