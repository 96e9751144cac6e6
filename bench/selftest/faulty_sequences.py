"""Faults of layers for sequences: each wraps the layers of one type of an otherwise right NumPy trainer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from backends.contract import Array, Layer, LayerNorm, Problem, Residual
from backends.numpy_affine import ACTIVATE, AffineLayer, Mask
from backends.numpy_layers import ResidualLayer
from backends.numpy_sequences import AttentionLayer, EmbeddingLayer, LayerNormLayer, MeanPoolLayer
from bench.selftest.wrapping import Wrapper, planted

KERAS_EPSILON = 1e-3  # of Keras's own LayerNormalization


class Unbiased(Wrapper):
    """A normalization by the variance whose divisor is the width minus 1.

    The deviation is then that of an epsilon smaller by (width - 1) / width, times the root of width / (width - 1).
    """

    def __init__(self, layer: LayerNormLayer) -> None:
        super().__init__(layer)
        share = (layer.layer.width - 1) / layer.layer.width
        layer.layer = replace(layer.layer, epsilon=layer.layer.epsilon * share)
        self.factor = math.sqrt(share)

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the normalized values, too small by the factor, times scale, plus shift."""
        shift = self.layer.params["shift"]
        outputs: Array = (super().forward(inputs, training, mask) - shift) * self.factor + shift
        return outputs

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradients of scale, by the values that are too small, and shift."""
        super().backward(inputs, gradient)
        self.layer.gradients["scale"] *= self.factor

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs."""
        return super().gradient_by_inputs(gradient * self.factor)


class Unmasked(Wrapper):
    """An attention that attends to padding too."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the outputs as if each position held a word."""
        return super().forward(inputs, training, np.ones_like(mask))


class WithoutPositions(Wrapper):
    """An embedding that adds no positions, and does not train them."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the embeddings of the words alone."""
        outputs: Array = super().forward(inputs, training, mask) - self.layer.params["positions"]
        return outputs

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradient of the words."""
        super().backward(inputs, gradient)
        self.layer.gradients["positions"].fill(0)


class WithoutWayAround(Wrapper):
    """Layers without the inputs added to what they make of them."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the outputs of the last layer inside."""
        super().forward(inputs, training, mask)
        outputs: Array = self.layer.flow[-1]
        return outputs

    def gradient_by_inputs(self, _: Array) -> Array:
        """Return the gradient that comes through the layers."""
        found: Array = self.layer.inner_gradient
        return found


class PaddingTrained(Wrapper):
    """A mean whose way back forgets the mask: padding gets as much as a word, and its embedding is trained."""

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs, the same at each position."""
        found = super().gradient_by_inputs(gradient)
        found[...] = found[:, :1]  # the first position holds a word
        return found


def unscaled(attention: AttentionLayer) -> AttentionLayer:
    """Return an attention that does not divide its scores by the root of the size of a head."""
    attention.scale = 1.0
    return attention


ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of the approximation of gelu by tanh


def by_tanh(layer: AffineLayer) -> AffineLayer:
    """Return a layer with gelu by its approximation by tanh, if it has one."""
    if layer.activate is ACTIVATE["gelu"]:
        layer.activate, layer.back_through = _gelu_by_tanh, _through_gelu_by_tanh
    return layer


def _gelu_by_tanh(z: Array) -> Array:
    kept = z.copy()
    z *= (1 + np.tanh(ROOT * (kept + CUBIC * kept**3))) / 2
    return kept


def _through_gelu_by_tanh(gradient: Array, z: Array) -> None:
    tanh = np.tanh(ROOT * (z + CUBIC * z**3))
    gradient *= (1 + tanh) / 2 + z / 2 * (1 - tanh**2) * ROOT * (1 + 3 * CUBIC * z**2)


def with_keras_epsilon(problem: Problem) -> Problem:
    """Return the problem with another epsilon in each normalization."""
    return replace(problem, layers=tuple(map(_with_keras_epsilon, problem.layers)))


def _with_keras_epsilon(layer: Layer) -> Layer:
    match layer:
        case LayerNorm():
            return replace(layer, epsilon=KERAS_EPSILON)
        case Residual(layers):
            return Residual(tuple(map(_with_keras_epsilon, layers)))
        case _:
            return layer


unbiased_variance = planted(LayerNormLayer, Unbiased)
gelu_by_tanh = planted(AffineLayer, by_tanh)
attention_unscaled = planted(AttentionLayer, unscaled)
padding_unmasked = planted(AttentionLayer, Unmasked)
positions_left_out = planted(EmbeddingLayer, WithoutPositions)
residual_left_out = planted(ResidualLayer, WithoutWayAround)
padding_trained = planted(MeanPoolLayer, PaddingTrained)
