"""Convolutional networks of the shape of LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) as models of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backends.contract import (
    Activation,
    AveragePool2d,
    Conv2d,
    Dense,
    Flatten,
    Layer,
    MaxPool2d,
    Shape,
    flow_shapes,
)
from bench.tasks.definition import Start
from bench.tasks.fields import Count

POOLS = {"max": MaxPool2d, "average": AveragePool2d}
WINDOW = 2  # of each pool


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """Convolutions, each with a pool that halves height and width, and dense layers behind them.

    Zeros around the images keep their size in the first convolution; the others see no zeros. LeNet-5 of 1998 had
    `model.pool=average` and `model.activation=tanh`, weights in the pools, and 10 outputs of another kind.
    """

    filters: tuple[Count, ...]  # channels of the outputs of each convolution
    kernel: Count  # height and width
    hidden: tuple[Count, ...]  # number of units of each dense layer but the last
    pool: Literal["max", "average"] = "max"
    activation: Activation = "relu"  # of all layers but the last
    start: Start = "uniform"

    @property
    def takes_counts(self) -> bool:
        """False: images are arrays."""
        return False

    def layers(self, inputs: Shape, outputs: int, _words: int = 0, /) -> tuple[Layer, ...]:
        """Return the layers for images [height, width, channels]. Raises `Misfit`."""
        found: list[Layer] = []
        channels = inputs[-1]
        for filters in self.filters:
            found += [self._convolution(channels, filters, first=not found), POOLS[self.pool](WINDOW)]
            channels = filters
        found.append(Flatten())
        (width,) = flow_shapes(found, inputs)[-1]
        for units in self.hidden:
            found.append(Dense(width, units, self.activation))
            width = units
        return (*found, Dense(width, outputs, "identity"))

    def _convolution(self, inputs: int, outputs: int, *, first: bool) -> Conv2d:
        before, after = ((self.kernel - 1) // 2, self.kernel // 2) if first else (0, 0)
        return Conv2d(
            inputs=inputs,
            outputs=outputs,
            kernel=(self.kernel, self.kernel),
            stride=1,
            padding=(before, after, before, after),
            activation=self.activation,
        )
