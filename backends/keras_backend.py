"""Keras 3: a functional model, `compile` and `fit`. The lesson of three backends, one for each framework under Keras.

Mode:
    fit     the model is compiled once and `fit` goes through a pass, asking a `PyDataset` for each batch: what a Keras
            user writes, but that the loss of each step is kept. How a step is run is Keras's own choice: compiled by
            XLA on TensorFlow and JAX, one operation at a time on PyTorch

Keras reads which framework that is when it is imported: import one of keras_tensorflow_backend.py,
keras_jax_backend.py and keras_torch_backend.py, which say so first, and not this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import dtypes

from backends.contract import (
    SGD,
    Adam,
    Array,
    EmbeddingSum,
    Inputs,
    Layer,
    LayerParams,
    Loss,
    Momentum,
    Optimizer,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)

STEPS_OF_A_FIT = 1000  # a longer pass is several calls of `fit`; bounds the memory for losses

ACTIVATIONS = {"identity": "linear", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu"}
LOSSES: dict[Loss, Any] = {
    "mse": keras.losses.MeanSquaredError,
    "half_mse": lambda: lambda targets, outputs: keras.losses.mean_squared_error(targets, outputs) / 2,
    "softmax_cross_entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}


def open_trainer(problem: Problem, placement: Placement, wait_for: Callable[[Any], object]) -> KerasTrainer:
    """Build and compile the model; `wait_for` waits for tensors. Raises `Unsupported` for any device but the CPU."""
    require_cpu(placement)
    keras.config.set_floatx(placement.precision)
    keras.config.set_dtype_policy(placement.precision)  # an earlier trainer's layers have fixed it
    if placement.precision == "float64":
        allow_float64()
    return KerasTrainer(problem, wait_for)


def require_cpu(placement: Placement) -> None:
    """Raise `Unsupported` for any device but the CPU."""
    if placement.device != "cpu":
        raise Unsupported("Keras trains on the CPU only here: nobody has tried these backends on a GPU")


def allow_float64() -> None:
    """Let a model whose numbers are all float64 compute in float64, so that it can be checked to 1e-9.

    On JAX and PyTorch Keras rounds what comes out of many operations to float32, whatever goes in and without a word
    (keras-team/keras#23704). Nothing that is public tells it not to. Training in float32 is not touched.
    """
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


class Adam1(keras.optimizers.Adam):
    """Adam as in algorithm 1 of Kingma and Ba, which the contract keeps.

    Keras's own adds epsilon to the root of v before its bias is corrected (the paper's "epsilon hat"), which is
    another optimizer: its first steps are shorter. `update_step` is where Keras lets an optimizer differ. On PyTorch
    Keras updates all parameters at once for its own classes only, and one after the other for those derived from them.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        i = self._get_variable_index(variable)
        m, v = self._momentums[i], self._velocities[i]
        gradient = ops.add(gradient, ops.zeros(v.shape, v.dtype))  # TensorFlow's of a gather is rows yet to be added
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        # 1 - beta^t loses five digits in float32 when beta^t is near 1; expm1 loses none.
        taken = ops.cast(self.iterations + 1, variable.dtype)
        rate = learning_rate / -ops.expm1(taken * float(np.log(self.beta_1)))
        correction = -ops.expm1(taken * float(np.log(self.beta_2)))
        self.assign_sub(variable, rate * m / (ops.sqrt(v / correction) + self.epsilon))


def make_optimizer(optimizer: Optimizer) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer of the same semantics."""
    match optimizer:
        case SGD(rate):
            return keras.optimizers.SGD(rate)
        case Momentum(rate, momentum):
            # On TensorFlow Keras rounds a plain Python number to float32.
            return keras.optimizers.SGD(rate, momentum=np.float64(momentum))
        case Adam(rate, beta1, beta2, epsilon):
            return Adam1(rate, beta_1=beta1, beta_2=beta2, epsilon=epsilon)


class EmbeddingSumLayer(keras.layers.Layer):
    """A sum of word embeddings, each times its count, a bias and an activation.

    `keras.layers.Embedding` would want documents of one length: padded to the longest, they are 18 times as many words.
    """

    def __init__(self, layer: EmbeddingSum, documents: int) -> None:
        super().__init__()
        self.sizes = layer.inputs, layer.outputs
        self.documents = documents
        self.activation = keras.activations.get(ACTIVATIONS[layer.activation])
        self.embeddings = self.add_weight(shape=self.sizes, name="embeddings")
        self.bias = self.add_weight(shape=self.sizes[1:], name="bias")

    def call(self, words: Any, counts: Any, documents: Any) -> Any:
        """Return [documents, outputs] for the entries of a batch, three tensors [entries]."""
        embeddings = ops.expand_dims(counts, 1) * ops.take(self.embeddings, words, axis=0)
        # On PyTorch `segment_sum` adds in float32 whatever it is given, and `scatter` is a loop in Python.
        zeros = ops.zeros((self.documents, self.sizes[1]), embeddings.dtype)
        sums = ops.scatter_update(zeros, ops.expand_dims(documents, 1), embeddings, reduction="add")
        return self.activation(sums + self.bias)

    def compute_output_shape(self, *shapes: Any) -> tuple[int, int]:
        """Return [documents, outputs]."""
        return self.documents, self.sizes[1]


class StepLosses(keras.metrics.Metric):
    """The losses of the last steps, the newest last. Keras's own is a mean over an epoch.

    They stay on the device: a callback that read each one would wait for each step.
    """

    def __init__(self) -> None:
        super().__init__(name="step_losses")
        self.losses = self.add_variable((STEPS_OF_A_FIT,), "zeros", name="losses")

    def update_state(self, loss: Any) -> None:
        """Take in the loss of a step."""
        self.losses.assign(ops.append(self.losses[1:], loss))

    def result(self) -> Any:
        """Return the last one."""
        return self.losses[-1]


class Network(keras.Model):
    """The stack of layers, and the losses of its steps."""

    def __init__(self, problem: Problem) -> None:
        inputs, first = make_inputs(problem)
        flow = first
        for layer in problem.layers[1:]:
            flow = make_dense(layer)(flow)
        super().__init__(inputs=inputs, outputs=flow)
        self.step_losses = StepLosses()

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch, and keep it; this is where Keras lets a model do so."""
        loss = super().compute_loss(*args, **kwargs)
        self.step_losses.update_state(loss)
        return loss


def make_inputs(problem: Problem) -> tuple[Any, Any]:
    """Return what the model is given, and the outputs of its first layer."""
    first = problem.layers[0]
    if isinstance(first, EmbeddingSum):
        kinds = ("int32", keras.config.floatx(), "int32")
        bags = tuple(keras.Input(batch_shape=(None,), dtype=kind) for kind in kinds)
        return bags, EmbeddingSumLayer(first, problem.batch_size)(*bags)
    inputs = keras.Input((first.inputs,))
    return inputs, make_dense(first)(inputs)


def make_dense(layer: Layer) -> keras.layers.Layer:
    """Return a dense layer; its weights are set later."""
    return keras.layers.Dense(layer.outputs, activation=ACTIVATIONS[layer.activation], kernel_initializer="zeros")


class Batches(keras.utils.PyDataset):
    """The batches of an epoch, each gathered when `fit` asks for it."""

    def __init__(self, order: Array, take: Callable[[Array], tuple[Any, ...]]) -> None:
        super().__init__()
        self.order = order
        self.take = take

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, step: int) -> tuple[Any, ...]:
        return self.take(self.order[step])


class KerasTrainer:
    """A compiled model and its data, which lie in host memory but for those of a full batch."""

    def __init__(self, problem: Problem, wait_for: Callable[[Any], object]) -> None:
        self.problem = problem
        self.wait_for = wait_for
        self.model = Network(problem)
        optimizer = make_optimizer(problem.optimizer)
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer=optimizer, loss=LOSSES[problem.loss]())
        self.fresh = [np.array(ops.convert_to_numpy(variable)) for variable in optimizer.variables]
        self.take = taker(problem.inputs, problem.batch_size)
        self.whole = None
        if problem.full_batch:
            rows = np.arange(problem.batch_size)
            self.whole = keras.tree.map_structure(ops.convert_to_tensor, (self.take(rows), problem.targets))

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state; what `fit` has compiled goes on with the same variables."""
        self.model.set_weights([part for layer in params for part in layer])
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        starts = range(0, len(order), STEPS_OF_A_FIT)
        losses = np.concatenate([self.fit(order[start : start + STEPS_OF_A_FIT]) for start in starts])
        self.wait_for([variable.value for variable in self.model.variables])
        return losses

    def fit(self, order: Array) -> Array:
        """Take at most STEPS_OF_A_FIT steps, as one epoch; return their losses [steps].

        Also where each step takes all rows: an epoch for each of them would cost TensorFlow 34 ms, a step costs 0.7.
        """
        self.model.fit(Batches(order, self.batch), epochs=1, shuffle=False, verbose=0)
        return np.array(ops.convert_to_numpy(self.model.step_losses.losses)[-len(order) :])

    def batch(self, rows: Array) -> tuple[Any, Any]:
        """Return inputs and targets of the rows [batch]."""
        return self.whole or (self.take(rows), self.problem.targets[rows])

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs], in batches of the size that the model is compiled for."""
        size, take = self.problem.batch_size, taker(inputs, self.problem.batch_size)
        order = np.minimum(np.arange(-(-len(inputs) // size) * size), len(inputs) - 1).reshape(-1, size)
        outputs: Array = self.model.predict(Batches(order, lambda rows: (take(rows),)), verbose=0)
        return outputs[: len(inputs)]

    def params(self) -> Params:
        """Return copies of weights and biases."""
        arrays = [np.array(array) for array in self.model.get_weights()]
        return tuple(LayerParams(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True))

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: there is no device but the CPU."""
        return None


def taker(inputs: Inputs, batch: int) -> Callable[[Array], Any]:
    """Return a function that gathers the rows [batch] of inputs; words are padded to one shape for all batches."""
    if not isinstance(inputs, WordCounts):
        return lambda rows: inputs[rows]
    capacity = inputs.capacity(batch)
    return lambda rows: tuple(part[0] for part in inputs.padded_bags(rows[None], capacity))
