"""Layers for sequences in NumPy: embedding, normalization, attention, mean; gradients by hand.

The mask [batch, positions] says which positions hold a word (see `backends.sequences`).
"""

from __future__ import annotations

import math

import numpy as np

from backends.contract import Array, Attention, Embedding, LayerNorm, MeanPool, RMSNorm, Shape
from backends.numpy_affine import Mask, Named


class EmbeddingLayer:
    """Word embeddings plus those of the positions. It is the first layer, so nobody asks for its inputs' gradient."""

    touched: Array | slice = slice(None)  # the rows of the words' gradient that may be nonzero

    def __init__(self, _layer: Embedding, params: Named, gradients: Named, _inputs: Shape) -> None:
        self.params, self.gradients = params, gradients

    def forward(self, ids: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, positions, width]."""
        outputs = self.params["words"].take(ids, axis=0)
        outputs += self.params["positions"]
        return outputs

    def backward(self, ids: Array, gradient: Array) -> None:
        """Compute the gradients of both tables: each row adds up what its places got."""
        np.sum(gradient, axis=0, out=self.gradients["positions"])
        words, rows = self.gradients["words"], gradient.reshape(ids.size, -1)
        words[self.touched] = 0
        # Sorted by word, the rows of a word lie together and `reduceat` adds them up; `np.add.at` takes longer.
        order = np.argsort(ids, axis=None, kind="stable")
        self.touched, starts = np.unique(ids.ravel()[order], return_index=True)
        words[self.touched] = np.add.reduceat(rows[order], starts, axis=0)


class LayerNormLayer:
    """Normalization over the last axis."""

    def __init__(self, layer: LayerNorm, params: Named, gradients: Named, _inputs: Shape) -> None:
        self.layer, self.params, self.gradients = layer, params, gradients

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs, of the shape of the inputs."""
        normal = inputs - inputs.mean(axis=-1, keepdims=True)
        variance = np.einsum("...i,...i->...", normal, normal)[..., None] / self.layer.width
        self.inverse = 1 / np.sqrt(variance + self.layer.epsilon)
        normal *= self.inverse
        self.normal = normal
        outputs: Array = normal * self.params["scale"]
        outputs += self.params["shift"]
        return outputs

    def backward(self, _: Array, gradient: Array) -> None:
        """Compute the gradients of scale and shift."""
        flat, normal = gradient.reshape(-1, self.layer.width), self.normal.reshape(-1, self.layer.width)
        np.einsum("ij,ij->j", flat, normal, out=self.gradients["scale"])
        np.sum(flat, axis=0, out=self.gradients["shift"])

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: without its mean, and without what goes along the normalized values."""
        found: Array = gradient * self.params["scale"]
        along = np.einsum("...i,...i->...", found, self.normal)[..., None] / self.layer.width
        found -= found.mean(axis=-1, keepdims=True)
        found -= self.normal * along
        found *= self.inverse
        return found


class RMSNormLayer:
    """Normalization over the last axis by the root mean square."""

    def __init__(self, layer: RMSNorm, params: Named, gradients: Named, _inputs: Shape) -> None:
        self.layer, self.params, self.gradients = layer, params, gradients

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs, of the shape of the inputs."""
        square = np.einsum("...i,...i->...", inputs, inputs)[..., None] / self.layer.width
        self.inverse = 1 / np.sqrt(square + self.layer.epsilon)
        self.normal = inputs * self.inverse
        outputs: Array = self.normal * self.params["scale"]
        return outputs

    def backward(self, _: Array, gradient: Array) -> None:
        """Compute the gradient of scale."""
        flat, normal = (each.reshape(-1, self.layer.width) for each in (gradient, self.normal))
        np.einsum("ij,ij->j", flat, normal, out=self.gradients["scale"])

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: without what goes along the normalized values."""
        found: Array = gradient * self.params["scale"]
        found -= self.normal * (np.einsum("...i,...i->...", found, self.normal)[..., None] / self.layer.width)
        found *= self.inverse
        return found


class AttentionLayer:
    """Multi-head self-attention. Heads are views of columns, so that nothing is copied to take them apart."""

    def __init__(self, layer: Attention, params: Named, gradients: Named, _inputs: Shape) -> None:
        self.layer, self.params, self.gradients = layer, params, gradients
        self.scale = 1 / math.sqrt(layer.width // layer.heads)

    def apart(self, sequences: Array) -> Array:
        """Return [batch, heads, positions, width / heads] for [batch, positions, width], as a view."""
        return sequences.reshape(*sequences.shape[:2], self.layer.heads, -1).swapaxes(1, 2)

    def projected(self, name: str, rows: Array, shape: Shape) -> Array:
        """Return rows [batch * positions, width] times one of the matrices, plus its bias, as [batch, ...]."""
        product: Array = rows @ self.params[name]
        product += self.params[f"{name}_bias"]
        return product.reshape(shape)

    def forward(self, inputs: Array, training: bool, mask: Array) -> Array:
        """Return the outputs [batch, positions, width]."""
        shape, rows = inputs.shape, inputs.reshape(-1, self.layer.width)
        q, k, v = (self.apart(self.projected(name, rows, shape)) for name in ("query", "key", "value"))
        shares = np.matmul(q, k.swapaxes(2, 3))
        shares *= self.scale
        shares += np.where(mask, 0, -np.inf).astype(shares.dtype)[:, None, None, :]
        shares -= shares.max(axis=3, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(axis=3, keepdims=True)
        heads = np.empty(shape, shares.dtype)
        np.matmul(shares, v, out=self.apart(heads))
        self.kept = q, k, v, shares, heads.reshape(rows.shape)
        return self.projected("output", self.kept[-1], shape)

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradients of all parameters, and keep those of q, k and v."""
        (q, k, v, shares, heads), shape = self.kept, inputs.shape
        flat = gradient.reshape(heads.shape)
        self.params_backward("output", heads, flat)
        of_heads = self.apart((flat @ self.params["output"].T).reshape(shape))
        of_q, of_k, of_v = (np.empty(shape, gradient.dtype) for _ in range(3))
        np.matmul(shares.swapaxes(2, 3), of_heads, out=self.apart(of_v))
        of_scores = np.matmul(of_heads, v.swapaxes(2, 3))
        of_scores -= np.einsum("bhqk,bhqk->bhq", of_scores, shares)[..., None]
        of_scores *= shares
        of_scores *= self.scale
        np.matmul(of_scores, k, out=self.apart(of_q))
        np.matmul(of_scores.swapaxes(2, 3), q, out=self.apart(of_k))
        self.of_products = {"query": of_q, "key": of_k, "value": of_v}
        for name, of_product in self.of_products.items():
            self.params_backward(name, inputs.reshape(heads.shape), of_product.reshape(heads.shape))

    def params_backward(self, name: str, rows: Array, of_product: Array) -> None:
        """Compute the gradients of one matrix and its bias."""
        np.matmul(rows.T, of_product, out=self.gradients[name])
        np.sum(of_product, axis=0, out=self.gradients[f"{name}_bias"])

    def gradient_by_inputs(self, _: Array) -> Array:
        """Return the gradient of the inputs, which q, k and v come from."""
        query, key, value = (of_product @ self.params[name].T for name, of_product in self.of_products.items())
        query += key
        query += value
        return query


class MeanPoolLayer:
    """The mean over the positions that hold a word."""

    def __init__(self, _layer: MeanPool, _params: Named, _gradients: Named, _inputs: Shape) -> None:
        pass

    def forward(self, inputs: Array, training: bool, mask: Array) -> Array:
        """Return the outputs [batch, width]."""
        self.shares = mask / mask.sum(axis=1, keepdims=True, dtype=inputs.dtype)
        means: Array = np.matmul(self.shares[:, None, :], inputs)[:, 0]
        return means

    def backward(self, _inputs: Array, _gradient: Array) -> None:
        """Do nothing: there are no parameters."""

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: that of the mean, shared by the positions that hold a word."""
        found: Array = self.shares[:, :, None] * gradient[:, None, :]
        return found
