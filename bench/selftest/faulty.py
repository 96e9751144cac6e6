"""The NumPy backend with one planted fault per mode: the faults that the parity check must catch.

The table says what each fault is and which tasks it affects; the trainers are in `bench.selftest.faulty_trainers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from backends.contract import (
    Adam,
    Attention,
    AveragePool2d,
    Conv2d,
    Embedding,
    Flatten,
    LayerNorm,
    MeanPool,
    Momentum,
    Placement,
    Problem,
    Residual,
    WordCounts,
    every,
    flow_shapes,
)
from backends.numpy_backend import NumpyTrainer, open_product
from bench.selftest.faulty_images import (
    flattened_by_channel,
    kernel_flipped,
    moved,
    padding_counted,
    padding_moved,
)
from bench.selftest.faulty_sequences import (
    attention_unscaled,
    gelu_by_tanh,
    padding_trained,
    padding_unmasked,
    positions_left_out,
    residual_left_out,
    unbiased_variance,
    with_keras_epsilon,
)
from bench.selftest.faulty_trainers import (
    AdamEpsilonInside,
    AdamUncorrected,
    BatchSkipped,
    BiasKept,
    EvaluatesStart,
    GradientSummed,
    HalfPrecision,
    LastLayerKept,
    LossAfter,
    MomentumDampened,
    OrderReversed,
    ReluLeaks,
    Replayed,
    SoftmaxTwice,
    StaleGradient,
    StopsEarly,
    Tf32,
    Transposed,
)
from bench.tasks import Task

__all__ = ["FAULTS", "Fault", "open_product", "open_trainer"]

OFF = 1.01  # factor of a wrong learning rate or scale


def rate_off(problem: Problem) -> Problem:
    """Return the problem with another learning rate."""
    return replace(problem, optimizer=replace(problem.optimizer, learning_rate=problem.optimizer.learning_rate * OFF))


def scaled(problem: Problem) -> Problem:
    """Return the problem with data on another scale."""
    inputs = problem.inputs
    if isinstance(inputs, WordCounts):
        return replace(problem, inputs=replace(inputs, counts=inputs.counts * inputs.counts.dtype.type(OFF)))
    return replace(problem, inputs=inputs * inputs.dtype.type(OFF))


def _always(_: Task) -> bool:
    return True


@dataclass(frozen=True)
class Fault:
    """A planted fault: what it is, how it is planted, and the tasks that it affects."""

    title: str
    trainer: Callable[[Problem, Placement], NumpyTrainer] = NumpyTrainer
    problem: Callable[[Problem], Problem] = lambda problem: problem
    concerns: Callable[[Task], bool] = _always


def _batches(task: Task) -> bool:
    return task.batch_size != "all"


def _widths(task: Task) -> bool:
    """Return whether some weights are more than a row or a column, so that transposing moves their numbers."""
    shapes = [shape for layer in task.layers for shape in layer.shapes().values()]
    return any(sum(count > 1 for count in shape) > 1 for shape in shapes)


def _has(kind: type) -> Callable[[Task], bool]:
    """Return whether a task has a layer of this type."""
    return lambda task: any(type(layer) is kind for layer in every(task.layers))


def _convolves(changes: Callable[[Conv2d], bool]) -> Callable[[Task], bool]:
    """Return whether a task has a convolution that a fault changes."""
    return lambda task: any(isinstance(layer, Conv2d) and changes(layer) for layer in task.layers)


def _flattens(task: Task) -> bool:
    """Return whether a task makes rows of images with several places and channels, whose order matters."""
    shapes = zip(task.layers, flow_shapes(task.layers, task.data.size.shape)[:-1], strict=True)
    return any(isinstance(layer, Flatten) and 1 < shape[-1] < math.prod(shape) for layer, shape in shapes)


FAULTS = {
    "rate_off": Fault("learning rate off by 1 %", problem=rate_off),
    "bias_kept": Fault("bias never updated", BiasKept),
    "gradient_summed": Fault("gradient summed over the batch", GradientSummed),
    "adam_uncorrected": Fault(
        "Adam without bias correction", AdamUncorrected, concerns=lambda task: isinstance(task.optimizer, Adam)
    ),
    "adam_epsilon_inside": Fault(
        "Adam's epsilon inside the root", AdamEpsilonInside, concerns=lambda task: isinstance(task.optimizer, Adam)
    ),
    "momentum_dampened": Fault(
        "momentum with the wrong gain", MomentumDampened, concerns=lambda task: isinstance(task.optimizer, Momentum)
    ),
    "batch_skipped": Fault("one batch skipped", BatchSkipped),
    "order_reversed": Fault("batch order reversed", OrderReversed, concerns=_batches),
    "last_layer_kept": Fault("last layer not trained", LastLayerKept),
    "relu_leaks": Fault(
        "ReLU derivative 1 at negative input",
        ReluLeaks,
        concerns=lambda task: any(layer.activation == "relu" for layer in every(task.layers)),
    ),
    "softmax_twice": Fault(
        "softmax applied twice", SoftmaxTwice, concerns=lambda task: task.loss == "softmax_cross_entropy"
    ),
    "loss_after": Fault("loss reported after the update", LossAfter),
    "transposed": Fault("weights transposed at load", Transposed, concerns=_widths),
    "half_precision": Fault("half-precision product", HalfPrecision),
    "tf32": Fault("ten-bit product, in float32 only", Tf32),
    "stale_gradient": Fault("gradient one step late", StaleGradient),
    "scaled": Fault("data normalised differently", problem=scaled, concerns=lambda task: not task.data.size.ids),
    "replayed": Fault("losses replayed", Replayed),
    "stops_early": Fault("training stops early", StopsEarly),
    "evaluates_start": Fault("evaluation of the weights at the start", EvaluatesStart),
    "kernel_flipped": Fault(
        "convolution for cross-correlation",
        kernel_flipped,
        concerns=_convolves(lambda layer: math.prod(layer.kernel) > 1),
    ),
    "padding_moved": Fault(
        "zeros around images moved by one", padding_moved, concerns=_convolves(lambda layer: moved(layer) != layer)
    ),
    "flattened_by_channel": Fault("flatten with the channels first", flattened_by_channel, concerns=_flattens),
    "padding_counted": Fault("average pool that counts padding", padding_counted, concerns=_has(AveragePool2d)),
    "unbiased_variance": Fault("unbiased variance in a normalization", unbiased_variance, concerns=_has(LayerNorm)),
    "keras_epsilon": Fault(
        "epsilon 1e-3 for 1e-5 in a normalization", problem=with_keras_epsilon, concerns=_has(LayerNorm)
    ),
    "gelu_by_tanh": Fault(
        "gelu by tanh",
        gelu_by_tanh,
        concerns=lambda task: any(layer.activation == "gelu" for layer in every(task.layers)),
    ),
    "attention_unscaled": Fault("attention without 1 / sqrt(d)", attention_unscaled, concerns=_has(Attention)),
    "padding_unmasked": Fault("padding not masked in attention", padding_unmasked, concerns=_has(Attention)),
    "positions_left_out": Fault("positions left out", positions_left_out, concerns=_has(Embedding)),
    "residual_left_out": Fault("way around a block left out", residual_left_out, concerns=_has(Residual)),
    "padding_trained": Fault("embedding of the padding trained", padding_trained, concerns=_has(MeanPool)),
}


def open_trainer(problem: Problem, placement: Placement) -> NumpyTrainer:
    """Return the trainer of a fault."""
    fault = FAULTS[placement.mode]
    return fault.trainer(fault.problem(problem), placement)
