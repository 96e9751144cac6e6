"""TensorFlow: variables, `GradientTape` and `tf.function`.

Modes:
    eager   a Python loop over steps, one operation at a time: how the guides begin, and how one looks for a mistake
    graph   a whole pass in one `tf.function`, the loop inside it, its operations called one by one by TensorFlow's own
            runtime: what the guides come to for a custom loop
    xla     the same function, compiled by XLA (`jit_compile=True`), which fuses operations: what somebody writes who
            has read the guide to performance, where all shapes are fixed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from backends.contract import (
    SGD,
    Adam,
    Array,
    Bags,
    EmbeddingSum,
    Inputs,
    Layer,
    LayerParams,
    Momentum,
    Optimizer,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)
from backends.layout import turned

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "identity": tf.identity,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
}


def _cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs))


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)),
    "half_mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)) / 2,
    "softmax_cross_entropy": _cross_entropy,
}


def open_trainer(problem: Problem, placement: Placement) -> TensorflowTrainer:
    """Put model and data on the device. Raises `Unsupported` without a GPU for a GPU."""
    if placement.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise Unsupported(f"TensorFlow {tf.__version__} finds no GPU device")
    set_threads(placement.threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    with tf.device("/GPU:0" if placement.device == "gpu" else "/CPU:0"):
        return TensorflowTrainer(problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size], by XLA where that is how the mode trains."""
    with tf.device("/GPU:0" if placement.device == "gpu" else "/CPU:0"):
        matrix = tf.ones((size, size), placement.precision)
    multiply = tf.function(tf.matmul, jit_compile=placement.mode == "xla")

    def product() -> None:
        multiply(matrix, matrix)
        if placement.device == "gpu":
            tf.experimental.sync_devices()

    return product


def set_threads(threads: int) -> None:
    """Let one operation use `threads` threads. TensorFlow takes this only once, before its first operation."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


class TensorflowTrainer:
    """Model and data on one device, and a function that takes the steps of a pass."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.problem = problem
        self.device = "/GPU:0" if placement.device == "gpu" else "/CPU:0"
        self.words = problem.inputs if isinstance(problem.inputs, WordCounts) else None
        self.capacity = self.words.capacity(problem.batch_size) if self.words else 0
        # Words are gathered on the host, where each step's number of them is known, and padded to one shape.
        self.inputs = None if self.words and not problem.full_batch else put(problem.inputs)
        self.targets = tf.constant(problem.targets)
        self.variables = [
            tf.Variable(tf.zeros(shape, placement.precision))
            for layer in problem.layers
            for shape in (weights_shape(layer), (layer.outputs,))
        ]
        self.slots = [
            [tf.Variable(tf.zeros_like(variable)) for variable in self.variables]
            for _ in range(problem.optimizer.slots)
        ]
        self.taken = tf.Variable(tf.zeros((), placement.precision))
        self.run: Any = {
            "eager": self.loop,
            "graph": tf.function(self.whole_pass),
            "xla": tf.function(self.whole_pass, jit_compile=True),
        }[placement.mode]

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state; functions go on with the same variables."""
        arrays = (array for layer in turned(self.problem.layers, params) for array in layer)
        for variable, array in zip(self.variables, arrays, strict=True):
            variable.assign(array)
        for slot in self.slots:
            for variable in slot:
                variable.assign(tf.zeros_like(variable))
        self.taken.assign(0)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        with tf.device(self.device):
            words = None
            if self.words and not self.problem.full_batch and self.run != self.loop:
                words = put(self.words.padded_bags(order, self.capacity))
            losses: Array = self.run(put(self.problem.gathered(order)), words).numpy()
            if "GPU" in self.device:
                tf.experimental.sync_devices()  # the losses may be there before the last update is done
        return losses

    def batch(self, rows: tf.Tensor, words: Bags | None, step: Any) -> tuple[Any, tf.Tensor]:
        """Return inputs and targets of the rows [batch]; words come from the padded ones of that step where given."""
        if self.problem.full_batch:
            return self.inputs, self.targets
        targets = tf.gather(self.targets, rows)
        if words:
            return Bags(*(part[step] for part in words)), targets
        if self.words:
            return put(self.words.bags(rows.numpy())), targets
        return tf.gather(self.inputs, rows), targets

    def loop(self, order: tf.Tensor, words: Bags | None) -> tf.Tensor:
        """Take the steps one by one; return their losses [steps]."""
        return tf.stack([self.step(*self.batch(rows, words, step)) for step, rows in enumerate(order)])

    def whole_pass(self, order: tf.Tensor, words: Bags | None) -> tf.Tensor:
        """Take the steps in a loop that becomes part of the graph; return their losses [steps]."""
        losses = tf.TensorArray(self.taken.dtype, size=len(order), element_shape=())
        for step in tf.range(len(order)):
            losses = losses.write(step, self.step(*self.batch(order[step], words, step)))
        return losses.stack()

    def step(self, inputs: Any, targets: tf.Tensor) -> tf.Tensor:
        """Take one step; return the loss before it."""
        with tf.GradientTape() as tape:
            loss = LOSSES[self.problem.loss](self.forward(inputs, self.problem.batch_size), targets)
        gradients = tape.gradient(loss, self.variables)
        self.taken.assign_add(1)
        update(self.problem.optimizer, self.variables, gradients, self.slots, self.taken)
        return loss

    def forward(self, flow: Any, rows: int) -> tf.Tensor:
        """Return the outputs [rows, outputs] for a batch of `rows` rows."""
        pairs = zip(self.variables[::2], self.variables[1::2], strict=True)
        for layer, (weights, bias) in zip(self.problem.layers, pairs, strict=True):
            if isinstance(layer, EmbeddingSum):
                embeddings = flow.counts[:, None] * tf.gather(weights, flow.words)
                product = tf.math.unsorted_segment_sum(embeddings, flow.documents, rows)
            else:
                product = tf.matmul(flow, weights, transpose_b=True)
            flow = ACTIVATIONS[layer.activation](product + bias)
        return flow

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        with tf.device(self.device):
            outputs: Array = self.forward(put(inputs), len(inputs)).numpy()
        return outputs

    def params(self) -> Params:
        """Return copies of weights and biases."""
        arrays = [variable.numpy() for variable in self.variables]
        pairs = tuple(LayerParams(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True))
        return turned(self.problem.layers, pairs)

    def peak_device_memory_bytes(self) -> int | None:
        """Return the most memory that tensors have taken on a GPU."""
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if "GPU" in self.device else None


def weights_shape(layer: Layer) -> tuple[int, int]:
    """Return the shape of a layer's weights here: dense layers have [outputs, inputs], see `backends.layout`."""
    return (layer.inputs, layer.outputs) if isinstance(layer, EmbeddingSum) else (layer.outputs, layer.inputs)


def put(inputs: Inputs | Bags) -> Any:
    """Copy inputs to the device that `tf.device` names, word counts as flat arrays."""
    if isinstance(inputs, WordCounts):
        inputs = inputs.bags(np.arange(len(inputs)))
    return Bags(*map(tf.constant, inputs)) if isinstance(inputs, Bags) else tf.constant(inputs)


@tf.autograph.experimental.do_not_convert  # AutoGraph does not know `match`, and nothing here needs converting
def update(
    optimizer: Optimizer,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor],
    slots: list[list[tf.Variable]],
    taken: tf.Variable,
) -> None:
    """Take one step of the optimizer, in place; `taken` counts this step too."""
    for i, (p, g) in enumerate(zip(variables, gradients, strict=True)):
        g = tf.convert_to_tensor(g)  # the gradient of a gather comes as rows to add up
        match optimizer:
            case SGD(rate):
                p.assign_sub(rate * g)
            case Momentum(rate, momentum):
                v = slots[0][i]
                v.assign(momentum * v + g)
                p.assign_sub(rate * v)
            case Adam(rate, beta1, beta2, epsilon):
                m, v = slots[0][i], slots[1][i]
                m.assign(beta1 * m + (1 - beta1) * g)
                v.assign(beta2 * v + (1 - beta2) * g * g)
                # 1 - beta^t loses five digits in float32 when beta^t is near 1; expm1 loses none.
                rate = rate / -tf.math.expm1(taken * np.log(beta1))
                correction = -tf.math.expm1(taken * np.log(beta2))
                p.assign_sub(rate * m / (tf.sqrt(v / correction) + epsilon))
