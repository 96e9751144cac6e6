"""Faults of layers for images: each wraps the layers of one type of an otherwise right NumPy trainer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backends.contract import Array, Conv2d
from backends.numpy_affine import Mask
from backends.numpy_images import AveragePool2dLayer, Conv2dLayer, FlattenLayer
from bench.selftest.wrapping import Wrapper, planted


class Flipped(Wrapper):
    """A convolution as mathematics defines it: the kernel is turned by half a circle before it is applied."""

    def flip(self, weights: Array) -> None:
        """Turn weights, or their gradient, in place."""
        kernel = weights.reshape(*self.layer.layer.kernel, -1)
        kernel[...] = kernel[::-1, ::-1].copy()

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the outputs of the turned kernel."""
        self.flip(self.layer.weights)
        outputs = super().forward(inputs, training, mask)
        self.flip(self.layer.weights)
        return outputs

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradients of weights and bias."""
        super().backward(inputs, gradient)
        self.flip(self.layer.weights_gradient)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs."""
        self.flip(self.layer.weights)
        found = super().gradient_by_inputs(gradient)
        self.flip(self.layer.weights)
        return found


def moved(layer: Conv2d) -> Conv2d:
    """Return a convolution with one row of zeros at the top that belongs to the bottom, and so from right to left."""
    top, bottom, left, right = layer.padding
    down, across = min(bottom, 1), min(right, 1)
    return replace(layer, padding=(top + down, bottom - down, left + across, right - across))


def with_moved_padding(convolution: Conv2dLayer) -> Conv2dLayer:
    """Return a convolution with the zeros around images moved by one."""
    convolution.layer = moved(convolution.layer)
    return convolution


class ChannelsFirst(Wrapper):
    """A row of the values of an image by channel, height and width, as PyTorch keeps images."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return [batch, values]."""
        return super().forward(inputs.transpose(0, 3, 1, 2), training, mask)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient as images."""
        batch, height, width, channels = self.layer.inputs
        return np.ascontiguousarray(gradient.reshape(batch, channels, height, width).transpose(0, 2, 3, 1))


class PaddingCounted(Wrapper):
    """A mean of windows that begin one row and one column of zeros earlier, and count these zeros."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the means of images [batch, height, width, channels], with a border of zeros at the top and left."""
        framed = np.pad(inputs, ((0, 0), (1, 0), (1, 0), (0, 0)))
        return super().forward(np.ascontiguousarray(framed[:, :-1, :-1]), training, mask)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs; the last row and column are in no window."""
        found = super().gradient_by_inputs(gradient)
        return np.pad(found[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))


kernel_flipped = planted(Conv2dLayer, Flipped)
padding_moved = planted(Conv2dLayer, with_moved_padding)
flattened_by_channel = planted(FlattenLayer, ChannelsFirst)
padding_counted = planted(AveragePool2dLayer, PaddingCounted)
