"""NumPy trainers with one fault each: mistakes that authors of backends make; most of these trainers still learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.contract import Adam, Array, Inputs, LayerParams, Momentum, Params, Placement, Problem
from backends.numpy_backend import NumpyTrainer

SKIPPED_SHARE = 0.1  # of the steps of a pass, and one at the least, by a training that stops early
TF32_BITS = 10  # of a mantissa


class Altered(NumpyTrainer):
    """Trains as NumPy does, by an update rule that is altered afresh at each reset."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.update = self.altered(self.update)

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update rule to use instead."""
        return update


class BiasKept(Altered):
    """Never updates the biases of the first layer."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update, undone for those biases."""
        bias = self.layers[0].bias

        def changed() -> None:
            kept = bias.copy()
            update()
            bias[...] = kept

        return changed


class LastLayerKept(Altered):
    """Does not train the last layer."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update without those gradients."""

        def changed() -> None:
            self.layers[-1].weights_gradient.fill(0)
            self.layers[-1].bias_gradient.fill(0)
            update()

        return changed


class GradientSummed(Altered):
    """Sums the gradient over the batch."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update by the sum."""

        def changed() -> None:
            np.multiply(self.gradients, self.problem.batch_size, out=self.gradients)
            update()

        return changed


class StaleGradient(Altered):
    """Takes each step by the gradient of the step before."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update, one step late."""
        waiting = np.zeros_like(self.gradients)

        def changed() -> None:
            fresh = self.gradients.copy()
            self.gradients[...] = waiting
            waiting[...] = fresh
            update()

        return changed


class AdamUncorrected(Altered):
    """Leaves out Adam's bias correction."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return that Adam; other optimizers as they are."""
        adam = self.problem.optimizer
        if not isinstance(adam, Adam):
            return update
        return another_adam(self, adam, lambda m, v, _: m / (np.sqrt(v) + adam.epsilon))


class AdamEpsilonInside(Altered):
    """Adds Adam's epsilon inside the root."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return that Adam; other optimizers as they are."""
        adam = self.problem.optimizer
        if not isinstance(adam, Adam):
            return update
        return another_adam(
            self,
            adam,
            lambda m, v, t: (m / (1 - adam.beta1**t)) / np.sqrt(v / (1 - adam.beta2**t) + adam.epsilon),
        )


def another_adam(
    trainer: NumpyTrainer, adam: Adam, direction: Callable[[Array, Array, int], Array]
) -> Callable[[], None]:
    """Return an update by Adam's moments after t steps, in a direction of its own."""
    p, g = trainer.values, trainer.gradients
    m, v, taken = np.zeros_like(p), np.zeros_like(p), 0

    def update() -> None:
        nonlocal taken
        taken += 1
        m[...] = adam.beta1 * m + (1 - adam.beta1) * g
        v[...] = adam.beta2 * v + (1 - adam.beta2) * g * g
        np.subtract(p, adam.learning_rate * direction(m, v, taken), out=p)

    return update


class MomentumDampened(Altered):
    """Takes the mean of the gradients for momentum, not their sum: another gain."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return that momentum; other optimizers as they are."""
        optimizer, p, g = self.problem.optimizer, self.values, self.gradients
        if not isinstance(optimizer, Momentum):
            return update
        v = np.zeros_like(p)

        def changed() -> None:
            v[...] = optimizer.momentum * v + (1 - optimizer.momentum) * g
            np.subtract(p, optimizer.learning_rate * v, out=p)

        return changed


class Skipping(Altered):
    """Computes the losses of some steps and takes none there."""

    skipping = False

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the update, nothing where a step is skipped."""
        return lambda: None if self.skipping else update()

    def train(self, order: Array) -> Array:
        """Take the steps that are not skipped; return the losses of all."""
        losses = []
        for step in range(len(order)):
            self.skipping = self.skips(step, len(order))
            losses.append(super().train(order[step : step + 1]))
        return np.concatenate(losses)

    def skips(self, step: int, steps: int) -> bool:
        """Return whether a step of a pass is skipped."""
        raise NotImplementedError


class BatchSkipped(Skipping):
    """Skips one batch of each pass."""

    def skips(self, step: int, steps: int) -> bool:
        """Return whether it is the one in the middle."""
        return steps > 1 and step == steps // 2


class StopsEarly(Skipping):
    """Stops before a pass is over."""

    def skips(self, step: int, steps: int) -> bool:
        """Return whether it is one of the last."""
        return step > 0 and step >= steps - max(1, int(SKIPPED_SHARE * steps))


class OrderReversed(NumpyTrainer):
    """Takes the batches of a pass from the last to the first."""

    def train(self, order: Array) -> Array:
        """Take the steps; return their losses as they were taken."""
        return super().train(order[::-1])


class ReluLeaks(NumpyTrainer):
    """Lets gradients through where a ReLU had a negative input."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        for layer, definition in zip(self.layers, self.problem.layers, strict=True):
            if definition.activation == "relu":
                layer.back_through = lambda *_: None


class SoftmaxTwice(NumpyTrainer):
    """Takes a softmax of outputs before the loss takes another."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        plain = self.loss

        def loss(outputs: Array, targets: Array, gradient: Array) -> float:
            powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            shares = powers / powers.sum(axis=1, keepdims=True)
            value = plain(shares, targets, gradient)
            gradient[...] = shares * (gradient - np.sum(shares * gradient, axis=1, keepdims=True))
            return value

        if problem.loss == "softmax_cross_entropy":
            self.loss = loss


class LossAfter(NumpyTrainer):
    """Reports each loss after the update."""

    def step(self, inputs: Any, targets: Array) -> float:
        """Take a step; return the loss after it."""
        super().step(inputs, targets)
        return self.loss(self.forward(inputs), targets, np.empty_like(self.outputs_gradient))


class Transposed(NumpyTrainer):
    """Takes weights for [outputs, inputs] where they are [inputs, outputs], on the way in and on the way out."""

    def reset(self, params: Params) -> None:
        """Copy `params` in, their numbers in the wrong places."""
        super().reset(tuple(layer._replace(weights=layer.weights.reshape(layer.weights.T.shape).T) for layer in params))

    def params(self) -> Params:
        """Return copies, the numbers where they came from."""
        return tuple(
            LayerParams(np.ascontiguousarray(layer.weights.T).reshape(layer.weights.shape), layer.bias)
            for layer in super().params()
        )


class Coarse(NumpyTrainer):
    """Rounds what each layer puts out."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        for layer in self.layers:
            layer.forward = self.coarsened(layer.forward)  # type: ignore[method-assign]

    def coarsened(self, forward: Callable[..., Array]) -> Callable[..., Array]:
        """Return a layer's forward pass with its result rounded."""

        def changed(inputs: Any, out: Array | None = None) -> Array:
            outputs = forward(inputs, out)
            outputs[...] = self.rounded(outputs)
            return outputs

        return changed

    def rounded(self, outputs: Array) -> Array:
        """Return numbers with fewer digits."""
        raise NotImplementedError


class HalfPrecision(Coarse):
    """Keeps products in half precision."""

    def rounded(self, outputs: Array) -> Array:
        """Return them as float16 holds them."""
        return outputs.astype(np.float16)


class Tf32(Coarse):
    """Keeps products to the ten bits of TF32, as some GPUs do for float32, and float64 as it is."""

    def rounded(self, outputs: Array) -> Array:
        """Return float32 with ten bits of mantissa, float64 as it is."""
        if outputs.dtype != np.float32:
            return outputs
        mantissa, exponent = np.frexp(outputs)
        coarse: Array = np.ldexp(np.round(mantissa * 2 ** (TF32_BITS + 1)) / 2 ** (TF32_BITS + 1), exponent)
        return coarse


class Replayed(NumpyTrainer):
    """Trains once and returns the same losses ever after."""

    known: dict[int, Array]

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.known, self.calls = {}, 0

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.calls = 0

    def train(self, order: Array) -> Array:
        """Take the steps if that has not been done before; return their losses."""
        self.calls += 1
        if self.calls not in self.known:
            self.known[self.calls] = super().train(order)
        return self.known[self.calls]


class EvaluatesStart(NumpyTrainer):
    """Predicts by the weights that it was reset to."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.start = params

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs] of the start."""
        kept = super().params()
        self.load(self.start)
        outputs = super().predict(inputs)
        self.load(kept)
        return outputs

    def load(self, params: Params) -> None:
        """Copy `params` in and leave the optimizer alone."""
        for layer, (weights, bias) in zip(self.layers, params, strict=True):
            layer.weights[...] = weights
            layer.bias[...] = bias
