"""Layers for images in NumPy: convolution, pools, and images as rows. Images are [batch, height, width, channels]."""

from __future__ import annotations

import numpy as np

from backends.contract import Array, AveragePool2d, Conv2d, Flatten, MaxPool2d, Shape
from backends.numpy_affine import AffineLayer, Mask, Named


class Conv2dLayer(AffineLayer):
    """A convolution as one matrix product: the patches that the kernel sees, times the kernel as a matrix.

    Patches are kept as [kernel height, kernel width, channels, batch, places down, places across]. So a copy, and a sum
    on the way back, goes along whole rows of the image; with the patch last it takes up to four times as long.
    """

    def __init__(self, layer: Conv2d, params: Named, gradients: Named, inputs: Shape) -> None:
        self.layer, self.inputs = layer, inputs
        super().__init__(layer, params, gradients, (inputs[0], *layer.output(inputs[1:])))
        self.framed_gradient = self.framed(np.zeros(inputs, self.bias.dtype))

    def framed(self, images: Array) -> Array:
        """Return images with the padding around them, with the channels first: [channels, batch, height, width]."""
        top, bottom, left, right = self.layer.padding
        return np.pad(images.transpose(3, 0, 1, 2), ((0, 0), (0, 0), (top, bottom), (left, right)))

    def patches_of(self, images: Array) -> Array:
        """Return what the kernel sees, as a matrix [kernel height * kernel width * channels, batch * places]."""
        framed, (height, width), stride = self.framed(images), self.layer.kernel, self.layer.stride
        windows = np.lib.stride_tricks.sliding_window_view(framed, (height, width), axis=(2, 3))
        seen = windows[:, :, ::stride, ::stride].transpose(4, 5, 0, 1, 2, 3)
        return np.ascontiguousarray(seen).reshape(height * width * self.layer.inputs, -1)

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, height, width, outputs]."""
        patches = self.patches_of(inputs)
        if training:
            self.patches = patches  # the way back needs them
        outputs = self.activated(np.matmul(patches.T, self.weights, out=self.flat if training else None))
        return outputs.reshape(len(inputs), *self.outputs.shape[1:])

    def backward(self, _: Array, gradient: Array) -> None:
        """Compute the gradients of weights and bias; turn `gradient` of the outputs into that of z, in place."""
        flat = gradient.reshape(self.flat.shape)
        self.bias_backward(flat)
        np.matmul(self.patches, flat, out=self.weights_gradient)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs [batch, height, width, channels] from that of z."""
        (height, width), stride = self.layer.kernel, self.layer.stride
        batch, down, across, _ = self.outputs.shape
        of_patches = np.matmul(self.weights, gradient.reshape(self.flat.shape).T)
        of_patches = of_patches.reshape(height, width, self.layer.inputs, batch, down, across)
        self.framed_gradient.fill(0)
        for row, column in np.ndindex(height, width):
            rows = slice(row, row + stride * down, stride)
            columns = slice(column, column + stride * across, stride)
            self.framed_gradient[:, :, rows, columns] += of_patches[row, column]
        top, _, left, _ = self.layer.padding
        inner = self.framed_gradient[:, :, top : top + self.inputs[1], left : left + self.inputs[2]]
        return np.ascontiguousarray(inner.transpose(1, 2, 3, 0))


class PoolLayer:
    """What both pools share: the windows, which do not overlap."""

    def __init__(self, layer: MaxPool2d | AveragePool2d, _params: Named, _gradients: Named, inputs: Shape) -> None:
        self.window, self.inputs = layer.window, inputs
        self.places = list(np.ndindex(layer.window, layer.window))

    def values(self, images: Array, place: tuple[int, ...]) -> Array:
        """Return the value at one place of every window, as a view of the images."""
        return images[:, place[0] :: self.window, place[1] :: self.window]


class MaxPool2dLayer(PoolLayer):
    """The maximum of each window. It remembers which value was the first of the largest."""

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, height, width, channels]."""
        largest = self.values(inputs, self.places[0]).copy()
        self.chosen = np.zeros(largest.shape, np.int8)
        for number, place in enumerate(self.places[1:], start=1):
            here = self.values(inputs, place)
            self.chosen[here > largest] = number
            np.maximum(largest, here, out=largest)
        return largest

    def backward(self, _inputs: Array, _gradient: Array) -> None:
        """Do nothing: there are no parameters."""

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: that of a window goes to its first largest value."""
        found = np.empty(self.inputs, gradient.dtype)
        for number, place in enumerate(self.places):
            np.multiply(gradient, self.chosen == number, out=self.values(found, place))
        return found


class AveragePool2dLayer(PoolLayer):
    """The mean of each window."""

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, height, width, channels]."""
        sums = self.values(inputs, self.places[0]).copy()
        for place in self.places[1:]:
            sums += self.values(inputs, place)
        sums *= 1 / len(self.places)
        return sums

    def backward(self, _inputs: Array, gradient: Array) -> None:
        """Turn the gradient of the outputs into that of each value of a window; there are no parameters."""
        gradient *= 1 / len(self.places)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: every value of a window gets the same."""
        found = np.empty(self.inputs, gradient.dtype)
        for place in self.places:
            self.values(found, place)[...] = gradient
        return found


class FlattenLayer:
    """An image as one row."""

    def __init__(self, _layer: Flatten, _params: Named, _gradients: Named, inputs: Shape) -> None:
        self.inputs = inputs

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return [batch, values], a view of the images."""
        return inputs.reshape(len(inputs), -1)

    def backward(self, _inputs: Array, _gradient: Array) -> None:
        """Do nothing: there are no parameters."""

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient as images."""
        return gradient.reshape(self.inputs)
