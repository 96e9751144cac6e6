"""Weights as XLA multiplies them faster on a CPU: mnist_mlp takes 1/8 less time in JAX, 1/10 in TensorFlow."""

from __future__ import annotations

from backends.contract import EmbeddingSum, Layer, LayerParams, Params


def transposed(layers: tuple[Layer, ...], params: Params) -> Params:
    """Return the parameters with the weights of dense layers transposed: [inputs, outputs] <-> [outputs, inputs].

    The arrays are views; embeddings are unchanged.
    """
    return tuple(
        LayerParams(weights if isinstance(layer, EmbeddingSum) else weights.T, bias)
        for layer, (weights, bias) in zip(layers, params, strict=True)
    )
