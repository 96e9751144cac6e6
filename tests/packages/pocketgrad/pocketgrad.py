"""A framework: tensors that remember what they were made from, so that gradients can be sent back."""

import numpy as np


class Tensor:
    """An array; `sources` are pairs of a tensor that it was made from and how a gradient goes back to that one."""

    def __init__(self, data, sources=(), *, learns=False):
        self.data = data
        self.sources = [(tensor, back) for tensor, back in sources if tensor.learns]
        self.learns = learns or bool(self.sources)  # nobody needs the gradient by the data
        self.gradient = None

    def __matmul__(self, other):
        sources = (self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g)
        return Tensor(self.data @ other.data, sources)

    def __add__(self, bias):
        return Tensor(self.data + bias.data, ((self, lambda g: g), (bias, lambda g: g.sum(axis=0))))

    def backward(self):
        """Give every tensor that this number was made from its gradient. Each has been used once."""
        self.gradient, waiting = np.ones_like(self.data), [self]
        for tensor in waiting:
            for source, back in tensor.sources:
                source.gradient = back(tensor.gradient)
                waiting.append(source)


def identity(z):
    return z


def sigmoid(z):
    y = 0.5 * np.tanh(0.5 * z.data) + 0.5  # 1 / (1 + exp(-z)), which would overflow
    return Tensor(y, ((z, lambda g: g * y * (1 - y)),))


def relu(z):
    return Tensor(np.maximum(z.data, 0), ((z, lambda g: g * (z.data > 0)),))


def mse(z, targets, share=1):
    off = z.data - targets
    return Tensor(np.mean(off * off) * share, ((z, lambda g: g * 2 * share * off / off.size),))


def half_mse(z, targets):
    return mse(z, targets, share=0.5)


def softmax_cross_entropy(z, classes):
    shifted = z.data - z.data.max(axis=1, keepdims=True)  # exp cannot overflow
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    hit = np.eye(log_p.shape[1], dtype=log_p.dtype)[classes]
    return Tensor(-np.sum(hit * log_p) / len(hit), ((z, lambda g: g * (np.exp(log_p) - hit) / len(hit)),))
