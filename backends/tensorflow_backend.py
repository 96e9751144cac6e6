"""TensorFlow: variables, `GradientTape` and `tf.function`.

Modes:
    eager   a Python loop over steps, one operation at a time: how the guides begin, and how people debug
    graph   a whole pass in one `tf.function`, including the loop, run operation by operation by TensorFlow's runtime:
            what the guides recommend for a custom loop
    xla     the same function compiled by XLA (`jit_compile=True`), which fuses operations: what the performance guide
            recommends if all shapes are fixed
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from backends.contract import (
    Array,
    Bags,
    Inputs,
    Params,
    Placement,
    Predictor,
    Problem,
    Unsupported,
    WordCounts,
    map_params,
    parts,
)
from backends.layout import transposed
from backends.tensorflow_layers import LOSSES, SUPPORTED, forward, make_variables, put, update


def open_trainer(problem: Problem, placement: Placement) -> TensorflowTrainer:
    """Put model and data on the device.

    Raises `Unsupported` if the device is a GPU and there is none, for unknown layers, and for a mode with graphs if
    they are switched off.
    """
    if placement.mode != "eager" and tf.config.functions_run_eagerly():
        raise Unsupported("graphs are switched off here, by tf.config.run_functions_eagerly")
    if placement.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise Unsupported(f"TensorFlow {tf.__version__} finds no GPU device")
    set_threads(placement.threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    with tf.device("/GPU:0" if placement.device == "gpu" else "/CPU:0"):
        return TensorflowTrainer(problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size], compiled by XLA in the mode `xla`."""
    with tf.device("/GPU:0" if placement.device == "gpu" else "/CPU:0"):
        matrix = tf.ones((size, size), placement.precision)
    multiply = tf.function(tf.matmul, jit_compile=placement.mode == "xla")

    def product() -> None:
        multiply(matrix, matrix)
        if placement.device == "gpu":
            tf.experimental.sync_devices()

    return product


def set_threads(threads: int) -> None:
    """Let one operation use `threads` threads. TensorFlow accepts this only once, before its first operation."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


class TensorflowTrainer:
    """Model and data on one device, and a function that takes the steps of a pass."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        SUPPORTED.require(problem)
        self.problem = problem
        self.device = "/GPU:0" if placement.device == "gpu" else "/CPU:0"
        self.words = problem.inputs if isinstance(problem.inputs, WordCounts) else None
        self.capacity = self.words.capacity(problem.batch_size) if self.words else 0
        # Words are gathered on the host, where their number in each step is known. If a pass is one function, its words
        # are gathered before it starts, padded to one shape.
        self.inputs = None if self.words and not problem.full_batch else put(problem.inputs)
        self.targets = tf.constant(problem.targets)
        self.layers = make_variables(problem.layers, placement.precision)
        self.variables: list[tf.Variable] = [each for named in self.layers for each in named.values()]
        self.slots = [
            [tf.Variable(tf.zeros_like(variable)) for variable in self.variables]
            for _ in range(problem.optimizer.slots)
        ]
        self.taken = tf.Variable(tf.zeros((), placement.precision))
        self.eager = placement.mode == "eager"
        self.by_xla = placement.mode == "xla" and placement.device == "cpu"
        self.compiled: Any = functools.partial(tf.function, jit_compile=True if placement.mode == "xla" else None)
        self.run: Any = self.loop if self.eager else self.compiled(self.whole_pass)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state. The variables stay the same, so nothing is traced again."""
        for variable, part in zip(self.variables, parts(transposed(self.problem.layers, params)), strict=True):
            variable.assign(part)
        for slot in self.slots:
            for variable in slot:
                variable.assign(tf.zeros_like(variable))
        self.taken.assign(0)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        with tf.device(self.device):
            words = None
            if self.words and not self.problem.full_batch and not self.eager:
                words = put(self.words.padded_bags(order, self.capacity))
            losses: Array = self.run(put(self.problem.gathered(order)), words).numpy()
            if "GPU" in self.device:
                tf.experimental.sync_devices()  # the losses may be ready before the last update is finished
        return losses

    def batch(self, rows: tf.Tensor, words: Bags | None, step: Any) -> tuple[Any, tf.Tensor]:
        """Return inputs and targets of the rows [batch]; words are those of the padded step if given."""
        if self.problem.full_batch:
            return self.inputs, self.targets
        targets = tf.gather(self.targets, rows)
        if words:
            return Bags(*(part[step] for part in words)), targets
        if self.words:
            return put(self.words.bags(rows.numpy())), targets
        return tf.gather(self.inputs, rows), targets

    def forward(self, inputs: Any, rows: int) -> tf.Tensor:
        """Return the outputs [rows, outputs], in the way of the mode."""
        return forward(self.problem.layers, self.layers, inputs, rows, by_xla=self.by_xla)

    def step(self, inputs: Any, targets: tf.Tensor) -> tf.Tensor:
        """Take one step; return the loss before the update."""
        with tf.GradientTape() as tape:
            outputs = self.forward(inputs, self.problem.batch_size)
            loss = LOSSES[self.problem.loss](outputs, targets)
        gradients = tape.gradient(loss, self.variables)
        self.taken.assign_add(1)
        update(self.problem.optimizer, self.variables, gradients, self.slots, self.taken)
        return loss

    def loop(self, order: tf.Tensor, words: Bags | None) -> tf.Tensor:
        """Take the steps one by one; return their losses [steps]."""
        return tf.stack([self.step(*self.batch(rows, words, step)) for step, rows in enumerate(order)])

    def whole_pass(self, order: tf.Tensor, words: Bags | None) -> tf.Tensor:
        """Take the steps in a loop that becomes part of the graph; return their losses [steps]."""
        losses = tf.TensorArray(self.taken.dtype, size=len(order), element_shape=())
        for step in tf.range(len(order)):
            losses = losses.write(step, self.step(*self.batch(order[step], words, step)))
        return losses.stack()

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        with tf.device(self.device):
            outputs: Array = forward(self.problem.layers, self.layers, put(inputs), len(inputs), by_xla=False).numpy()
        return outputs

    def predictor(self, rows: int) -> Predictor:
        """Return a function of the inputs: that of `predict` or, in the other modes, its graph."""
        if self.eager:
            return self.predict
        answer = self.compiled(lambda inputs: self.forward(inputs, rows))

        def predict(inputs: Inputs) -> Array:
            with tf.device(self.device):
                batch = inputs.rounded_bags() if isinstance(inputs, WordCounts) else inputs
                outputs: Array = answer(put(batch)).numpy()
            return outputs

        return predict

    def params(self) -> Params:
        """Return copies of the parameters."""
        return transposed(self.problem.layers, map_params(lambda variable: variable.numpy(), self.layers))

    def peak_device_memory_bytes(self) -> int | None:
        """Return the peak memory of tensors on a GPU; None on the CPU."""
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if "GPU" in self.device else None
