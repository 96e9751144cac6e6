"""NumPy trainers with one fault each: typical mistakes of authors of backends. Most of these trainers still learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.contract import Adam, Array, Inputs, Momentum, Params, Placement, Problem, map_params
from backends.numpy_affine import BACK_THROUGH, AffineLayer, Mask
from backends.numpy_backend import NumpyTrainer
from bench.selftest.wrapping import wrapped

SKIPPED_SHARE = 0.1  # of the steps of a pass, but at least one, by a training that stops early
TF32_BITS = 10  # of a mantissa


class Altered(NumpyTrainer):
    """The NumPy trainer with a modified update rule, which is made again at each reset."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.update = self.altered(self.update)

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the modified update rule."""
        return update


class BiasKept(Altered):
    """Never updates the biases of the first layer that has some."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that restores those biases."""
        bias = next(part for named in self.named for name, part in named.items() if name.endswith("bias"))

        def changed() -> None:
            kept = bias.copy()
            update()
            bias[...] = kept

        return changed


class LastLayerKept(Altered):
    """Does not train the last layer."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that ignores the gradients of the last layer."""

        def changed() -> None:
            self.layers[-1].weights_gradient.fill(0)
            self.layers[-1].bias_gradient.fill(0)
            update()

        return changed


class GradientSummed(Altered):
    """Sums the gradient over the batch."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update with the summed gradient."""

        def changed() -> None:
            np.multiply(self.gradients, self.problem.batch_size, out=self.gradients)
            update()

        return changed


class StaleGradient(Altered):
    """Takes each step with the gradient of the previous step."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that is one step late."""
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
        """Return the wrong Adam update; other optimizers are unchanged."""
        adam = self.problem.optimizer
        if not isinstance(adam, Adam):
            return update
        return another_adam(self, adam, lambda m, v, _: m / (np.sqrt(v) + adam.epsilon))


class AdamEpsilonInside(Altered):
    """Adds Adam's epsilon inside the root."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the wrong Adam update; other optimizers are unchanged."""
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
    """Return an Adam update whose direction is a function of the moments and the step number t."""
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
    """Averages the gradients for momentum instead of summing them: a wrong gain."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return the wrong momentum; other optimizers are unchanged."""
        optimizer, p, g = self.problem.optimizer, self.values, self.gradients
        if not isinstance(optimizer, Momentum):
            return update
        v = np.zeros_like(p)

        def changed() -> None:
            v[...] = optimizer.momentum * v + (1 - optimizer.momentum) * g
            np.subtract(p, optimizer.learning_rate * v, out=p)

        return changed


class Skipping(Altered):
    """Skips the update of some steps, but computes their losses."""

    skipping = False

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that does nothing in a skipped step."""
        return lambda: None if self.skipping else update()

    def train(self, order: Array) -> Array:
        """Take all steps but the skipped ones; return the losses of all steps."""
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
        """Return whether the step is in the middle of the pass."""
        return steps > 1 and step == steps // 2


class StopsEarly(Skipping):
    """Stops before the end of a pass."""

    def skips(self, step: int, steps: int) -> bool:
        """Return whether the step is one of the last."""
        return step > 0 and step >= steps - max(1, int(SKIPPED_SHARE * steps))


class OrderReversed(NumpyTrainer):
    """Takes the batches of a pass from the last to the first."""

    def train(self, order: Array) -> Array:
        """Take the steps in reverse order; return their losses in that order."""
        return super().train(order[::-1])


class ReluLeaks(NumpyTrainer):
    """Passes gradients on where a ReLU had a negative input."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        wrapped(self.layers, AffineLayer, leaking)


def leaking(layer: AffineLayer) -> AffineLayer:
    """Return the layer with a derivative of 1 everywhere, if its activation is a ReLU."""
    if layer.back_through is BACK_THROUGH["relu"]:
        layer.back_through = lambda *_: None
    return layer


class SoftmaxTwice(NumpyTrainer):
    """Applies softmax to the outputs before the loss applies it again."""

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
    """Reads weights [inputs, outputs] as [outputs, inputs], and undoes that when it returns them."""

    def reset(self, params: Params) -> None:
        """Copy `params` in, with the numbers in the wrong places."""
        super().reset(map_params(lambda part: part.reshape(part.T.shape).T, params))

    def params(self) -> Params:
        """Return copies, with the numbers in their original places."""
        return map_params(lambda part: np.ascontiguousarray(part.T).reshape(part.shape), super().params())


class Coarse(NumpyTrainer):
    """Rounds the outputs of each layer."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        for layer in self.layers:
            layer.forward = self.coarsened(layer.forward)

    def coarsened(self, forward: Callable[..., Array]) -> Callable[..., Array]:
        """Return a layer's forward pass with its result rounded."""

        def changed(inputs: Any, training: bool, mask: Mask) -> Array:
            outputs = forward(inputs, training, mask)
            outputs[...] = self.rounded(outputs)
            return outputs

        return changed

    def rounded(self, outputs: Array) -> Array:
        """Return numbers with fewer digits."""
        raise NotImplementedError


class HalfPrecision(Coarse):
    """Rounds products to half precision."""

    def rounded(self, outputs: Array) -> Array:
        """Return numbers rounded to float16."""
        return outputs.astype(np.float16)


class Tf32(Coarse):
    """Rounds float32 products to the ten bits of TF32, as some GPUs do, and leaves float64 unchanged."""

    def rounded(self, outputs: Array) -> Array:
        """Return float32 rounded to ten bits of mantissa, float64 unchanged."""
        if outputs.dtype != np.float32:
            return outputs
        mantissa, exponent = np.frexp(outputs)
        coarse: Array = np.ldexp(np.round(mantissa * 2 ** (TF32_BITS + 1)) / 2 ** (TF32_BITS + 1), exponent)
        return coarse


class Replayed(NumpyTrainer):
    """Trains once and returns the same losses for ever after."""

    known: dict[int, Array]

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.known, self.calls = {}, 0

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.calls = 0

    def train(self, order: Array) -> Array:
        """Take the steps if they were never taken before; return their losses."""
        self.calls += 1
        if self.calls not in self.known:
            self.known[self.calls] = super().train(order)
        return self.known[self.calls]


class EvaluatesStart(NumpyTrainer):
    """Predicts with the weights of the last reset."""

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.start = params

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs] of the initial weights."""
        kept = super().params()
        self.load(self.start)
        outputs = super().predict(inputs)
        self.load(kept)
        return outputs

    def load(self, params: Params) -> None:
        """Copy `params` in without clearing the optimizer's state."""
        for mine, given in zip(self.named, params, strict=True):
            for name, part in given.items():
                mine[name][...] = part
