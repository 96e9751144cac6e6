"""Keras 3: a functional model, `compile` and `fit`. The code of three backends, one for each framework under Keras.

Mode:
    fit     the model is compiled once, and `fit` trains a pass with batches from a `PyDataset`: what a Keras user
            writes, except that the loss of each step is kept. Keras itself chooses how a step is run: compiled by XLA
            on TensorFlow and JAX, one operation at a time on PyTorch

Keras chooses its framework when it is imported. So do not import this module, but one of keras_tensorflow_backend.py,
keras_jax_backend.py and keras_torch_backend.py, which name the framework before they import Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import dtypes

from backends.contract import (
    SGD,
    Adam,
    Array,
    Attention,
    AveragePool2d,
    Conv2d,
    Dense,
    Embedding,
    EmbeddingSum,
    Flatten,
    Inputs,
    LayerNorm,
    Loss,
    MaxPool2d,
    MeanPool,
    Momentum,
    Optimizer,
    Params,
    Placement,
    Predictor,
    Problem,
    Residual,
    RMSNorm,
    Supported,
    WordCounts,
    parts,
    reads_ids,
)
from backends.keras_sequences import (
    Batch,
    make_attention,
    make_embedding,
    make_layer_norm,
    make_mean_pool,
    make_rms_norm,
)

STEPS_OF_A_FIT = 1000  # a longer pass takes several calls of `fit`, which limits the memory for losses


def gelu(z: Any) -> Any:
    """Return z (1 + erf(z / sqrt(2))) / 2. On TensorFlow, Keras's own has sqrt(2) in float32 only."""
    return 0.5 * z * (1 + ops.erf(z * float(np.sqrt(0.5))))


ACTIVATIONS: dict[str, Any] = {
    "identity": "linear",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "gelu": gelu,
}
LOSSES: dict[Loss, Any] = {
    "mse": keras.losses.MeanSquaredError,
    "half_mse": lambda: lambda targets, outputs: keras.losses.mean_squared_error(targets, outputs) / 2,
    "softmax_cross_entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}


class Framework(NamedTuple):
    """What Keras has no function for, and the framework under it has."""

    wait_for: Callable[[Any], object]  # waits until tensors are computed
    peak_device_memory_bytes: Callable[[], int] | None  # of a GPU; None on the CPU


ON_CPU = Framework(wait_for=list, peak_device_memory_bytes=None)  # where nothing is left to wait for


def open_trainer(problem: Problem, placement: Placement, framework: Framework) -> KerasTrainer:
    """Build and compile the model, on the device that the framework chooses. Raises `Unsupported` for unknown layers.

    A framework that sees a GPU chooses it, and a process that trains on the CPU sees none.
    """
    keras.config.set_floatx(placement.precision)
    keras.config.set_dtype_policy(placement.precision)  # an earlier trainer may have set another one
    if placement.precision == "float64":
        allow_float64()
    return KerasTrainer(problem, framework)


def allow_float64() -> None:
    """Make a float64 model compute in float64 throughout, so that it can be checked to 1e-9.

    On JAX and PyTorch, Keras silently rounds the results of many operations to float32, whatever their input
    (keras-team/keras#23704), and has no public setting to prevent it. Training in float32 is not affected.
    """
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


class Adam1(keras.optimizers.Adam):
    """Adam as in algorithm 1 of Kingma and Ba, as the contract requires.

    Keras's own Adam adds epsilon to the root of v before the bias correction (the paper's "epsilon hat"), which is a
    different optimizer: its first steps are shorter. Keras optimizers are customised by `update_step`. On PyTorch,
    Keras updates all parameters at once only for its own classes, and one after the other for subclasses.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        i = self._get_variable_index(variable)
        m, v = self._momentums[i], self._velocities[i]
        gradient = ops.add(gradient, ops.zeros(v.shape, v.dtype))  # TensorFlow's of a gather is sparse
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        # In float32, 1 - beta^t loses five digits if beta^t is near 1; expm1 loses none.
        taken = ops.cast(self.iterations + 1, variable.dtype)
        rate = learning_rate / -ops.expm1(taken * float(np.log(self.beta_1)))
        correction = -ops.expm1(taken * float(np.log(self.beta_2)))
        self.assign_sub(variable, rate * m / (ops.sqrt(v / correction) + self.epsilon))


def make_optimizer(optimizer: Optimizer) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer with the same semantics."""
    match optimizer:
        case SGD(rate):
            return keras.optimizers.SGD(rate)
        case Momentum(rate, momentum):
            # On TensorFlow, Keras rounds Python numbers to float32.
            return keras.optimizers.SGD(rate, momentum=np.float64(momentum))
        case Adam(rate, beta1, beta2, epsilon):
            return Adam1(rate, beta_1=beta1, beta_2=beta2, epsilon=epsilon)


class EmbeddingSumLayer(keras.layers.Layer):
    """A sum of word embeddings, each multiplied by its count, with bias and activation.

    `keras.layers.Embedding` needs documents of equal length; padding to the longest gives 18 times as many words.
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
        # On PyTorch, `segment_sum` always adds in float32, and `scatter` is a Python loop.
        zeros = ops.zeros((self.documents, self.sizes[1]), embeddings.dtype)
        sums = ops.scatter_update(zeros, ops.expand_dims(documents, 1), embeddings, reduction="add")
        return self.activation(sums + self.bias)

    def compute_output_shape(self, *shapes: Any) -> tuple[int, int]:
        """Return [documents, outputs]."""
        return self.documents, self.sizes[1]


class StepLosses(keras.metrics.Metric):
    """A metric that keeps the losses of the last steps, the newest last. Keras's own keeps the mean of an epoch.

    They stay on the device: a callback that read each loss would have to wait for each step.
    """

    def __init__(self) -> None:
        super().__init__(name="step_losses")
        self.losses = self.add_variable((STEPS_OF_A_FIT,), "zeros", name="losses")

    def update_state(self, loss: Any) -> None:
        """Add the loss of a step."""
        self.losses.assign(ops.append(self.losses[1:], loss))

    def result(self) -> Any:
        """Return the loss of the last step."""
        return self.losses[-1]


def make_dense(layer: Dense, _batch: Batch) -> keras.layers.Layer:
    """Return a dense layer; its weights are set later."""
    return keras.layers.Dense(layer.outputs, activation=ACTIVATIONS[layer.activation], kernel_initializer="zeros")


def make_conv2d(layer: Conv2d, _batch: Batch) -> keras.layers.Layer:
    """Return a convolution, with zeros around the image if there are any; its weights are set later."""
    top, bottom, left, right = layer.padding
    convolution = keras.layers.Conv2D(
        layer.outputs,
        layer.kernel,
        layer.stride,
        data_format="channels_last",
        activation=ACTIVATIONS[layer.activation],
        kernel_initializer="zeros",
    )
    if not any(layer.padding):
        return convolution
    zeros = keras.layers.ZeroPadding2D(((top, bottom), (left, right)), data_format="channels_last")
    return keras.Sequential([zeros, convolution])


def make_max_pool2d(layer: MaxPool2d, _batch: Batch) -> keras.layers.Layer:
    """Return a pool by the maximum."""
    return keras.layers.MaxPooling2D(layer.window, data_format="channels_last")


def make_average_pool2d(layer: AveragePool2d, _batch: Batch) -> keras.layers.Layer:
    """Return a pool by the mean."""
    return keras.layers.AveragePooling2D(layer.window, data_format="channels_last")


def make_flatten(_layer: Flatten, _batch: Batch) -> keras.layers.Layer:
    """Return a layer that makes a row of an image, with the channels last."""
    return keras.layers.Flatten(data_format="channels_last")


def make_embedding_sum(layer: EmbeddingSum, batch: Batch) -> keras.layers.Layer:
    """Return a sum of word embeddings for so many documents; its weights are set later."""
    return EmbeddingSumLayer(layer, batch.rows)


def make_residual(layer: Residual, batch: Batch) -> Callable[..., Any]:
    """Return a function that adds up its inputs and what the layers inside make of them."""
    layers = [LAYERS[type(each)](each, batch) for each in layer.layers]

    def apply(x: Any) -> Any:
        flow = x
        for each in layers:
            flow = each(flow)
        return keras.layers.Add()([x, flow])

    return apply


LAYERS: dict[type, Callable[[Any, Batch], Callable[..., Any]]] = {
    Dense: make_dense,
    EmbeddingSum: make_embedding_sum,
    Conv2d: make_conv2d,
    MaxPool2d: make_max_pool2d,
    AveragePool2d: make_average_pool2d,
    Flatten: make_flatten,
    Embedding: make_embedding,
    LayerNorm: make_layer_norm,
    RMSNorm: make_rms_norm,
    Attention: make_attention,
    MeanPool: make_mean_pool,
    Residual: make_residual,
}


SUPPORTED = Supported(
    framework="Keras",
    layers=LAYERS,
    activations=ACTIVATIONS,
    losses=LOSSES,
    optimizers=(SGD, Momentum, Adam),
)


class Network(keras.Model):
    """A stack of layers that also keeps the losses of its steps."""

    def __init__(self, problem: Problem) -> None:
        inputs = make_inputs(problem)
        batch = Batch(problem.batch_size, ops.not_equal(inputs[0], 0) if reads_ids(problem.layers) else None)
        flow = inputs
        for layer in problem.layers:
            flow = (LAYERS[type(layer)](layer, batch)(*flow),)
        super().__init__(inputs=inputs, outputs=flow[0])
        self.step_losses = StepLosses()

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch, and keep it. Keras models are customised by this method."""
        loss = super().compute_loss(*args, **kwargs)
        self.step_losses.update_state(loss)
        return loss


def make_inputs(problem: Problem) -> tuple[Any, ...]:
    """Return the inputs of the model: an array, or word counts as three."""
    if isinstance(problem.inputs, WordCounts):
        return tuple(keras.Input(batch_shape=(None,), dtype=kind) for kind in ("int32", keras.config.floatx(), "int32"))
    return (keras.Input(problem.inputs.shape[1:], dtype=problem.inputs.dtype.name),)


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
    """A compiled model and its data, which are in host memory; a full batch is on the device."""

    def __init__(self, problem: Problem, framework: Framework) -> None:
        SUPPORTED.require(problem)
        self.problem = problem
        self.framework = framework
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
        """Copy `params` in and clear the optimizer's state. The variables stay, so nothing is compiled again."""
        weights = zip(self.model.weights, parts(params), strict=True)
        # Some have an axis of heads. They are copies: on the CPU, JAX may use the caller's memory.
        self.model.set_weights([np.array(part).reshape(weight.shape) for weight, part in weights])
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        starts = range(0, len(order), STEPS_OF_A_FIT)
        losses = np.concatenate([self.fit(order[start : start + STEPS_OF_A_FIT]) for start in starts])
        self.framework.wait_for([variable.value for variable in self.model.variables])
        return losses

    def fit(self, order: Array) -> Array:
        """Take at most STEPS_OF_A_FIT steps, as one epoch; return their losses [steps].

        This holds for full-batch problems too: on TensorFlow, one epoch per step would add 34 ms to a step of 0.7 ms.
        """
        self.model.fit(Batches(order, self.batch), epochs=1, shuffle=False, verbose=0)
        return np.array(ops.convert_to_numpy(self.model.step_losses.losses)[-len(order) :])

    def batch(self, rows: Array) -> tuple[Any, Any]:
        """Return inputs and targets of the rows [batch]."""
        return self.whole or (self.take(rows), self.problem.targets[rows])

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs], computed in batches of the size that the model is compiled for."""
        size, take = self.problem.batch_size, taker(inputs, self.problem.batch_size)
        order = np.minimum(np.arange(-(-len(inputs) // size) * size), len(inputs) - 1).reshape(-1, size)
        outputs: Array = self.model.predict(Batches(order, lambda rows: (take(rows),)), verbose=0)
        return outputs[: len(inputs)]

    def predictor(self, rows: int) -> Predictor:
        """Return `predict_on_batch` of a model for so many rows, which has the weights of now.

        It is compiled as `predict` is, which also makes a data set of each request.
        """
        model = Network(replace(self.problem, batch_size=rows))
        model.set_weights(self.model.get_weights())

        def predict(inputs: Inputs) -> Array:
            batch = tuple(inputs.rounded_bags()) if isinstance(inputs, WordCounts) else inputs
            outputs: Array = model.predict_on_batch(batch)
            return outputs

        return predict

    def params(self) -> Params:
        """Return copies of the parameters. Keras keeps them in the order of `Layer.shapes`."""
        arrays = map(np.array, self.model.get_weights())
        shapes = [layer.shapes().items() for layer in self.problem.layers]
        return tuple({name: next(arrays).reshape(shape) for name, shape in of_layer} for of_layer in shapes)

    def peak_device_memory_bytes(self) -> int | None:
        """Return the peak memory of tensors on a GPU, as the framework tells it; None on the CPU."""
        measure = self.framework.peak_device_memory_bytes
        return measure() if measure else None


def taker(inputs: Inputs, batch: int) -> Callable[[Array], Any]:
    """Return a function that gathers inputs of the rows [batch]; words are padded to one shape for all batches."""
    if not isinstance(inputs, WordCounts):
        return lambda rows: inputs[rows]
    capacity = inputs.capacity(batch)
    return lambda rows: tuple(part[0] for part in inputs.padded_bags(rows[None], capacity))
